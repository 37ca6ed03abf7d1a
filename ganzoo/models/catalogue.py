"""What the registry holds, read from its files alone: `ganzoo list` waits for no PyTorch.

`registry/costs.yaml` says what every recipe costs, as `ganzoo.models.cost` counts it; a test counts anew.
"""

import os
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ganzoo.plugins import has_plugins
from ganzoo.system.paths import DATA, default_cache_dir, user_path

KINDS = (
    "mapping",
    "upsampler",
    "conv",
    "demodulation",
    "head",
    "shortcut",
    "norm",
    "discriminator",
    "augment",
)
CONVENTION = (
    "MACs of one forward at batch 1: convolutions, linear layers and fixed filters; a transposed convolution "
    "at its input's size, a FIR filter as k x k taps an output (StyleGAN3's: those that meet a sample), an "
    "inverse Haar transform as 4. Papers that count a transposed convolution at its output's size, or FLOPs, "
    "print about twice as much."
)
CONVENTION_SHORT = "MACs at batch 1, fixed filters included, transposed convolutions at input size"
COSTS = DATA / "registry" / "costs.yaml"
MODELS = DATA / "registry" / "model"


def models(pattern: str = "*") -> list[dict[str, Any]]:
    """Published models that match a wildcard: what they cost, their licenses, where their weights are.

    Those of a family stand together, by size. `packaged` and `download` are bytes: of what is in the package,
    and of the first source that is not; of a model with a base, of its base's. `cached`: that is done.
    """
    found, recipe_costs = [], _read(COSTS)
    names = [path.stem for path in MODELS.glob("*.yaml") if fnmatchcase(path.stem, pattern)]
    entries = {name: _read(MODELS / f"{name}.yaml") for name in sorted(names, key=_natural)}
    for name, entry in entries.items():
        own = recipe_costs[entry["recipe"]]["resolution"]
        base = None
        if "base" in entry:
            base = entries.get(entry["base"]) or _read(MODELS / f"{entry['base']}.yaml")
        files = [source for source in entry.get("sources", []) if "file" in source]
        remote = [s for s in (base or entry).get("sources", []) if "file" not in s]
        whole = [entry] if base is None else [entry, base]
        found.append(
            {
                "name": name,
                "base": entry.get("base"),
                "resolution": entry["overrides"].get("resolution", own),
                "parameters": sum(entry["parameters"].values()),
                "macs": sum(entry["macs"].values()),
                "license": entry["license"],
                "bundled": bool(files) and base is None,
                "packaged": sum(source["bytes"] for source in files),
                "download": 0 if files and base is None else next((s["bytes"] for s in remote), None),
                "cached": any(cached_file(e["name"], e.get("weights_sha256")).is_file() for e in whole),
                "external": "external" in entry,
                "summary": entry["summary"],
            }
        )
    return found


def family(name: str) -> list[dict[str, Any]]:
    """The models of a published model's family, by size: all that are named after the shortest name."""
    found = models()
    root = min((m["name"] for m in found if f"{name}_".startswith(f"{m['name']}_")), key=len, default=name)
    return [m for m in found if f"{m['name']}_".startswith(f"{root}_")]


def recipes(pattern: str = "*") -> list[dict[str, Any]]:
    """Recipes that match a wildcard, and what they cost."""
    found = _read(COSTS)
    if has_plugins():  # architectures of other packages are recipes, too
        from ganzoo.models.recipes import list_recipes

        found |= {name: _counted(name) for name in list_recipes() if name not in found}
    return [{"name": name, **found[name]} for name in sorted(found) if fnmatchcase(name, pattern)]


def _counted(recipe: str) -> dict[str, int]:
    """What a recipe costs, counted now."""
    from ganzoo.models.cost import costs
    from ganzoo.models.factory import config_of

    config = config_of(recipe)
    parts = costs(config, deployed=False).values()
    return {
        "resolution": config.resolution,
        "parameters": sum(part.parameters + part.static for part in parts),
        "macs": sum(part.macs for part in parts),
    }


def blocks(pattern: str = "*") -> dict[str, list[str]]:
    """Names of the blocks of every kind that match a wildcard; those of plug-ins, too, which are imported."""
    if has_plugins():
        from ganzoo.models.factory import list_blocks

        names = {kind: list_blocks(kind) for kind in KINDS}
    else:
        names = block_cards()
    return {kind: [name for name in names[kind] if fnmatchcase(name, pattern)] for kind in KINDS}


def block_cards() -> dict[str, list[str]]:
    """Names of the blocks that come with ganzoo."""
    return {kind: sorted(path.stem for path in (DATA / "registry" / kind).glob("*.yaml")) for kind in KINDS}


def cached_file(
    name: str, weights_sha256: str | None, cache_dir: str | os.PathLike[str] | None = None
) -> Path:
    """Where a published model's converted weights lie, or would."""
    folder = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    return folder / f"{name}-{(weights_sha256 or 'external')[:12]}.safetensors"


def _natural(name: str) -> list[str | int]:
    """A key that sorts the numbers in names by their size."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _read(path: Path) -> dict[str, Any]:
    import yaml

    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML was built with it
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=safe))
