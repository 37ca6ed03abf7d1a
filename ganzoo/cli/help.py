"""Help pages: what each command is for, an example, and what its options take without Python's types."""

import re
from typing import Any

import typer.core

# Command: its line in `ganzoo --help`, and an example.
COMMANDS = {
    "list": ("Models, recipes and blocks; with --hub, models on the Hub.", "ganzoo list '*ffhq*'"),
    "info": ("What a model is made of, what it costs, its license.", "ganzoo info mobilestylegan_ffhq"),
    "generate": (
        "Images of a model, a PNG for each seed.",
        "ganzoo generate mobilestylegan_ffhq_64_lite --seeds 0-7 --out faces",
    ),
    "film": (
        "A film through seeds or saved w: MP4, WebM, GIF, WebP.",
        "ganzoo film mobilestylegan_ffhq_64_lite --seeds 0-7 --seconds 10 --out film.mp4",
    ),
    "verify": ("Are these the published weights and images?", "ganzoo verify mobilestylegan_ffhq_64_lite"),
    "convert": (
        "A checkpoint of other code to a model, or back.",
        "ganzoo convert stylegan2.pkl teacher",
    ),
    "export": (
        "Files for other engines: ONNX, OpenVINO and more.",
        "ganzoo export mobilestylegan_ffhq_64_lite --to onnx openvino --out exported",
    ),
    "distill": (
        "Train a student from a teacher, or a sweep of students.",
        "ganzoo distill teacher=teacher resolution=256 out=runs/first",
    ),
    "train": (
        "Train by any task; distill is its short form for one.",
        "ganzoo train task=distillation teacher=teacher resolution=256 out=runs/first",
    ),
    "bench": (
        "Latency, throughput, memory, start-up and size.",
        "ganzoo bench mobilestylegan_ffhq_64_lite --runtime torch,openvino",
    ),
    "results": ("A table and a plot of the runs below a folder.", "ganzoo results runs"),
    "eval": (
        "Quality figures, each with its protocol.",
        "ganzoo eval teacher --real photos-256.zip --num 10000 --out figures.jsonl",
    ),
    "compare": (
        "Models side by side on one HTML page.",
        "ganzoo compare teacher runs/first --seeds 0-7 --out page.html",
    ),
    "directions": (
        "What can be moved in a model's images, and finding more.",
        "ganzoo directions mobilestylegan_ffhq_256 --method ganspace --out found",
    ),
    "edit": (
        "Images moved along directions, as a sheet.",
        "ganzoo edit mobilestylegan_ffhq_256 --seeds 0-3 --direction ganspace-1 --directions found",
    ),
    "mix": (
        "A grid: some layers from one image, the rest from another.",
        "ganzoo mix mobilestylegan_ffhq_256 --rows 0-3 --columns 4-8 --layers coarse --out grid",
    ),
    "swap": (
        "The coarse levels of one model with the fine ones of another.",
        "ganzoo swap runs/a/generator runs/b/generator --from 32 --out swapped",
    ),
    "project": (
        "Images to the w that a model draws them from.",
        "ganzoo project mobilestylegan_ffhq me.jpg --space w+ --out me",
    ),
    "demo": (
        "A page in the browser: seeds, mixing, directions, projection.",
        "ganzoo demo mobilestylegan_ffhq_64_lite --open",
    ),
    "card": (
        "The card of a model: lineage, licenses, figures.",
        "ganzoo card runs/first --records figures.jsonl --out runs/first",
    ),
    "push": ("A model to the Hub.", "ganzoo push runs/first me/my-gan --license cc-by-nc-4.0 --dry-run"),
    "data": (
        "Images made ready for training and measuring.",
        "ganzoo data prepare photos photos-256.zip --resolution 256",
    ),
}
_TYPES = {"str": "TEXT", "int": "NUMBER", "int range": "NUMBER", "float": "NUMBER", "path": "PATH"}
_TYPE = re.compile(r" <(?:list\[)?([\w ]+)\]?>")
_BARE = re.compile(r"\{(.*?)\}")


def settings(name: str) -> dict[str, Any]:
    """How a command is registered."""
    line, example = COMMANDS[name]
    return {"cls": Command, "short_help": line, "epilog": f"Example: {example}"}


class Command(typer.core.TyperCommand):
    """A command whose page names arguments in capitals and options by what they take."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Options, and the arguments that are not hidden."""
        shown = [p for p in self.get_params(ctx) if not getattr(p, "hidden", False)]
        pieces = [piece for p in shown for piece in p.get_usage_pieces(ctx)]
        return [*([self.options_metavar] if self.options_metavar else []), *map(_argument, pieces)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options, a line each."""
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = [p.get_help_record(ctx) for p in self.get_params(ctx) if p.param_type_name == kind]
            rows = [(_names(*record, kind == "argument")) for record in records if record is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The example, whole on one line: it is there to be copied."""
        if self.epilog:
            formatter.write_paragraph()
            formatter.write(f"{self.epilog}\n")


def _names(names: str, text: str, is_argument: bool) -> tuple[str, str]:
    if is_argument:
        return _argument(_TYPE.sub("", names)), text
    return _TYPE.sub(lambda found: f" {_TYPES.get(found[1], found[1].upper())}", names), text


def _argument(piece: str) -> str:
    """`{name}` and `[name]` as NAME and [NAME]."""
    return _BARE.sub(r"\1", piece).upper()
