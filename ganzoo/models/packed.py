"""Packed weights, for small models that come with the package: matrices in 8 bits, the rest in float16.

A small student inherits its teacher's mapping network, 8 x 512 x 512, which is larger than all the rest, and
most of the rest are matrices, too. They are kept as integers of -127..127 with a scale per row. That
leaves 42 dB of a student of 64 x 64, whose own images are at 17.5 dB from its teacher's.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.models.entries import BundledSource
from ganzoo.system.files import replacing, sha256
from ganzoo.system.kinds import kind_of, read_tensors

BUNDLED = Path(__file__).parent / "bundled"
SCALE = ":scale"  # after a matrix's name: its rows' scales
_LARGEST = 127
_LONG = 64  # numbers of a row, from where on its scale costs next to nothing


def write_packed(generator: nn.Module, path: Path) -> None:
    """Write a module's weights, packed; the file appears whole or not at all."""
    packed: dict[str, Tensor] = {}
    for name, value in generator.state_dict().items():
        packed |= pack(name, value.detach().float().cpu().contiguous())
    with replacing(path) as temporary:
        save_file(packed, temporary)


def read_packed(config: GeneratorConfig, path: Path) -> Generator:
    """The generator of that config with a file's packed weights, on the CPU, in float32.

    Raises:
        ValueError: for a file that is damaged, or does not fit the config.
    """
    packed = read_tensors(path)
    tensors = {name: unpack(name, packed) for name in packed if not name.endswith(SCALE)}
    return assembled(config, tensors, path)


def pack(name: str, tensor: Tensor, largest: int = _LARGEST) -> dict[str, Tensor]:
    """A float32 tensor by its name: a matrix as int8 of -largest..largest with its scales, else float16."""
    if not is_matrix(tensor):
        return {name: tensor.half()}
    top = tensor.flatten(1).abs().amax(dim=1).clamp(min=1e-12)
    scale = (top / largest).view(-1, *[1] * (tensor.ndim - 1))
    return {name: (tensor / scale).round().to(torch.int8), name + SCALE: scale}


def unpack(name: str, packed: Mapping[str, Tensor]) -> Tensor:
    """The same in float32: one product a number, so that every machine gives the same."""
    value = packed[name].float()
    return value * packed[name + SCALE] if name + SCALE in packed else value


def is_matrix(tensor: Tensor) -> bool:
    """Whether a tensor has rows that are long enough for scales."""
    return tensor.ndim >= 2 and tensor[0].numel() >= _LONG


def assembled(config: GeneratorConfig, tensors: Mapping[str, Tensor], path: Path) -> Generator:
    """The generator of that config with those tensors, which a file held.

    Raises:
        ValueError: if they do not fit the config.
    """
    generator = empty(config)
    try:
        generator.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit its config: {' '.join(str(error).split())}") from error
    return generator


def read_bundled(source: BundledSource, config: GeneratorConfig) -> Generator:
    """The generator of a file that comes with the package.

    Raises:
        ValueError: if the file is missing or not what its hash says.
    """
    return read_packed(config, bundled_file(source))


def bundled_file(source: BundledSource) -> Path:
    """A file that comes with the package, after its hash was checked.

    Raises:
        ValueError: if it is missing or not what its hash says.
    """
    path = BUNDLED / source.file
    try:
        found, size = sha256(path), path.stat().st_size
    except OSError as error:
        raise ValueError(f"{path} cannot be read: install ganzoo again.") from error
    if found != source.sha256:
        what = kind_of(path)
        told = f" (it is {what.partition(':')[0]})" if what else ""
        if not what and size != source.bytes:
            told = f" (it has {size} bytes instead of {source.bytes})"
        raise ValueError(f"{path} is not the published file: install ganzoo again{told}.")
    return path
