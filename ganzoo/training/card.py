"""The card of a distilled student: what it was made from, how, and how near it comes."""

from collections.abc import Mapping
from typing import Any

from ganzoo.hub.card import base_model
from ganzoo.hub.results import of_run
from ganzoo.hub.signature import signed
from ganzoo.models.cost import CONVENTION_SHORT
from ganzoo.models.factory import list_models, model_entry
from ganzoo.system.images import FOURTH_CHANNEL, OVER_WHITE
from ganzoo.system.version import __version__

_UNKNOWN = "unknown: it is at most as free as the teacher's; say what it is before you pass the weights on"


def student_card(result: Mapping[str, Any], teacher_sha256: str) -> str:
    """A card in Markdown from the contents of result.json; no number in it is typed by hand."""
    from huggingface_hub import ModelCardData  # imported where it is used: training does not wait for it

    settings = result["settings"]
    student, teacher = settings["student"], result["teacher"]
    license: Mapping[str, str] = {"weights": _UNKNOWN}
    if teacher in list_models():
        license = model_entry(teacher).license
    rows, definitions = [], result.get("definitions", {})
    for name, figure in result["figures"].items():
        spread = "" if figure["uncertainty"] is None else f"{figure['uncertainty']:.2g}"
        rows.append(f"| {name} | {figure['value']:.4g} | {spread} | {definitions.get(name, '')} |")
    resolution, alpha = student["resolution"], ""
    if student["img_channels"] == 4:
        alpha = f" Alpha is {FOURTH_CHANNEL} in l1 and psnr; feature networks see images {OVER_WHITE}."
    metadata = ModelCardData(
        license="other" if teacher in list_models() else "unknown",
        library_name="ganzoo",
        pipeline_tag="unconditional-image-generation",
        tags=["ganzoo", "generator", "distillation"],
        base_model=base_model(teacher),
        model_name=result["name"],
        eval_results=of_run(result, teacher_sha256),
    )
    lines = [
        "---",
        metadata.to_yaml(),
        "---",
        "",
        f"# {result['name']}",
        "",
        f"A generator of {resolution} x {resolution} images, distilled from `{teacher}` by ganzoo "
        f"{__version__}.",
        "",
        "```python",
        "import ganzoo",
        "",
        'G = ganzoo.load("student")  # this folder',
        "```",
        "",
        "## Lineage",
        "",
        f"* Teacher: `{teacher}`, weights sha256 `{teacher_sha256}`.",
        f"* Recipe: `{result['recipe']}`; {result['kimg']:g} kimg in steps of {settings['batch_size']}, "
        f"{result['seconds'] / 3600:.2f} h on {result['hardware']}, {result['date']}.",
        f"* Versions: {', '.join(f'{k} {v}' for k, v in result['versions'].items())}.",
        *(f"* License, {part}: {text}." for part, text in license.items()),
        "",
        "## Cost",
        "",
        f"{result['parameters']:,} parameters and {result['macs']:,} MACs of the deployed synthesis "
        f"({CONVENTION_SHORT}).",
        "",
        "## Distance from the teacher",
        "",
        f"On {result['held_out']} held-out latents, truncation psi {settings['truncation_psi']:g}, noise "
        f"{settings['noise']}, against the teacher's images of the same latents at this resolution; means "
        f"over images with their standard error, the Frechet distance of the two sets.{alpha}",
        "",
        "| figure | value | ± | |",
        "|---|---|---|---|",
        *rows,
        "",
        "## Intended use, known faults",
        "",
        "Not written yet.",
        "",
    ]
    return signed("\n".join(lines))
