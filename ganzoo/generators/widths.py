"""Sides and widths of networks whose levels double from 4 x 4 up."""

import math
from collections.abc import Mapping
from typing import Any

from ganzoo.generators.config import MAX_WIDTH
from ganzoo.system.validation import in_range, unknown

MIN_RESOLUTION, MAX_RESOLUTION = 4, 2048
WIDTHS = ("channel_base", "channel_max")  # shorthands for channels


def with_channels(data: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The mapping with `channels` instead of `channel_base` and `channel_max`.

    Raises:
        ValueError: if the resolution or widths lack, or widths are given twice.
    """
    data, what = dict(data), what.capitalize()
    if "resolution" not in data:
        raise ValueError(f"{what} needs a resolution.")
    output = data.get("output", "pixel")
    check_resolution(data["resolution"], output)
    base, maximum = data.pop("channel_base", None), data.pop("channel_max", None)
    if data.get("channels") is not None:
        if base is not None or maximum is not None:
            raise ValueError(f"{what} takes channels, or channel_base and channel_max, not both.")
        return data
    if base is None or maximum is None:
        raise ValueError(f"{what} needs channels, or channel_base and channel_max.")
    in_range("channel_base", base, 1, MAX_WIDTH * MAX_RESOLUTION)
    in_range("channel_max", maximum, 1, MAX_WIDTH)
    levels = range(num_levels(data["resolution"], output))
    data["channels"] = [max(1, min(base // 2 ** (level + 2), maximum)) for level in levels]
    return data


def check_levels(resolution: int, channels: tuple[int, ...], output: str) -> None:
    """Raise ValueError for sizes that no network has."""
    check_resolution(resolution, output)
    levels = num_levels(resolution, output)
    if len(channels) != levels:
        raise ValueError(
            f"channels lists the width of every level from 4 x 4 up: {levels} of them for resolution "
            f"{resolution} and output {output!r}; got {len(channels)}: {channels}."
        )
    for width in channels:
        in_range("a width in channels", width, 1, MAX_WIDTH)


def check_resolution(resolution: object, output: object) -> None:
    """Raise ValueError for a size that no network has."""
    if output not in ("pixel", "wavelet"):
        raise ValueError(unknown("output", output, ["pixel", "wavelet"]))
    least = MIN_RESOLUTION if output == "pixel" else 2 * MIN_RESOLUTION
    whole = isinstance(resolution, int) and not isinstance(resolution, bool)
    sides = [least << i for i in range((MAX_RESOLUTION // least).bit_length())]
    if not whole or resolution not in sides:
        square = "" if isinstance(resolution, int | float) else ", one for both sides of a square"
        raise ValueError(
            f"resolution is a power of two from {least} to {MAX_RESOLUTION} for output {output!r}{square}; "
            f"got {resolution!r}."
        )


def num_levels(resolution: int, output: str) -> int:
    """Feature levels from 4 x 4 up; a network that predicts sub-bands ends at half the resolution."""
    return int(math.log2(resolution)) - (1 if output == "pixel" else 2)
