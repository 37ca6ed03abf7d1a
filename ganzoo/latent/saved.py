"""Saved w: points of W+ in a file, and perhaps the noise that goes with them, for whatever takes `--w FILE`.

    save_w("mine.safetensors", w, generator)
    w = load_w("mine.safetensors", generator).w

The file says which mapping network its w belong to, by a few values of that network's w of seed 0. Students
share their teacher's mapping network, so a file goes with all of a family, in any runtime and precision. A
`.npz` with an array `w`, which the projectors of NVIDIA's repositories write, is read as well.
"""

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.generators.generator import Generator
from ganzoo.system.files import replacing
from ganzoo.system.kinds import open_tensors
from ganzoo.system.paths import missing, user_path

FINGERPRINT_KEY = "mapping"
FINGERPRINT_VALUES = 16
_TOLERANCE = 0.1  # of its largest value: weights of 8 bits are off by less, another network by about 1
_NOISE = "noise."
_NO_FACTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class SavedW:
    """What a file of w holds.

    Attributes:
        w: `[N, num_ws, w_dim]`, fitted to the generator that it was read for.
        noise: Noise of every layer, as `Generator.synthesis` takes it; None if none was saved.
        facts: What was written beside it, such as seeds or the settings of a projection.
    """

    w: Tensor
    noise: tuple[Tensor, ...] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@torch.no_grad()
def fingerprint(generator: Generator) -> tuple[float, ...]:
    """A few values of w that tell a mapping network from others: the first ones of seed 0, untruncated."""
    label = None
    if generator.label_dim:
        label = torch.eye(1, generator.label_dim, device=generator.device)
    w = generator.mapping(generator.sample_z(1, seed=0), label)
    return tuple(round(value, 5) for value in w[0, 0, :FINGERPRINT_VALUES].tolist())


def save_w(
    path: str | os.PathLike[str],
    w: Tensor,
    generator: Generator,
    *,
    noise: Sequence[Tensor] | None = None,
    facts: Mapping[str, str] = _NO_FACTS,
) -> Path:
    """Write w as safetensors; the file appears whole or not at all. Returns its path.

    Args:
        path: File to write.
        w: `[N, num_ws, w_dim]`.
        generator: Generator that they are points of.
        noise: Noise of every layer, to be saved with them.
        facts: Anything else worth keeping, as text.

    Raises:
        ValueError: if w does not fit the generator.
        OSError: if the file cannot be written.
    """
    file, tensors = user_path(path), {"w": w, **{f"{_NOISE}{i}": map_ for i, map_ in enumerate(noise or ())}}
    if w.ndim != 3 or list(w.shape[1:]) != [generator.num_ws, generator.w_dim]:
        raise ValueError(
            f"w of this generator are [N, {generator.num_ws}, {generator.w_dim}]; got {list(w.shape)}."
        )
    metadata = {"format": "pt", **facts, FINGERPRINT_KEY: json.dumps(fingerprint(generator))}
    with replacing(file) as temporary:
        save_file(
            {key: t.detach().float().cpu().contiguous() for key, t in tensors.items()}, temporary, metadata
        )
    return file


def load_w(path: str | os.PathLike[str], generator: Generator, *, other_mapping: bool = False) -> SavedW:
    """The w of a file, on the generator's device.

    A generator with fewer rows, as of a lower resolution, gets the first ones. One with more gets them only
    where all rows of a w are equal, which then go on.

    Args:
        path: File that `save_w` wrote, or an `.npz` with an array `w`.
        generator: Generator that is to draw them.
        other_mapping: Take w that were made with another mapping network, as of a model that was trained on.

    Raises:
        ValueError: if it is no such file, or holds w of another model.
        FileNotFoundError: if it is not there.
    """
    file = user_path(path)
    if not file.is_file():
        raise FileNotFoundError(missing(path))
    w, noise, facts = _numpy(file) if file.suffix == ".npz" else _safetensors(file)
    found = facts.get(FINGERPRINT_KEY)
    if found is not None and not other_mapping and not same_mapping(json.loads(found), generator):
        raise ValueError(
            f"{file} holds w of another model: its mapping network is not this one's. "
            "If one of the two was trained on from the other, say so: --other-mapping."
        )
    own = tuple(map_.to(generator.device) for map_ in noise) or None
    return SavedW(_fitted(w, generator, file).to(generator.device), own, facts)


def same_mapping(known: Sequence[float], generator: Generator) -> bool:
    """Whether a fingerprint is that of a generator's mapping network, within 8 bits of precision."""
    own = fingerprint(generator)
    largest = max(map(abs, own))
    return len(known) == len(own) and all(
        abs(a - b) <= _TOLERANCE * largest for a, b in zip(known, own, strict=True)
    )


def _safetensors(file: Path) -> tuple[Tensor, list[Tensor], dict[str, str]]:
    with open_tensors(file) as opened:
        names = set(opened.keys())
        if "w" not in names:
            raise ValueError(f"{file} holds no w: it is no file of `generate --save-w` or `project`.")
        count = sum(name.startswith(_NOISE) for name in names)
        noise = [opened.get_tensor(f"{_NOISE}{number}") for number in range(count)]
        return opened.get_tensor("w"), noise, dict(opened.metadata() or {})


def _numpy(file: Path) -> tuple[Tensor, list[Tensor], dict[str, str]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return torch.from_numpy(np.asarray(arrays["w"], dtype=np.float32)), [], {}
    except KeyError:
        raise ValueError(f"{file} holds no array w: it is no file of a projector.") from None
    except (ValueError, OSError, EOFError, TypeError, AttributeError, BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} cannot be read as .npz: {error}") from error


def _fitted(w: Tensor, generator: Generator, file: Path) -> Tensor:
    """Saved w with the rows of a generator."""
    rows, width = generator.num_ws, generator.w_dim
    if w.ndim == 2:  # one row for every layer
        w = w[:, None]
    if w.ndim != 3 or w.shape[2] != width or not len(w):
        raise ValueError(f"{file} holds w of {list(w.shape)}; this model takes [N, {rows}, {width}].")
    if not w.isfinite().all():
        raise ValueError(f"{file} is damaged: it holds numbers that are not finite.")
    if w.shape[1] >= rows:
        return w[:, :rows]
    if not torch.equal(w, w[:, :1].expand_as(w)):
        raise ValueError(
            f"{file} holds w of {w.shape[1]} rows, and this model takes {rows}: it is of a smaller image."
        )
    return w[:, :1].repeat(1, rows, 1)
