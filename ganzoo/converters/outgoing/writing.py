"""`write`: a network to a file in the layout of another repository, read back and compared."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.keymap import flatten
from ganzoo.converters.nvidia_arguments import beside
from ganzoo.converters.outgoing.assumed import as_assumed
from ganzoo.converters.outgoing.layouts import find_layout
from ganzoo.converters.safetensors_file import open_safetensors
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import TRAINABLE, Generator
from ganzoo.system.files import move_together, new_folder, refuse_unwritable
from ganzoo.system.paths import user_path

_SAFETENSORS = ".safetensors"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: The file, then that of the constructors' arguments where the layout has one.
        tensors: Number of tensors by their place in the file, such as "g_ema".
        notes: What to know where the file is loaded, a line each.
    """

    files: tuple[Path, ...]
    tensors: Mapping[str, int]
    notes: tuple[str, ...]


def write(
    module: Generator | Discriminator,
    path: str | os.PathLike[str],
    layout: str,
    *,
    discriminator: Discriminator | None = None,
    assume: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Written:
    """Write a StyleGAN2 as another repository's code reads it; nothing in the file is code.

    `write(G, "faces.pt", "rosinality")` is `ganzoo convert MODEL faces.pt --to rosinality`. What was written
    is read back and compared bit for bit; the files appear together, or none does.

    Args:
        module: Generator as `create` or `load` gives it, or a discriminator alone.
        path: File to write: `.pt`, or for "nvidia" also `.safetensors`.
        layout: "rosinality" (`g_ema`, `latent_avg`, `d`) or "nvidia" (the state dicts `G_ema` and `D`, and
            the constructors' arguments beside them as JSON).
        discriminator: Discriminator for the same file.
        assume: `{"clamp": None}` leaves out a clamp that the images of four seeds do not reach.
        overwrite: Whether to replace files that are there.

    Raises:
        ValueError: for a network that does not fit, with what would; a clamp that is reached; another ending;
            a file that is there.
        TypeError: for what is no network, or a deployed generator.
        OSError: if a file cannot be written, or differs when it is read back.
    """
    file = place_for_file(path, layout, overwrite=overwrite)
    generator, judge = _networks(module, discriminator)
    if generator is not None:
        generator = as_assumed(generator, layout, assume or {})
    if judge is not None:
        judge = as_assumed(judge, layout, assume or {})
    chosen = find_layout(layout)
    contents = chosen.contents(generator, judge)
    names = [file.name]
    with new_folder(file.parent) as folder:
        tensors = _save(contents, folder / file.name)
        if chosen.arguments is not None:
            names.append(beside(file).name)
            text = json.dumps(chosen.arguments(generator, judge), indent=2)
            (folder / names[1]).write_text(f"{text}\n", encoding="utf-8")
        _compare(folder / file.name, tensors)
        move_together(names, folder, file.parent)
    counts = {key: len(state) if isinstance(state, dict) else 1 for key, state in contents.items()}
    files = tuple(file.with_name(name) for name in names)
    return Written(files, counts, tuple(chosen.notes(generator, judge)))


def place_for_file(path: str | os.PathLike[str], layout: str, *, overwrite: bool) -> Path:
    """The file to write, checked before a network is loaded; arguments and errors as above."""
    chosen, file = find_layout(layout), user_path(path)
    ending = chosen.endings[0]
    if file.is_dir():
        raise ValueError(f"{file} is a folder: with --to, OUT is a file such as {file / f'model{ending}'}.")
    if file.suffix.lower() not in chosen.endings:
        why = " A .pkl of NVIDIA's holds code, and ganzoo writes none." if file.suffix == ".pkl" else ""
        raise ValueError(
            f"OUT is a file that ends in {' or '.join(chosen.endings)} for {layout}; got {str(path)!r}.{why}"
        )
    refuse_unwritable(file.parent, "OUT's folder")
    names = [file] if chosen.arguments is None else [file, beside(file)]
    if (there := [str(name) for name in names if name.exists()]) and not overwrite:
        raise ValueError(f"{' and '.join(there)} exists: choose another name, or add --overwrite.")
    return file


def _networks(
    module: Generator | Discriminator, discriminator: Discriminator | None
) -> tuple[Generator | None, Discriminator | None]:
    """Generator and discriminator, checked to belong together."""
    if isinstance(module, Discriminator) and discriminator is None:
        return None, module
    if not isinstance(module, Generator) or not isinstance(discriminator, Discriminator | None):
        given = " and ".join(type(m).__name__ for m in (module, discriminator) if m is not None)
        raise TypeError(
            f"write takes a Generator, a Discriminator, or first one, then the other; got {given}."
        )
    if module.form != TRAINABLE:
        raise TypeError(f"write takes a Generator as create() gives it, not one that is {module.form}.")
    if discriminator is not None:
        for name in ("resolution", "img_channels", "label_dim"):
            own, other = getattr(module, name), getattr(discriminator, name)
            if own != other:
                raise ValueError(f"The discriminator's {name} is {other}, the generator's {own}.")
    return module, discriminator


def _save(contents: Mapping[str, object], file: Path) -> dict[str, Tensor]:
    """Write what a file holds, and give its tensors by their dotted places."""
    tensors = dict(_flat(contents))
    if file.suffix.lower() == _SAFETENSORS:
        save_file(tensors, file)
    else:
        torch.save(contents, file)
    return tensors


def _flat(contents: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, item in contents.items():
        if isinstance(item, Tensor):
            yield f"{prefix}{name}", item
        else:
            yield from _flat(cast(Mapping[str, object], item), f"{prefix}{name}.")


def _compare(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise OSError unless a file holds these tensors, bit for bit."""
    is_flat = file.suffix.lower() == _SAFETENSORS
    found = dict(flatten(open_safetensors(file) if is_flat else open_checkpoint(file)))
    same = found.keys() == tensors.keys() and all(
        np.array_equal(ref.array().view(np.uint32), tensors[name].numpy().view(np.uint32))
        for name, ref in found.items()
    )
    if not same:
        raise OSError(f"{file.name}: what was written differs from what was read: is the disk sound?")
