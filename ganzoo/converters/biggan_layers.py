"""What the networks of ajbrock/BigGAN-PyTorch share: their layers, and what these only write down."""

import re

from ganzoo.converters.keymap import Array, Tensors

ATTENTION = {"theta": "query", "phi": "key", "g": "value", "o": "out"}
_LOGGED = r"(.+\.)?sv\d+"  # what sigma was; no layer reads it
_MORE = r"(.+\.)?u[1-9]\d*"  # of the second singular value on, by which nothing is divided


def take_layer(tensors: Tensors, source: str, target: str, arrays: dict[str, Array]) -> None:
    """A layer's weight, and its bias and vector where it has them."""
    arrays[f"{target}.weight"] = tensors.take(f"{source}.weight")
    if f"{source}.bias" in tensors:
        arrays[f"{target}.bias"] = tensors.take(f"{source}.bias")
    if f"{source}.u0" in tensors:
        arrays[f"{target}.u"] = tensors.take(f"{source}.u0").reshape(-1)


def drop_logs(tensors: Tensors) -> None:
    """Leave out what the layers only write down."""
    tensors.drop("a value for the log", when=lambda name: bool(re.fullmatch(_LOGGED, name)))
    tensors.drop("of singular values that divide nothing", when=lambda name: bool(re.fullmatch(_MORE, name)))


def sizes(tensors: Tensors, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor of so many dimensions.

    Raises:
        ValueError: for another number of them, or an empty one.
    """
    shape = tensors.shape(name)
    if len(shape) != dimensions or not all(shape):
        raise ValueError(f"{name} has shape {list(shape)}, not {dimensions} sizes above 0.")
    return shape
