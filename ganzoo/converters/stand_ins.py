"""What the names that checkpoints call are replaced by. Every one builds data and does nothing else."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ganzoo.converters.contents import ArrayRef, DType, Record, Storage, TensorRef, attributes, is_shape
from ganzoo.converters.safe_pickle import MAX_NAME, Limits, UnsafePickleError, plain_name
from ganzoo.converters.unknown import Unknown, shown

# Among the options of BigGAN's training runs are modules without tensors.
_ACTIVATIONS = [
    f"torch.nn.modules.activation.{name}"
    for name in ("ReLU", "LeakyReLU", "ELU", "SELU", "SiLU", "Tanh", "Sigmoid", "Softplus")
]
_NUMPY_TYPES = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])


def stand_ins(limits: Limits, load: Callable[[memoryview], Any]) -> dict[str, Callable[..., Any]]:
    """The stand-ins by the dotted paths that a file names.

    Args:
        limits: Limits that are left to spend on the file.
        load: Reader of a stream that lies within another.
    """
    return {
        **_WITHOUT_LIMITS,
        "torch.storage._load_from_bytes": lambda data: load(memoryview(data)),
        "torch_utils.persistence._reconstruct_persistent_obj": partial(_persistent_object, limits),
        "_codecs.encode": partial(_latin, limits),
    }


def _persistent_object(limits: Limits, meta: Any) -> Record | Unknown:
    # The object's module travels along as source text, `module_src`. It is dropped unread.
    name, state = meta["class_name"], meta["state"]
    if not isinstance(state, dict):
        return Unknown(shown(name))
    if not isinstance(name, str) or not name.isidentifier() or len(name) > MAX_NAME:
        raise UnsafePickleError(f"A module's class has the odd name {shown(name)!r}.")
    limits.spend(len(state))
    return Record(name, attributes(state))


def _latin(limits: Limits, text: Any, encoding: Any = None) -> bytes | Unknown:
    if not isinstance(text, str) or encoding != "latin1":
        return Unknown("_codecs.encode")
    limits.spend_text(len(text))
    return text.encode("latin-1")


def _tensor(storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> TensorRef:
    are_shapes = is_shape(shape) and is_shape(stride) and is_shape((offset,))
    if type(storage) is not Storage or not are_shapes or len(shape) != len(stride):
        raise UnsafePickleError("A tensor is malformed.")
    count = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
    if count and (last >= storage.numel or count > storage.numel):
        raise UnsafePickleError(f"A tensor of shape {list(shape)} does not fit its {storage.numel} numbers.")
    return TensorRef(storage, offset, shape, stride)


def _parameter(data: Any, *_: Any) -> TensorRef:
    if type(data) is not TensorRef:
        raise UnsafePickleError("A parameter is no tensor.")
    return data


def _dtype(name: Any, *_: Any) -> DType | Unknown:
    if not isinstance(name, str) or name not in _NUMPY_TYPES:
        return Unknown(f"numpy.dtype({shown(name)!r})")
    return DType(np.dtype(name))


def _scalar(kind: Any, data: Any) -> Any:
    return np.frombuffer(data, kind.dtype, 1)[0].item()


def _array(data: Any, kind: Any, shape: Any, order: Any, *_: Any) -> ArrayRef:
    array = ArrayRef()
    array.set_state((1, shape, kind, order == "F", data))
    return array


def _dict(items: Any = ()) -> dict[Any, Any]:
    return {plain_name(key): value for key, value in items}


def _shape(sizes: Any = ()) -> tuple[int, ...] | Unknown:
    return tuple(sizes) if is_shape(sizes) else Unknown("torch.Size")


def _made_by_class(cls: Any, *_: Any) -> Unknown:
    return Unknown(shown(cls))


_WITHOUT_LIMITS: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": lambda *_: {},
    "dnnlib.util.EasyDict": _dict,
    "dnnlib.tflib.network.Network": lambda: Record("Network"),
    "argparse.Namespace": lambda: Record("argparse.Namespace"),
    "torch.Size": _shape,
    **{name: partial(Record, name) for name in _ACTIVATIONS},
    "torch.device": lambda kind, *_: plain_name(kind),
    "numpy.dtype": _dtype,
    # how protocols 0 and 1 make an object of any class, so that the class is what a message names
    "copyreg._reconstructor": _made_by_class,
    "copy_reg._reconstructor": _made_by_class,
    # how old protocols spell what has an opcode today; nothing here reads a set
    **{f"{module}.set": lambda items: list(items) for module in ("builtins", "__builtin__")},
    **{f"{module}.bytes": lambda: b"" for module in ("builtins", "__builtin__")},
    **{f"{core}.multiarray.scalar": _scalar for core in ("numpy.core", "numpy._core")},
    **{f"{core}.multiarray._reconstruct": lambda *_: ArrayRef() for core in ("numpy.core", "numpy._core")},
    **{f"{core}.numeric._frombuffer": _array for core in ("numpy.core", "numpy._core")},
}
