"""StyleGAN2 state dicts of mmagic and mmgeneration, once their names are rosinality's.

These repositories train on images whose colors may be in the order blue, green, red; no file says which.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from ganzoo.converters import rosinality
from ganzoo.converters.keymap import Tensors
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.system.validation import unknown

Network = TypeVar("Network", Generator, Discriminator)
SETTINGS: Mapping[str, Any] = {"colors": "rgb"}
_ORDERS = ("rgb", "bgr")


def read_generator(tensors: Tensors, settings: Mapping[str, Any]) -> Generator:
    """The generator of a state dict; its images have red first.

    Raises:
        ValueError: for another network, one that is damaged, or an unknown order of colors.
    """
    return _red_first(rosinality.read_generator(tensors), settings["colors"])


def read_discriminator(tensors: Tensors, settings: Mapping[str, Any]) -> Discriminator:
    """The discriminator of a state dict, for images with red first; it raises the same."""
    return _red_first(rosinality.read_discriminator(tensors), settings["colors"])


def _red_first(network: Network, order: Any) -> Network:
    """The network, its layers of colors turned round if they are in the other order."""
    if order not in _ORDERS:
        raise ValueError(unknown("order of colors", order, _ORDERS))
    for name, tensor in network.state_dict().items() if order == "bgr" else ():
        if ".to_image." in name and name.endswith((".conv.weight", ".bias")) and ".modulation." not in name:
            tensor.copy_(tensor.flip(0))
        elif ".from_image." in name and name.endswith(".weight"):
            tensor.copy_(tensor.flip(1))
    return network
