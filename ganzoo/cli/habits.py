"""Options of other projects' scripts, and what says the same here.

NVIDIA's `generate.py`, `style_mixing.py`, `projector.py`, `train.py`, `calc_metrics.py`, `dataset_tool.py`,
the scripts of rosinality and of bes-dev, those of timm, and of SeFa and InterFaceGAN.
"""

from collections.abc import Mapping
from typing import Any

_MODEL = "the first argument: ganzoo {command} MODEL"
_SEEDS = "--seeds 0-7 gives eight, one for each seed"

_SIZES = ("size", "img-size", "image-size", "resolution", "res", "width", "height")

# Option to options of ours, of which a command takes the first that it has, or to a sentence.
_OPTIONS: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("trunc", "truncation", "truncation-psi", "psi", "truncation-ratio"): ("--psi",),
    ("truncation-cutoff", "trunc-cutoff"): ("--cutoff",),
    ("outdir", "out-dir", "output", "output-dir", "o", "dest", "save-dir", "results-dir", "outfile"): (
        "--out",
    ),
    ("noise-mode", "noises"): ("--noise",),
    ("class", "class-idx", "class-id", "labels"): ("--label",),
    ("cols", "col-seeds"): ("--columns", "--seeds", "--seed"),
    ("seed", "rows", "row-seeds"): ("--seeds", "--seed"),
    ("styles", "col-styles"): ("--layers",),
    ("alpha", "degree", "factor", "sigma", "start-distance", "end-distance"): ("--strength",),
    ("boundary", "boundary-path", "index"): ("--direction",),
    ("layer-idx", "layers", "edit-layers"): ("--rows",),
    ("batch", "batch-size", "b", "bs", "batch-gpu"): ("--batch-size", "--batch"),
    ("data", "dataset", "data-dir", "ref", "real-data"): ("--real",),
    _SIZES: ("--resolution", "--resolutions"),
    ("n-sample", "num-samples", "num-gen", "nimg", "sample-size"): ("--num",),
    ("metric",): ("--metrics",),
    ("gpu", "cuda"): ("--device",),
    ("threads", "num-threads", "num-workers", "j"): ("--threads", "--workers"),
    ("format", "target", "engine"): ("--to",),
    ("cache", "cache-folder"): ("--cache-dir",),
    ("force", "f", "overwrite"): ("--overwrite",),
    ("amp", "fp16", "half", "bf16"): ("--precision",),
    ("transform",): ("--crop",),
    ("license", "license"): ("--license",),
}
_MODELS = ("network", "network-pkl", "pkl", "ckpt", "checkpoint", "model", "g-ckpt", "weights", "pretrained")
_COUNTS = ("pics", "sample", "samples", "n-sample", "num-samples", "num", "n", "rows", "cols")
_SETTINGS: Mapping[tuple[str, ...], str] = {
    _MODELS: "teacher=MODEL",
    ("outdir", "out-dir", "output", "output-dir", "out", "o"): "out=FOLDER",
    ("kimg", "total-kimg"): "kimg=NUMBER",
    ("iter", "iterations", "epochs", "steps"): "kimg=NUMBER, which counts thousands of images",
    ("batch", "batch-size", "b", "bs", "batch-gpu"): "batch_size=NUMBER",
    ("gamma", "r1"): "loss.r1.weight=NUMBER",
    ("lr", "learning-rate", "glr"): "optimizer.lr=NUMBER",
    ("dlr",): "d_optimizer.lr=NUMBER",
    ("opt", "optimizer"): "optimizer.name=NAME",
    ("snap", "save-every", "checkpoint-hist"): "checkpoint_kimg=NUMBER",
    ("sample-every", "image-snap"): "sample_kimg=NUMBER",
    ("resume", "initial-checkpoint"): "the same command again, which goes on by itself",
    ("seed",): "seed=NUMBER",
    ("size", "resolution", "res", "img-size", "image-size"): "resolution=NUMBER",
    ("gpus", "gpu", "nproc"): "torchrun --standalone --nproc-per-node NUMBER --no-python -- ganzoo distill …",
    ("device",): "device=NAME",
    ("aug", "augment", "augpipe"): "augment=NAME",
    ("metrics", "metric"): "held_out.metrics=[l1,fd]",
    ("trunc", "truncation", "truncation-psi", "psi"): "truncation_psi=NUMBER",
    ("amp", "fp16", "fp32", "bf16", "half"): "precision=bf16",
    ("config", "model-config"): "a recipe's name: ganzoo distill mobilestylegan …",
    ("data", "dataset", "data-dir"): "teacher=MODEL: a student learns from its teacher's images alone",
}


def told(error: Any) -> str:
    """What to say of an option that a command does not have: what says the same here, or the parser's words.

    Args:
        error: Any error of the parser.
    """
    message = str(error.format_message())
    option = getattr(error, "option_name", None)
    if option is None or error.ctx is None or not message.startswith("No such option"):
        return message
    command = str(error.ctx.command.name)
    habit = option.lstrip("-").lower().replace("_", "-")
    ours = (
        _setting(habit)
        if command in ("distill", "train")
        else _option(habit, command, error.ctx.command.params)
    )
    return message if ours is None else f"{option} is no option. Here it is {ours}."


def _setting(habit: str) -> str | None:
    """The setting of a run for a habit."""
    return next((ours for habits, ours in _SETTINGS.items() if habit in habits), None)


def _option(habit: str, command: str, params: Any) -> str | None:
    """The option of a command for a habit, with its help."""
    helps = {option: param.help for param in params for option in param.opts if option.startswith("-")}
    arguments = {param.name for param in params if not param.opts[0].startswith("-")}
    if habit in _COUNTS and "--seeds" in helps:
        return _SEEDS
    for habits, ours in _OPTIONS.items():
        if habit in habits and (found := next((option for option in ours if option in helps), None)):
            return f"{found} ({str(helps[found]).rstrip('.')})"
    if habit in _MODELS and arguments & {"name", "names", "model"}:
        return _MODEL.format(command=command)
    if habit in _SIZES and arguments & {"name", "names", "model"}:
        return "a matter of the model: ganzoo list shows the size of each"
    if habit in ("outdir", "out-dir", "output", "dest", "o", "out") and "out" in arguments:
        return f"the last argument: ganzoo {command} … OUT"
    if habit in (*_MODELS, "source", "src", "input") and arguments & {"files", "src"}:
        return f"the first argument: ganzoo {command} FILE OUT"
    return None
