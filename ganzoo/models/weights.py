"""Safetensors in and out, strict: every tensor in name, shape and kind, or an error."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.models.folders import CONFIG_FILE as CONFIG_FILE
from ganzoo.models.folders import WEIGHTS_FILE as WEIGHTS_FILE
from ganzoo.models.folders import model_folder
from ganzoo.models.golden import GOLDEN_FILE, write_golden
from ganzoo.plugins import load_plugins
from ganzoo.system.files import facts_digest, replacing
from ganzoo.system.kinds import CONFIG_KEY as CONFIG_KEY
from ganzoo.system.kinds import DIGEST_KEY as DIGEST_KEY
from ganzoo.system.kinds import kind_of, open_tensors
from ganzoo.system.paths import missing, user_path
from ganzoo.system.validation import unknown
from ganzoo.system.version import __version__

SCHEMA_VERSION = 2  # 2: levels are modules, and a config names its architecture
MAX_CONFIG_BYTES = 1 << 20
_KEYS = ("schema_version", "ganzoo_version", "module", "config")
_CONFIGS: dict[str, type[GeneratorConfig] | type[DiscriminatorConfig]] = {
    "generator": GeneratorConfig,
    "discriminator": DiscriminatorConfig,
}
_FLOATS = {"F32", "F16", "BF16"}
_SHOWN = 5
_ALIGNMENT = 64  # bytes


def save(
    module: Generator | Discriminator,
    directory: str | os.PathLike[str],
    *,
    recipe: str | None = None,
    golden: bool = False,
) -> None:
    """Write `config.json` and `model.safetensors` into the directory, which is made if need be.

    Each file appears whole or not at all. Images of other weights that are recorded there are removed.

    Args:
        module: What to write.
        directory: Folder for it.
        recipe: Name that is kept in the metadata of the weights.
        golden: Whether to record images as well, by which `ganzoo verify` proves a copy; see `record_golden`.

    Raises:
        TypeError: for a deployed generator, whose folded weights cannot be trained or deployed again, or a
            discriminator with `golden`, which makes no images.
    """
    if not isinstance(module, Generator | Discriminator):
        raise TypeError(f"save takes a Generator or a Discriminator, not {type(module).__name__}.")
    if isinstance(module, Generator) and module.form != TRAINABLE:
        raise TypeError(
            f"save takes a Generator as create() gives it, not one that is {module.form}: "
            "save the trained generator and call deploy() after loading."
        )
    if golden and not isinstance(module, Generator):
        raise TypeError("A discriminator makes no images: leave out golden=True.")
    directory = user_path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = module.config.to_dict()
    metadata = {CONFIG_KEY: config_digest(config), **({"recipe": recipe} if recipe is not None else {})}
    write_weights(module, directory / WEIGHTS_FILE, metadata)
    data = {
        "schema_version": SCHEMA_VERSION,
        "ganzoo_version": __version__,
        "module": type(module).__name__.lower(),
        "config": config,
    }
    with replacing(directory / CONFIG_FILE) as temporary:
        temporary.write_text(json.dumps(data, indent=2) + "\n")
    (directory / GOLDEN_FILE).unlink(missing_ok=True)
    if golden:
        record_golden(directory)


def record_golden(directory: str | os.PathLike[str]) -> Path:
    """Write `golden.safetensors` beside a saved generator, and give its path; it takes two images on the CPU.

    They are made of the weights that lie there, not of what is in memory, perhaps on another device.

    Raises:
        TypeError: if there is a discriminator.
        FileNotFoundError: if there is no model.
    """
    folder = model_folder(directory)
    generator = load(folder)
    if not isinstance(generator, Generator):
        raise TypeError(f"{folder} holds a discriminator, which makes no images.")
    write_golden(generator, folder / GOLDEN_FILE, weights_digest(generator))
    return folder / GOLDEN_FILE


def load(directory: str | os.PathLike[str]) -> Any:
    """The `Generator` or `Discriminator` that `save` wrote, on the CPU; of a run's folder, its student.

    Raises:
        ValueError: for a config or weights that are not exactly what they should be.
        FileNotFoundError: if one of the two files is missing.
    """
    directory = model_folder(directory)
    return load_weights(read_config(directory / CONFIG_FILE), directory / WEIGHTS_FILE)


def read_config(path: Path) -> GeneratorConfig | DiscriminatorConfig:
    """The config of a model directory.

    Raises:
        ValueError: if it is unreadable, of another schema, or has an unknown key or value.
        FileNotFoundError: if it does not exist.
    """
    data = read_json(path)
    for key in data:
        if key not in _KEYS:
            raise ValueError(f"{path}: {unknown('key', key, _KEYS)}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema_version {data.get('schema_version')!r}; this ganzoo reads {SCHEMA_VERSION}. "
            "Another version of ganzoo may read it."
        )
    kind = data.get("module", "generator")
    if not isinstance(kind, str) or kind not in _CONFIGS:
        raise ValueError(f"{path}: {unknown('module', kind, _CONFIGS)}")
    load_plugins()
    try:
        return _CONFIGS[kind].from_dict(data["config"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """What a config.json holds, unchecked but for its `config`, which is a dict.

    Raises:
        ValueError: if it is unreadable.
        FileNotFoundError: if it does not exist.
    """
    if not path.parent.exists():
        raise FileNotFoundError(
            f"{missing(path.parent)} A model directory holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: a model directory holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ValueError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes: this is no config.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        what = kind_of(path)
        raise ValueError(f"{path} is not valid JSON: {f'it is {what}.' if what else error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
        raise ValueError(f"{path} must hold {', '.join(_KEYS)}.")
    return data


@torch.inference_mode(False)  # what is made in inference mode could never be trained
def load_weights(config: GeneratorConfig | DiscriminatorConfig, path: Path) -> Any:
    """The network of that config with the file's weights, on the CPU, in float32.

    The module is built without memory and compared with the file's header first.

    Raises:
        ValueError: for a file that is no safetensors, or tensors missing, left over, misshaped or of another
            kind.
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist.")
    module: Generator | Discriminator = empty(config)
    expected = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    with open_tensors(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        _compare(path, expected, {n: (s.get_shape(), s.get_dtype()) for n, s in slices.items()})
        tensors = {name: _aligned(file.get_tensor(name).float()) for name in expected}
    module.load_state_dict(tensors, strict=True, assign=True)
    return module


def _aligned(tensor: Tensor) -> Tensor:
    """The tensor where torch puts its own: the last bit of a matrix times a vector depends on it."""
    return tensor.clone() if tensor.data_ptr() % _ALIGNMENT else tensor


def write_weights(
    generator: nn.Module,
    path: Path,
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a module's parameters and buffers; the file appears whole or not at all.

    The hash that it records is that of the tensors as they will be read back, in float32.

    Raises:
        OSError: if it cannot be written.
    """
    tensors = {name: tensor.to(dtype) for name, tensor in _tensors(generator).items()}
    with replacing(path) as temporary:
        digest = _digest({name: tensor.float() for name, tensor in tensors.items()})
        own = {"format": "pt", "ganzoo_version": __version__, DIGEST_KEY: digest}
        try:
            save_file(tensors, temporary, metadata={**own, **(metadata or {})})
        except SafetensorError as error:
            raise OSError(f"{path} cannot be written: {error}") from error


def weights_digest(generator: nn.Module) -> str:
    """sha256 of a module's tensors as float32, and of their names."""
    return _digest(_tensors(generator))


def published_digest(generator: nn.Module) -> str:
    """The same without the mean w, which conversion estimates: its last bits differ between machines."""
    tensors = _tensors(generator)
    tensors.pop("mapping.w_avg", None)
    return _digest(tensors)


def stored_digest(path: Path, key: str = DIGEST_KEY) -> str | None:
    """The digest that was recorded when the file was written, or None if none was.

    Raises:
        ValueError: if it is no safetensors file.
    """
    with open_tensors(path) as file:
        return (file.metadata() or {}).get(key)


def config_digest(config: Mapping[str, Any]) -> str:
    """sha256 of a config as it stands in config.json, whatever the order of its keys."""
    return facts_digest(config)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers as they are saved: float32, on the CPU, contiguous."""
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in module.state_dict().items()}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _compare(path: Path, expected: Mapping[str, list[int]], found: Mapping[str, tuple[Any, str]]) -> None:
    """Raise ValueError if a file's tensors are not those of the module."""
    faults = []
    if missing := sorted(set(expected) - set(found)):
        faults.append(f"missing {_some(missing)}")
    if extra := sorted(set(found) - set(expected)):
        faults.append(f"left over {_some(extra)}")
    common = sorted(set(expected) & set(found))
    if misshaped := [n for n in common if list(found[n][0]) != expected[n]]:
        shapes = [f"{n} {list(found[n][0])} instead of {expected[n]}" for n in misshaped]
        faults.append(f"misshaped {_some(shapes)}")
    if other := [f"{n} {found[n][1]}" for n in common if found[n][1] not in _FLOATS]:
        faults.append(f"not floating point {_some(other)}")
    if faults:
        raise ValueError(f"{path} does not fit its config: {'; '.join(faults)}.")


def _some(names: list[str]) -> str:
    """The first few names and how many there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"({len(names)}): {', '.join(names[:_SHOWN])}{more}"
