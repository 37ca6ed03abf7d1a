"""Weights as the difference from a published model's, which many members of a family share.

A member that began as a copy of its base differs from it in a few levels and a new head. Its file holds for
every tensor that the base has, too, the difference alone, and nothing where there is none; the other tensors
are packed as in `ganzoo.models.packed`. A difference is far smaller than its tensor, and so is its rounding.

A difference is kept in 8 bits a number. Where the file would be too large, the tensors that changed least are
kept in 4, two numbers a byte. A number is multiplied by its row's scale and added in float32, each rounded
once: every machine assembles the same tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.models.packed import SCALE, assembled, is_matrix, pack, unpack
from ganzoo.models.weights import published_digest
from ganzoo.system.files import replacing
from ganzoo.system.kinds import open_tensors, read_tensors

DIFFERENCE = ":difference"  # after the name of a tensor that the base has, too
_BASE, _BASE_SHA256 = "base", "base_weights_sha256"  # in the file's metadata
MAX_BYTES = 4_000_000  # of a file that comes with the package
_HEADER = 150  # bytes of a tensor's name, shape and place
_LARGEST_HALF, _OFFSET = 7, 8  # -7..7 is a half byte without sign


class OtherBase(ValueError):
    """A difference was read onto other weights than it was taken from."""


@dataclass(frozen=True)
class Parts:
    """What a file of differences holds, by the parts of the generator.

    Attributes:
        same: Parts that are the base's, unchanged.
        changed: Parts that were trained further, stored as differences.
        new: Parts of its own.
    """

    same: tuple[str, ...]
    changed: tuple[str, ...]
    new: tuple[str, ...]

    def told(self) -> dict[str, tuple[str, ...]]:
        """Those that there are, by what is said of them."""
        told = {"unchanged from the base": self.same, "trained further": self.changed, "new": self.new}
        return {what: parts for what, parts in told.items() if parts}


def write_delta(
    generator: Generator, base: Generator, path: Path, *, base_name: str, max_bytes: int = MAX_BYTES
) -> None:
    """Write what a generator has besides its base; the file appears whole or not at all.

    Args:
        generator: What to write.
        base: Weights that it began with.
        path: File for it.
        base_name: Published name of the base.
        max_bytes: Size of the file from where on differences are kept in 4 bits, as many as it takes.
    """
    packed: dict[str, Tensor] = {}
    differences: dict[str, Tensor] = {}
    changes: dict[str, float] = {}
    own = _tensors(base)
    for name, tensor in _tensors(generator).items():
        if name not in own or own[name].shape != tensor.shape:
            packed |= pack(name, tensor)
        elif not torch.equal(tensor, own[name]):
            key = name + DIFFERENCE
            differences[key] = tensor - own[name]
            packed |= pack(key, differences[key])
            if is_matrix(tensor):
                changes[key] = float(differences[key].norm() / own[name].norm())
    size = sum(tensor.nbytes + _HEADER for tensor in packed.values())
    for key in sorted(changes, key=lambda key: changes[key]):
        if size <= max_bytes:
            break
        size -= packed[key].nbytes // 2
        packed |= pack(key, differences[key], _LARGEST_HALF)
        packed[key] = _halved(packed[key])
    metadata = {_BASE: base_name, _BASE_SHA256: published_digest(base)}
    with replacing(path) as temporary:
        save_file(packed, temporary, metadata)


def read_delta(config: GeneratorConfig, base: Generator, path: Path) -> Generator:
    """The generator of that config: a base's weights with a file's differences, on the CPU, in float32.

    Raises:
        OtherBase: if the differences were taken from other weights.
        ValueError: for a file that is damaged, or does not fit the config.
    """
    name, sha256 = base_of(path)
    if (found := published_digest(base)) != sha256:
        raise OtherBase(
            f"{path} holds differences from {name} with sha256 {sha256:.12}…, not from weights with "
            f"{found:.12}…."
        )
    packed, own = read_tensors(path), base.state_dict()
    tensors = {name: own[name] for name in empty(config).state_dict() if name in own}
    for key in packed:
        if key.endswith(DIFFERENCE):
            name = key.removesuffix(DIFFERENCE)
            tensors[name] = _sum(path, own.get(name), key, packed)
        elif not key.endswith(SCALE):
            tensors[key] = unpack(key, packed)
    return assembled(config, {name: tensor.clone() for name, tensor in tensors.items()}, path)


def base_of(path: Path) -> tuple[str, str]:
    """Name of the base of a file of differences, and the digest of its weights.

    Raises:
        ValueError: if it is no such file.
    """
    with open_tensors(path) as file:
        metadata = file.metadata() or {}
    if not {_BASE, _BASE_SHA256} <= set(metadata):
        raise ValueError(f"{path} holds no differences from a base.")
    return metadata[_BASE], metadata[_BASE_SHA256]


def parts_of(config: GeneratorConfig, path: Path) -> Parts:
    """What of a generator a file of differences leaves to the base, changes and adds.

    Raises:
        ValueError: if the file cannot be read.
    """
    with open_tensors(path) as file:
        stored = set(file.keys())
    found: dict[str, set[str]] = {}
    for name in empty(config).state_dict():
        kind = "new" if name in stored else "changed" if name + DIFFERENCE in stored else "same"
        found.setdefault(_part(name), set()).add(kind)
    kinds = {
        part: "same" if k == {"same"} else "new" if k == {"new"} else "changed" for part, k in found.items()
    }
    return Parts(*(tuple(p for p, kind in kinds.items() if kind == k) for k in ("same", "changed", "new")))


def _tensors(generator: Generator) -> dict[str, Tensor]:
    return {name: value.detach().float().cpu().contiguous() for name, value in generator.state_dict().items()}


def _sum(path: Path, own: Tensor | None, key: str, packed: Mapping[str, Tensor]) -> Tensor:
    """A base's tensor with its difference."""
    stored = packed[key]
    if own is None or stored.dtype != torch.uint8:
        difference = unpack(key, packed)
    else:
        difference = unpack(key, {**packed, key: _whole(stored, own)})
    if own is None or own.shape != difference.shape:
        raise ValueError(
            f"{path} does not fit its base: {key.removesuffix(DIFFERENCE)} is not as it is there."
        )
    return own.float() + difference


def _halved(integers: Tensor) -> Tensor:
    """Integers of -7..7 as half bytes, two a byte, the first in the lower half."""
    flat = (integers.flatten() + _OFFSET).to(torch.uint8)
    if len(flat) % 2:
        flat = torch.cat((flat, flat.new_zeros(1)))
    return flat[::2] | flat[1::2] << 4


def _whole(halves: Tensor, like: Tensor) -> Tensor:
    """The integers again, in the shape of another tensor."""
    flat = torch.stack((halves & 15, halves >> 4), dim=1).flatten()
    if not 0 <= len(flat) - like.numel() <= 1:
        return flat  # its shape tells
    return flat[: like.numel()].view(like.shape).to(torch.int8) - _OFFSET


def _part(name: str) -> str:
    """Part to which a tensor belongs: `mapping`, `synthesis.levels.3`, `synthesis.head`."""
    words = name.split(".")
    if words[0] == "mapping":
        return words[0]
    numbered = len(words) > 2 and words[2].isdecimal()
    return ".".join(words[: 3 if numbered else 2])
