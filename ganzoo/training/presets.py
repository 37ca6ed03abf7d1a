"""What a run of distillation begins with: a preset by its device, and what its teacher decides on."""

from collections.abc import Mapping
from typing import Any

from ganzoo.models.factory import config_of
from ganzoo.models.recipes import RECIPES, list_recipes, read_yaml
from ganzoo.system.paths import user_name, user_path
from ganzoo.training.devices import found_accelerator
from ganzoo.training.names import DEFAULT_TRAINING, MISSING
from ganzoo.training.settings import GIB

CPU, GPU = "cpu", "gpu"
# Settings of the student that are its teacher's where they are not given.
OF_TEACHER = ("img_channels", "label_dim")
_WHAT = {
    CPU: "images of the teacher made once, no discriminator",
    GPU: "new images at every step, a discriminator, bf16",
}


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


def of_teacher(data: Mapping[str, Any], given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Settings of a student with those that its teacher decides on where they are not given.

    Args:
        data: Composed settings.
        given: Settings of the command line.
        whole: Whether a teacher has to be given.

    Raises:
        ValueError, OSError: for a teacher that is missing, or not there.
    """
    found = dict(data)
    for key in ("teacher", "init"):
        if isinstance(name := found.get(key), str):  # a shell completes the name of a folder with a slash
            found[key] = user_name(name.rstrip("/") or name)
    if isinstance(found["cache"]["folder"], str):
        found["cache"] = {**found["cache"], "folder": str(user_path(found["cache"]["folder"]))}
    teacher = found["teacher"]
    if whole and teacher == MISSING:
        raise ValueError(
            "teacher is missing: teacher=NAME with a model of `ganzoo list`, or teacher=FOLDER with what "
            "`ganzoo convert` wrote."
        )
    if whole and teacher in list_recipes():
        raise ValueError(f"teacher={teacher} is a recipe: it has no weights to learn from.")
    training = given.get("training", DEFAULT_TRAINING)
    sized = "resolution" in given or "resolution" in read_yaml(RECIPES / "training" / f"{training}.yaml")
    if isinstance(teacher, str) and teacher != MISSING:
        try:
            config = config_of(teacher)  # a typo is found before a folder is made for it
        except (ValueError, OSError):
            if whole:
                raise
        else:
            found["resolution"] = found["resolution"] if sized else config.resolution
            found |= {key: getattr(config, key) for key in OF_TEACHER if key not in given}
    return found if {"cache", "cache.images"} & given.keys() else fit_cache(found)


def fit_cache(data: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with half as many images of the teacher, and so on, until they fit into the limit."""
    cache = dict(data["cache"])
    try:
        size = 2 * data["img_channels"] * data["resolution"] ** 2
        while cache["images"] > 1 and cache["images"] * size > cache["limit_gib"] * GIB:
            cache["images"] //= 2
    except TypeError:  # of what is no number, which is told later
        return dict(data)
    return {**data, "cache": cache}
