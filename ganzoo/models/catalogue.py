"""What the registry holds, read from its files alone: `ganzoo list` waits for no PyTorch.

`registry/costs.yaml` says what every recipe costs, as `ganzoo.models.cost` counts it; a test counts anew.
"""

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ganzoo.plugins import has_plugins
from ganzoo.system.paths import DATA, default_cache_dir, user_path

KINDS = ("mapping", "upsampler", "conv", "demodulation", "head", "shortcut", "discriminator", "augment")
CONVENTION = (
    "MACs of one forward at batch 1: convolutions, linear layers and fixed filters; a transposed convolution "
    "at its input's size, a FIR filter as k x k taps an output, an inverse Haar transform as 4. Papers that "
    "count a transposed convolution at its output's size, or FLOPs, print about twice as much."
)
CONVENTION_SHORT = "MACs at batch 1, fixed filters included, transposed convolutions at input size"
COSTS = DATA / "registry" / "costs.yaml"
MODELS = DATA / "registry" / "model"


def models(pattern: str = "*") -> list[dict[str, Any]]:
    """Published models that match a wildcard: what they cost, their licenses, where their weights are."""
    found, recipe_costs = [], _read(COSTS)
    for path in sorted(MODELS.glob("*.yaml")):
        if not fnmatchcase(path.stem, pattern):
            continue
        entry = _read(path)
        own = recipe_costs[entry["recipe"]]["resolution"]
        found.append(
            {
                "name": path.stem,
                "resolution": entry["overrides"].get("resolution", own),
                "parameters": sum(entry["parameters"].values()),
                "macs": sum(entry["macs"].values()),
                "license": entry["license"],
                "bundled": any("file" in source for source in entry.get("sources", [])),
                "cached": cached_file(path.stem, entry.get("weights_sha256")).is_file(),
                "external": "external" in entry,
                "summary": entry["summary"],
            }
        )
    return found


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


def _read(path: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    return dict(OmegaConf.to_container(OmegaConf.load(path)))  # type: ignore[arg-type]
