"""Recipes to plain dicts: what Hydra's own composition gives, without Hydra's global state.

Hydra's compose API fails inside a caller's own Hydra app and leaves its state behind, so `create` reads the
same files with this composer. It knows the part of the defaults list that the recipes use and refuses the
rest:

    - other_recipe            another recipe, merged here
    - /kind: block            a block's title card, under the key `kind`
    - override /kind: block   another block than the recipe above chose
    - _self_                  the file's own keys, merged here; required
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import MISSING, fields
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GENERATORS
from ganzoo.plugins import load_plugins
from ganzoo.system.paths import DATA
from ganzoo.system.validation import unknown

RECIPES = DATA / "recipes"
REGISTRY = DATA / "registry"


def list_recipes() -> list[str]:
    """Names of all recipes, sorted: the files, and the architectures that need none, as of other packages."""
    load_plugins()
    alone = (name for name in GENERATORS.names() if _stands_alone(name))
    return sorted({*(path.stem for path in RECIPES.glob("*.yaml")), *alone})


def default_recipe(architecture: str) -> dict[str, Any] | None:
    """An architecture with its defaults, if it has no recipe of its name; None if it has one."""
    if (RECIPES / f"{architecture}.yaml").is_file() or architecture not in GENERATORS.names():
        return None
    if not _stands_alone(architecture):
        return None
    return GENERATORS.get(architecture).defaults()


def _stands_alone(architecture: str) -> bool:
    """Whether an architecture's settings all have defaults, but for the side of its images."""
    needed = {
        f.name for f in fields(GENERATORS.get(architecture)) if f.default is MISSING is f.default_factory
    }
    return needed <= {"resolution"}


def compose(recipe: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The recipe with its blocks filled in and the overrides applied.

    Args:
        recipe: Name of the recipe.
        overrides: Other settings; see `override`.

    Raises:
        ValueError: for an unknown recipe or block, or a defaults list that this composer does not know.
    """
    choices: dict[str, str] = {}
    parts = list(_expand(recipe, choices))
    merged: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, tuple):
            kind, block = part
            part = {kind: card(kind, choices.pop(kind, block))}
        merged = OmegaConf.to_container(OmegaConf.merge(merged, part))  # type: ignore[assignment]
    if choices:
        raise ValueError(f"Recipe {recipe!r} overrides {', '.join(sorted(choices))}, which it never chose.")
    return override(merged, overrides or {})


def override(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with other values.

    A string picks another block, a mapping sets options (with `name`, of another block), anything else sets a
    field. `channels` takes the place of `channel_base` and `channel_max`, and the reverse.
    """
    data = dict(data)
    for key, value in overrides.items():
        if key not in KINDS:
            data[key] = value
        elif isinstance(value, str):
            data[key] = card(key, value)
        elif isinstance(value, Mapping):
            data[key] = {**(card(key, value["name"]) if "name" in value else data.get(key, {})), **value}
        else:
            raise ValueError(f"{key} is a block's name or a mapping of its options; got {value!r}.")
    if "channels" in overrides:
        for key in {"channel_base", "channel_max"} - set(overrides):
            data.pop(key, None)
    elif "channel_base" in overrides or "channel_max" in overrides:
        data.pop("channels", None)
    return data


def card(kind: str, name: str) -> dict[str, Any]:
    """A block's title card: its name and the options in which it differs from its defaults.

    A block of another package has no card here; its name is enough.
    """
    path = REGISTRY / kind / f"{name}.yaml"
    KINDS[kind].get(name)  # refuses an unknown one
    return read_yaml(path) if path.is_file() else {"name": name}


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a dict, read by OmegaConf (a number like 5e-4 is a number).

    Raises:
        ValueError: if it is no readable mapping.
    """
    try:
        data = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except (OSError, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a mapping.")
    return data


@lru_cache(maxsize=256)
def _parsed(text: str) -> object:
    """What a YAML file says, read once: planning a run asks for every preset twice, which took most of it."""
    return OmegaConf.to_container(OmegaConf.load(StringIO(text)), resolve=True)


def _expand(
    recipe: str, choices: dict[str, str], within: tuple[str, ...] = ()
) -> Iterator[dict[str, Any] | tuple[str, str]]:
    """What a recipe merges, in order: `(kind, block)` or plain keys.

    Overrides go to `choices`, the outermost first.
    """
    if recipe in within:
        raise ValueError(f"Recipe {recipe!r} includes itself.")
    if recipe not in list_recipes():
        raise ValueError(unknown("recipe", recipe, list_recipes()))
    if (whole := default_recipe(recipe)) is not None:
        yield whole
        return
    data = read_yaml(RECIPES / f"{recipe}.yaml")
    defaults = data.pop("defaults", ["_self_"])
    if "_self_" not in defaults:
        raise ValueError(f"Recipe {recipe!r}: the defaults list lacks _self_.")
    entries: list[tuple[str, str] | str] = []
    for entry in defaults:
        if isinstance(entry, str):
            entries.append(entry)
            continue
        [(key, block)] = entry.items()
        kind = key.removeprefix("override ").removeprefix("/")
        if kind not in KINDS or not isinstance(block, str):
            raise ValueError(f"Recipe {recipe!r}: cannot read {entry!r} in the defaults list.")
        if key.startswith("override "):
            choices.setdefault(kind, block)
        else:
            entries.append((kind, block))
    for item in entries:
        if item == "_self_":
            yield data
        elif isinstance(item, str):
            yield from _expand(item, choices, (*within, recipe))
        else:
            yield item
