"""Files of directions, and which of them go with a model.

    directions = read_directions("mobilestylegan_ffhq")
    older = edit(w, directions["age"], 2)

A set of directions is two files: `directions.yaml` names each one and says what it changes, and
`directions.safetensors` beside it holds the vectors. In the first, names may be changed and entries deleted.
A set belongs to a mapping network, which all members of a family share. It lies in a model's folder, here or
on the Hub, or comes with the package: `registry/directions` and `ganzoo/latent/bundled`.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from safetensors.torch import save_file

from ganzoo.generators.generator import Generator
from ganzoo.latent.direction import FACTS, Rows, shown_rows
from ganzoo.latent.direction import Direction as Direction
from ganzoo.latent.direction import Directions as Directions
from ganzoo.latent.saved import same_mapping
from ganzoo.models.reference import Folder, HubModel, Name, Published, Reference, reference
from ganzoo.system.files import replacing
from ganzoo.system.kinds import open_tensors
from ganzoo.system.paths import DATA, missing, user_path
from ganzoo.system.validation import from_mapping, unknown

DIRECTIONS_FILE, VECTORS_FILE = "directions.yaml", "directions.safetensors"
SHIPPED, BUNDLED = DATA / "registry" / "directions", Path(__file__).parent / "bundled"
MAX_YAML = 1 << 20


def read_directions(
    source: Name, generator: Generator | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> Directions:
    """The directions of a model or a file.

    Args:
        source: Name of a model as `ganzoo.create` takes it, a YAML file of directions or its folder.
        generator: Generator that they are to move: they are checked to be its own, and those that come with
            the package for its mapping network are added.
        cache_dir: Where a model on the Hub is kept.

    Raises:
        ValueError: if there are none, they are another model's, or a file is not as it should be.
        OSError: if a file cannot be had.
    """
    found = find_directions(source, generator, cache_dir)
    if found is None:
        raise ValueError(
            f"There are no directions of {str(source)!r} yet. `ganzoo directions {source} --method ganspace "
            "--out FOLDER` finds some."
        )
    return found


def find_directions(
    source: Name | None, generator: Generator | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> Directions | None:
    """The same; None if there are none, and with no source those that come with the package alone."""
    own = None if source is None else _own(source, cache_dir)
    sets = [] if own is None else [own]
    if generator is not None:
        for found in sets:
            found.check(generator)
        # What lies with the model goes before what comes with the package.
        sets = [*(s for s in shipped() if same_mapping(s.mapping, generator)), *sets]
    return _together(sets)


def shipped() -> Iterator[Directions]:
    """The sets that come with the package."""
    for path in sorted(SHIPPED.glob("*.yaml")):
        yield read_file(path, BUNDLED / f"{path.stem}.safetensors")


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A direction in the YAML file; `vector` is its name in the other file where it was given a new one."""

    name: str
    deviation: float
    rows: int | str | None = None
    vector: str | None = None
    changes: str | None = None
    method: str | None = None
    origin: str | None = None
    license: str | None = None
    measured: str | None = None


@dataclass(frozen=True, kw_only=True)
class _File:
    """The YAML file."""

    mapping: tuple[float, ...]
    directions: tuple[_Entry, ...]
    model: str = ""


def read_file(path: str | os.PathLike[str], vectors: Path | None = None) -> Directions:
    """The directions of two files.

    Args:
        path: The YAML file, or the folder that holds `directions.yaml`.
        vectors: The file of vectors; None for the one beside the YAML file.

    Raises:
        ValueError: for an unknown or missing key, a value of another type, or a vector that is missing.
        FileNotFoundError: if one of the files is not there.
    """
    file = yaml_file(path)
    vectors = vectors or file.with_suffix(".safetensors")
    for needed in (file, vectors):
        if not needed.is_file():
            raise FileNotFoundError(missing(needed))
    try:
        data = from_mapping(_File, _read_yaml(file), "a file of directions")
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    with open_tensors(vectors) as opened:
        there = set(opened.keys())
        found = []
        for entry in data.directions:
            key = entry.vector or entry.name
            if key not in there:
                raise ValueError(f"{file}: {entry.name!r}: {unknown(f'vector of {vectors}', key, there)}")
            facts = {fact: text for fact in FACTS if (text := getattr(entry, fact)) is not None}
            found.append((entry, opened.get_tensor(key), facts))
    try:
        directions = (
            Direction(e.name, vector, e.deviation, _rows(e.name, e.rows), facts) for e, vector, facts in found
        )
        return Directions(tuple(directions), data.mapping, data.model)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def write_directions(
    path: str | os.PathLike[str], directions: Directions, vectors: Path | None = None
) -> Path:
    """Write directions as YAML and safetensors; each file appears whole or not at all. The YAML's path.

    Args:
        path: The YAML file to write, or the folder for `directions.yaml`, which is made if need be.
        directions: Directions to write.
        vectors: The file of vectors; None for one beside the YAML file.

    Raises:
        OSError: if they cannot be written.
    """
    file = yaml_file(path)
    vectors = vectors or file.with_suffix(".safetensors")
    entries = []
    for direction in directions:
        entry: dict[str, Any] = {"name": direction.name, "deviation": round(direction.deviation, 5)}
        if direction.rows is not None:
            entry["rows"] = shown_rows(direction.rows)
        entries.append({**entry, **{key: direction.facts[key] for key in FACTS if key in direction.facts}})
    data = {"model": directions.model, "directions": entries, "mapping": list(directions.mapping)}
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(vectors) as temporary:
        save_file({d.name: d.vector.clone() for d in directions}, temporary, {"format": "pt"})
    with replacing(file) as temporary:
        temporary.write_text(OmegaConf.to_yaml(OmegaConf.create(data)), encoding="utf-8")
    return file


def yaml_file(path: str | os.PathLike[str]) -> Path:
    """The YAML file that a path stands for: itself, or `directions.yaml` in the folder."""
    file = user_path(path)
    return file if file.suffix == ".yaml" else file / DIRECTIONS_FILE


def _rows(name: str, text: int | str | None) -> Rows | None:
    """The first row and the one after the last of a text such as `0-6`, which includes the last."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", str(text), re.ASCII)
    if found is None:
        raise ValueError(f"{name}: rows are written such as 0-6, the last one included; got {text!r}.")
    return int(found[1]), int(found[2] or found[1]) + 1


def _read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as plain values; what a stranger wrote is neither resolved nor unfolded.

    Raises:
        ValueError: if it is no readable mapping.
    """
    import yaml

    if path.stat().st_size > MAX_YAML:
        raise ValueError(f"it is larger than {MAX_YAML} bytes.")
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ValueError("it refers to parts of itself, which no file of directions does.")
        data = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except Exception as error:
        raise ValueError(f"it cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ValueError("it holds no mapping.")
    return data  # type: ignore[return-value]


def _together(sets: Iterable[Directions]) -> Directions | None:
    """All directions of some sets of one mapping network, of equal names the last; None for no set."""
    whole: Directions | None = None
    for found in sets:
        whole = found if whole is None else whole.with_others(found)
    return whole


def _own(source: Name, cache_dir: str | os.PathLike[str] | None) -> Directions | None:
    """The set that lies in a folder or on the Hub, or comes with the package for that model; or None."""
    if not isinstance(source, Reference) and str(source).endswith(".yaml"):
        return read_file(source)
    model = reference(source, cache_dir)
    if isinstance(model, Published):
        names = (model.name, model.entry.base)
        return _together([found for found in shipped() if found.model in names])
    if isinstance(model, HubModel):
        model.remote.pull(DIRECTIONS_FILE, VECTORS_FILE)
    folders = [model.folder] if isinstance(model, HubModel) else []
    if isinstance(model, Folder):
        folders = [model.path, *([model.folder] if model.is_model else [])]
    return next((read_file(folder) for folder in folders if yaml_file(folder).is_file()), None)
