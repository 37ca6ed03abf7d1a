"""Settings and results that older versions wrote, under the names that they have now."""

from collections.abc import Mapping
from typing import Any

from ganzoo.metrics.distances import OLD_PSNR
from ganzoo.training.names import DEFAULT_TASK, TASK

OLD_L1 = "l1_clipped"
# What runs were not told yet, with how they went.
_NEW: Mapping[str, Mapping[str, Any]] = {
    "adversarial": {"standing": 16, "discriminator_steps": 1, "orthogonal": 0.0},
    "distillation": {"standing": 16, "init_levels": 0},
}
# Older runs clipped images to -1..1 before they measured; their lpips keeps a name of its own.
_FIGURES = {"l1": OLD_L1, "psnr": OLD_PSNR}


def settings_now(data: Mapping[str, Any]) -> dict[str, Any]:
    """A run's recorded settings with the names of today.

    Raises:
        AttributeError, TypeError: for what is no record of settings.
    """
    found = {TASK: DEFAULT_TASK, **data}
    found = {**_NEW.get(found[TASK], {}), **found}
    if "ema" in found:
        found["ema"] = {"buffers": "copy", **found["ema"]}
    loss = dict(found.get("loss", {}))
    if "lpips" in loss:
        if "perceptual" in loss:  # as feature_l1 was called once
            loss["feature_l1"] = loss.pop("perceptual")
        loss["perceptual"] = loss.pop("lpips")
        found["loss"] = loss
    cache = dict(found.get("cache", {}))
    if "pictures" in cache:
        cache["images"] = cache.pop("pictures")
        found["cache"] = cache
    held_out = dict(found.get("held_out", {}))
    if "lpips" in [*held_out.get("metrics", []), held_out.get("best")]:
        held_out["metrics"] = [_figure(metric) for metric in held_out["metrics"]]
        found["held_out"] = {**held_out, "best": _figure(held_out["best"])}
    return found


def figures_now(result: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a result.json, those of an older version under names of their own."""
    figures: dict[str, Any] = result["figures"]
    if "definitions" in result:
        return figures
    return {_FIGURES.get(name, name): figure for name, figure in figures.items()}


def _figure(metric: str) -> str:
    return "perceptual" if metric == "lpips" else metric
