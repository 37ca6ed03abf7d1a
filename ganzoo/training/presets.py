"""Which settings a run begins with: a preset by its device, its teacher's size, or those of its folder."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ganzoo.generators.config import generator_keys
from ganzoo.models.recipes import RECIPES, read_yaml
from ganzoo.training.devices import found_accelerator
from ganzoo.training.earlier import settings_now
from ganzoo.training.settings import GIB

CPU, GPU = "cpu", "gpu"
SETTINGS = "settings.json"
_WHAT = {
    CPU: "images of the teacher made once, no discriminator",
    GPU: "new images at every step, a discriminator, bf16",
}
_OF_THE_COMMAND = ("teacher", "out", "name", "resume", "device", "recipe")


def preset(device: str, *, elsewhere: bool = False) -> tuple[str, str]:
    """The preset for a device, and a line that says which, why, and how to choose another.

    Args:
        device: Setting of the run.
        elsewhere: Whether a launcher takes it to another machine.
    """
    if device != "auto":
        name, why = (CPU if device == "cpu" else GPU), f"device={device}"
    elif elsewhere:
        name, why = GPU, "the launcher takes it to other machines"
    elif (found := found_accelerator()) is not None:
        name, why = GPU, f"PyTorch finds {found} here"
    else:
        name, why = CPU, "PyTorch finds no GPU here"
    other = GPU if name == CPU else CPU
    return name, (
        f"Preset {name} ({why}): {_WHAT[name]}. training={other} or training=distillation chooses another."
    )


def sets_resolution(training: str) -> bool:
    """Whether a preset has a resolution of its own, as that for trials has."""
    return "resolution" in read_yaml(RECIPES / "training" / f"{training}.yaml")


def fit_cache(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with half as many images of the teacher, and so on, until they fit into the limit."""
    cache = dict(data["cache"])
    size = 2 * data["img_channels"] * data["resolution"] ** 2
    while cache["images"] > 1 and cache["images"] * size > cache["limit_gib"] * GIB:
        cache["images"] //= 2
    return {**data, "cache": cache}


def recorded(data: Mapping[str, Any], folder: Path, given: Collection[str]) -> dict[str, Any] | None:
    """Settings of the run that the folder holds, but for those that are given; None if it holds none.

    Args:
        data: Composed settings.
        folder: Folder of the run.
        given: Dotted keys of the command line.
    """
    try:
        old = settings_now(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
        resolution = (data if "resolution" in given else old["student"])["resolution"]
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # what is damaged is told later
        return None
    own = generator_keys()
    found = {
        key: value
        if key in own or key in _OF_THE_COMMAND or key not in old
        else _merged(old[key], value, key, given)
        for key, value in data.items()
    }
    return {**found, "resolution": resolution}


def _merged(old: Any, new: Any, key: str, given: Collection[str]) -> Any:
    if key in given:
        return new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = {**new, **old} if "name" in new else new  # options of a block stand in the record alone
        return {k: _merged(old.get(k, new.get(k)), new.get(k), f"{key}.{k}", given) for k in keys}
    return old
