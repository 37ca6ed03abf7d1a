"""Figures of our records as the Hub's evaluation results, each with the protocol that it was measured by."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.metrics.record import Protocol, Record
from ganzoo.system.images import FOURTH_CHANNEL, OVER_WHITE

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "unconditional-image-generation"
_HELD_OUT = "Images of the teacher for held-out latents"


def of_records(records: Iterable[Record], resolution: int) -> "list[EvalResult]":
    """Figures that `ganzoo eval` or a benchmark measured."""
    from huggingface_hub import EvalResult

    found = []
    for record in records:
        real = record.real or {}
        network = (record.features or {}).get("name")
        size = (record.sampling or {}).get("resolution") or resolution
        shown = [_size(size), f"resizer {record.resizer}" if record.resizer else "", network or ""]
        protocol = {name: getattr(record, name) for name in Protocol.__dataclass_fields__ if name != "metric"}
        told = ("uncertainty", "command", "hardware", "date")
        found.append(
            EvalResult(
                task_type=TASK,
                dataset_type="images" if real.get("kind") == "files" else "generated",
                dataset_name=_real_name(real),
                dataset_config=", ".join(part for part in shown if part),
                dataset_revision=real.get("sha256"),
                metric_type=record.metric,
                metric_value=float(record.value),
                metric_args=_plain({**protocol, **{name: getattr(record, name) for name in told}}),
            )
        )
    return found


def of_run(result: Mapping[str, Any], teacher_sha256: str) -> "list[EvalResult]":
    """Distances of a student from its teacher, from the contents of a run's result.json."""
    from huggingface_hub import EvalResult

    settings = result["settings"]
    held_out, definitions = settings.get("held_out", {}), result.get("definitions", {})
    protocol = {
        "num": result["held_out"],
        "features": held_out.get("features"),
        "truncation_psi": settings["truncation_psi"],
        "noise": settings["noise"],
        "versions": result["versions"],
        "date": result["date"],
    }
    if settings["student"].get("img_channels") == 4:
        protocol["alpha"] = f"{FOURTH_CHANNEL}; {OVER_WHITE} for feature networks"
    return [
        EvalResult(
            task_type=TASK,
            dataset_type="generated",
            dataset_name=_HELD_OUT,
            dataset_config=f"{_size(settings['student']['resolution'])}, scaled by area",
            dataset_revision=teacher_sha256,
            metric_type=name,
            metric_value=float(figure["value"]),
            metric_args=_plain(
                {**protocol, "standard_error": figure["uncertainty"], "definition": definitions.get(name)}
            ),
        )
        for name, figure in result["figures"].items()
    ]


def of_images(result: Mapping[str, Any]) -> "list[EvalResult]":
    """Distances of a generator from the images that it learnt from, of a run's result.json."""
    from huggingface_hub import EvalResult

    settings, images = result["settings"], result["images"]
    definitions = result.get("definitions", {})
    protocol = {
        "num_fake": settings["quality"]["num"],
        "num_real": result["measured_on"],
        "features": settings["quality"]["features"],
        "truncation_psi": 1.0,
        "versions": result["versions"],
        "date": result["date"],
    }
    return [
        EvalResult(
            task_type=TASK,
            dataset_type="images",
            dataset_name=str(images["source"]).rstrip("/").rpartition("/")[2],
            dataset_config=_size(settings["generator"]["resolution"]),
            dataset_revision=images["sha256"],
            metric_type=name,
            metric_value=float(figure["value"]),
            metric_args=_plain({**protocol, "definition": definitions.get(name)}),
        )
        for name, figure in result["figures"].items()
    ]


def merged(old: "Iterable[EvalResult]", new: "list[EvalResult]") -> "list[EvalResult]":
    """Both, without the old ones of which the same was measured anew.

    Old distances without a definition are of clipped images, and get names that say so.
    """

    def key(result: "EvalResult") -> tuple[Any, ...]:
        return (*result.unique_identifier, result.metric_type, result.metric_name)

    old = list(old)
    for result in old:
        clipped = ("l1", "psnr") if result.dataset_name == _HELD_OUT else ("psnr",)
        if result.metric_type in clipped and "definition" not in (result.metric_args or {}):
            result.metric_type += "_clipped"
    again = {key(result) for result in new}
    return [*(result for result in old if key(result) not in again), *new]


def table(records: Iterable[Record]) -> str:
    """Records as a Markdown table."""
    lines = [
        "| figure | value | ± | images | against | features | definition, command, hardware, date |",
        "|---|--:|--:|--:|---|---|---|",
    ]
    for r in records:
        spread = "" if r.uncertainty is None else f"{r.uncertainty:.2g}"
        count = str(r.num_fake) if r.num_real is None else f"{r.num_fake} and {r.num_real}"
        network = (r.features or {}).get("name", "")
        how = "; ".join([*filter(None, [r.definition]), f"`{r.command}`", r.hardware, r.date])
        cells = [r.metric, f"{r.value:.5g}", spread, count, _real_name(r.real or {}), network, how]
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def _real_name(real: Mapping[str, Any]) -> str:
    """What images were compared with, without saying where they lie."""
    if not real:
        return "Nothing: a figure of the model alone"
    kind = "Images" if real.get("kind") == "files" else "Images of a network"
    return f"{kind}, sha256 {str(real.get('sha256'))[:12]}"


def _size(resolution: Any) -> str:
    sides = list(resolution) if isinstance(resolution, list | tuple) else [resolution, resolution]
    return "x".join(map(str, sides))


def _plain(value: Any) -> Any:
    """Mappings, lists, strings and numbers of the plain types that YAML has, without what is None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return json.loads(json.dumps(value))  # torch's version is a string that YAML takes for an object
