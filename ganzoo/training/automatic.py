"""Settings that follow from the images that are learnt from (Karras et al. 2020a, appendix C)."""

import os
from collections.abc import Mapping
from typing import Any

from ganzoo.data.labelled import labels_of
from ganzoo.data.reading import ImageSet
from ganzoo.system.paths import user_name, user_path
from ganzoo.training.names import MISSING

MAX_BATCH, MAX_SHARE, PIXELS = 64, 32, 4096  # batches: 32 images a GPU up to 128 x 128, fewer of larger ones
LARGE, LARGEST = 512, 1024
WIDE, NARROW = 32768, 16384  # channel_base from LARGE up, and below
GROUP, DEPTH = 4, 2
GAMMA = 0.0002  # of R1, for each pixel, times the batch
HALF_LIVES = 10 / 32  # kimg of the average's half life, for each image of a batch
RAMP_UP = 0.05
QUICK, QUICKEST = 0.002, 0.0025  # rates from LARGEST up, and below
TRANSFER_KIMG = 100  # of ADA, from a trained network


def by_images(data: Mapping[str, Any], given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    """Settings with those that the images decide on, where they are not given.

    Args:
        data: Composed settings.
        given: Settings of the command line, by dotted keys.
        whole: Whether images have to be given.

    Raises:
        ValueError, OSError: for images that are missing, or not there, or of no one size.
    """
    found = dict(data)
    for key in ("init", "init_discriminator"):
        if isinstance(name := found.get(key), str):
            found[key] = user_name(name.rstrip("/") or name)
    if found["data"] == MISSING:
        if whole:
            raise ValueError(
                "data is missing: data=FOLDER with images, or a zip of them, such as `ganzoo data prepare` "
                "writes."
            )
    elif isinstance(found["data"], str):
        found["data"] = str(user_path(found["data"]))
        images = ImageSet(found["data"], channels=_whole(found["img_channels"], 3))
        if not _sized(given):
            found["resolution"] = _side(images)
        if "label_dim" not in given and found["labels"] != "none":
            found["label_dim"] = _label_dim(images, str(found["labels"]))
    if "head" not in given and found.get("head", {}).get("name") == "aux":
        found["head"] = {"name": "single"}  # the discriminator sees the last level alone
    if found["init"] is not None:
        found = _over(found, given, {"ada.kimg": TRANSFER_KIMG, "ema.ramp_up": None})
    resolution = found["resolution"]
    if found["automatic"] and isinstance(resolution, int) and resolution > 0:
        found = _over(found, given, automatic(resolution, found, given))
    return found


def automatic(resolution: int, data: Mapping[str, Any], given: Mapping[str, Any] = {}) -> dict[str, Any]:
    """The settings of `training=auto`, by dotted keys.

    Args:
        resolution: Side of the images.
        data: Composed settings.
        given: Settings of the command line, which those that depend on them follow.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    batch = max(min(processes * min(PIXELS // resolution, MAX_SHARE), MAX_BATCH), processes)
    batch = max(_whole(given.get("batch_size"), batch), 1)  # what is below is refused with the settings
    rate = QUICK if resolution >= LARGEST else QUICKEST
    width = WIDE if resolution >= LARGE else NARROW
    found = {
        "batch_size": batch,
        "discriminator_channel_base": width,
        "optimizer.lr": rate,
        "discriminator_optimizer.lr": rate,
        "penalty.r1": GAMMA * resolution**2 / batch,
        "ema.half_life_kimg": batch * HALF_LIVES,
    }
    if data.get("mapping", {}).get("name") == "mlp" and "head" in data:  # as a StyleGAN2 has it
        found |= {"channel_base": width, "mapping.depth": DEPTH}
    if data["discriminator"]["name"] == "residual":
        found["discriminator.mbstd_group_size"] = max(min(batch // processes, GROUP), 1)
    if data["init"] is None:
        found["ema.ramp_up"] = RAMP_UP
    return found


def automatic_line(settings: Any) -> str:
    """What `training=auto` chose and why, for people."""
    side, batch = settings.generator.resolution, settings.batch_size
    return (
        f"Of {side} x {side} images follow: batch_size {batch}, penalty.r1 {settings.penalty.r1:.4g} "
        f"(0.0002 * {side}^2 / {batch}; the best value is from a quarter to four times that), "
        f"optimizer.lr {settings.optimizer.lr:g}, ema.half_life_kimg {settings.ema.half_life_kimg:g}."
    )


def _sized(given: Mapping[str, Any]) -> bool:
    return "resolution" in given or given.get("training") in _SIZED


_SIZED = ("paper256", "paper512", "paper1024", "cifar")


def _over(data: dict[str, Any], given: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with what was chosen, where nothing is given."""
    found = dict(data)
    for key, value in chosen.items():
        if key in given or (key == "channel_base" and "channels" in given):
            continue
        first, _, rest = key.partition(".")
        found[first] = {**found[first], rest: value} if rest else value
    return found


def _side(images: ImageSet) -> int:
    """The side of the first image, if it can be that of a generator's."""
    width, height = images.read(0).size
    if width != height or width & (width - 1) or not 4 <= width <= 2048:
        raise ValueError(
            f"resolution is missing: {images.names[0]} has {width} x {height} pixels, and a generator's "
            "images are square, with a power of two as side: give resolution=256, for example."
        )
    return width


def _label_dim(images: ImageSet, how: str) -> int:
    """Width of the images' labels, 0 for none."""
    labelled = labels_of(images, how)
    if not labelled.values:
        return 0
    first = labelled.values[0]
    if isinstance(first, list):
        return len(first)
    return max(len(labelled.classes), *(label + 1 for label in labelled.values if isinstance(label, int)))


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) else default
