"""A run of distillation, from its settings to a student: what `ganzoo distill` does."""

import atexit
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from ganzoo.cards.student import student_card
from ganzoo.features.networks import FeatureNetwork, load_features
from ganzoo.generators.config import GeneratorConfig, generator_keys
from ganzoo.generators.discriminator import Discriminator
from ganzoo.generators.generator import Generator
from ganzoo.metrics.distances import DEFINITIONS
from ganzoo.metrics.figures import Figure
from ganzoo.models.cost import costs
from ganzoo.models.factory import build, create
from ganzoo.models.folders import BEST, STUDENT
from ganzoo.models.weights import save
from ganzoo.plugins import load_plugins
from ganzoo.system.files import refuse_unwritable, replacing
from ganzoo.system.images import save_png
from ganzoo.system.interruption import Interrupted
from ganzoo.system.progress import progress_bar
from ganzoo.system.version import __version__
from ganzoo.training.announce import announce, per_second
from ganzoo.training.cache import TeacherCache
from ganzoo.training.checkpoint import checkpoints
from ganzoo.training.devices import start
from ganzoo.training.distillation import DistillationTask, needs_network
from ganzoo.training.earlier import settings_now
from ganzoo.training.held_out import HeldOut
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.logs import RunLog
from ganzoo.training.loop import Events, Trainer
from ganzoo.training.pace import Pace
from ganzoo.training.settings import FREE, RunSettings
from ganzoo.training.sheets import Sheets
from ganzoo.training.teacher import Teacher, refuse_mismatch

T = TypeVar("T")

SETTINGS, RESULT = "settings.json", "result.json"
CHECKPOINTS, SAMPLES = "checkpoints", "samples"
EXTRA = 'Training needs an extra: pip install "ganzoo-torch[train]".'


def distill(data: Mapping[str, Any]) -> Path:
    """Train a student, or go on with it, and return the run's folder.

    The folder holds settings.json, log.jsonl and figures.jsonl, TensorBoard events, samples/ (sheets of
    teacher and student), checkpoints/, best/ and student/ (model folders of the averaged generator, the last
    is the result) and result.json. A run that is finished is not repeated.

    Args:
        data: a composed recipe: the student's settings and those of `recipes/training/distillation.yaml`.

    Raises:
        ValueError: for settings that are wrong, or do not fit the folder or the teacher; if training fails.
        OSError: if the teacher cannot be had, or something cannot be written.
        Interrupted: after Ctrl-C or SIGTERM, with a checkpoint saved.
        ImportError: without the extra.
    """
    try:
        import accelerate  # noqa: F401
    except ImportError as error:
        raise ImportError(EXTRA) from error
    load_plugins()
    data = dict(data)
    recipe = data.pop("recipe", None)
    own = {key: data.pop(key) for key in generator_keys() if key in data}
    settings = RunSettings.from_dict(data, GeneratorConfig.from_dict(own))
    folder = Path(settings.out)
    refuse_unwritable(folder, "out")
    state = start(settings.device)
    atexit.register(state.destroy_process_group)  # after the last run of a sweep: no second group can be made
    try:
        if settings.precision == "fp16" and state.device.type == "cpu":
            raise ValueError("precision=fp16 is for GPUs: give bf16 or fp32 on a CPU.")
        if settings.resume == "never" or not _finished(folder, settings):
            _run(settings, recipe, folder, state)
    except KeyboardInterrupt:
        saved = "nothing was learnt yet, the teacher's images so far are kept"
        if checkpoints(folder / CHECKPOINTS):
            saved = "a checkpoint is saved, the same command goes on"
        raise Interrupted(f"Interrupted: {saved}.") from None
    return folder


def _run(settings: RunSettings, recipe: str | None, folder: Path, state: Any) -> None:
    """Everything between the settings and the result."""
    asked = settings

    def load() -> tuple[RunSettings, Generator, FeatureNetwork | None, FeatureNetwork | None]:
        original = create(asked.teacher, pretrained=True, device=state.device)
        own = _with_mapping_of(original.config, asked) if asked.inherit_mapping else asked
        refuse_mismatch(own.student, original.config)
        network = judge = None
        if needs_network(own):
            network = load_features(own.features.name).to(state.device)
        if {"perceptual", "fd"} & set(own.held_out.metrics):
            judge = load_features(own.held_out.features).to(state.device)
        return own, original, network, judge

    settings, original, network, judge_network = _first_here(state, load)
    # Not before: a wrong teacher must leave no folder behind.
    _first_here(state, lambda: _claim(folder, asked))
    teacher = Teacher(original, settings)
    cache = None
    if settings.cache.images:
        cache = TeacherCache(
            teacher,
            settings.cache.images,
            folder=settings.cache.folder,
            limit_gib=settings.cache.limit_gib,
        )
    held = TeacherCache(
        teacher,
        settings.held_out.num,
        first=HELD_OUT,
        folder=settings.cache.folder,
        limit_gib=settings.cache.limit_gib,
    )
    student, discriminator = networks(settings, teacher, state.device)
    task = DistillationTask(settings, teacher, cache, student, discriminator, network)
    trainer = Trainer(task, settings, state, folder / CHECKPOINTS)
    resumed = trainer.resume()
    if trainer.facts.setdefault("teacher_sha256", teacher.sha256) != teacher.sha256:
        raise ValueError(
            f"{settings.teacher} has other weights than when the run in {folder} began: give another out=."
        )
    if resumed and state.is_main_process:
        print(f"Going on from {trainer.kimg:g} kimg.", file=sys.stderr)
    caches = [held, *([cache] if cache is not None else [])]
    found = announce(trainer, task, settings, state, network=network, caches=caches)
    for part in caches:
        _fill(part, state, found.teacher)
    judge = HeldOut(settings.held_out, teacher, held, judge_network, state, inherits=settings.inherit_mapping)
    began, before = time.perf_counter(), float(trainer.facts.get("seconds", 0.0))
    sheets = Sheets(teacher, inherits=settings.inherit_mapping)
    averaged = cast(Generator, trainer.ema.module)
    last: dict[str, Figure] = {}
    best_of = f"{judge.name(settings.held_out.best)} of {settings.held_out.num}"
    total = settings.steps * settings.batch_size
    log = RunLog(
        folder,
        total=total,
        main=state.is_main_process,
        done=round(trainer.kimg * 1000),
        per_second=per_second(found, settings, state.num_processes),
    )
    with log:

        def complete(student: Generator) -> None:
            if not settings.inherit_mapping:  # its mean style moves with its weights
                student.mapping.w_avg.copy_(student.mapping.estimate_w_avg())

        def measure(kimg: float) -> None:
            nonlocal last
            complete(averaged)
            last = judge.measure(averaged)
            log.figures(kimg, {name: figure.value for name, figure in last.items()})
            value = last[judge.name(settings.held_out.best)].value
            known = trainer.facts.get("best") if trainer.facts.get("best_of") == best_of else None
            if judge.better(value, known):
                trainer.facts |= {"best": value, "best_kimg": kimg, "best_of": best_of}
                if state.is_main_process:
                    save(averaged, folder / BEST, recipe=recipe)

        def sheet(kimg: float) -> None:
            if state.is_main_process:
                complete(averaged)
                image = sheets.draw(averaged)
                (folder / SAMPLES).mkdir(exist_ok=True)
                facts = {"kimg": kimg, "teacher": settings.teacher, "order": "teacher, student"}
                save_png(image, folder / SAMPLES / f"{round(kimg * 1000):09d}.png", facts)
                log.sheet(kimg, image)

        def logged(kimg: float, terms: dict[str, float], seconds: float) -> None:
            trainer.facts["seconds"] = before + time.perf_counter() - began
            log.terms(kimg, terms, seconds)

        trainer.run(Events(log=logged, sheet=sheet, measure=measure, step=log.step))
        measure(trainer.kimg)
        trainer.save_facts()
    if state.is_main_process:
        result = _result(settings, trainer, last, state, recipe=recipe, asked=asked)
        save(averaged, folder / STUDENT, recipe=recipe, golden=True)
        with replacing(folder / STUDENT / "README.md") as temporary:
            temporary.write_text(student_card(result, teacher.sha256), encoding="utf-8")
        with replacing(folder / RESULT) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    state.wait_for_everyone()


def networks(
    settings: RunSettings, teacher: Teacher, device: torch.device
) -> tuple[Generator, Discriminator | None]:
    """The student and, for a GAN term, its adversary, with random weights."""
    student = build(settings.student, seed=settings.seed)
    if settings.inherit_mapping:
        own = teacher.original.mapping.state_dict()
        student.mapping.load_state_dict(own, strict=True)
    pairs = zip(student.synthesis.constant_noise(), teacher.original.synthesis.constant_noise(), strict=False)
    for ours, theirs in pairs:  # the same for both, now and in whatever is made of the student
        ours.copy_(theirs.cpu())
    # A depthwise convolution of a CPU is ten times quicker with channels last.
    student = student.to(device).to(memory_format=torch.channels_last)
    if not settings.uses_gan:
        return student, None
    discriminator = build(settings.discriminator_config(), seed=settings.seed + 1)
    return student, discriminator.to(device).to(memory_format=torch.channels_last)


def _with_mapping_of(teacher: GeneratorConfig, settings: RunSettings) -> RunSettings:
    """Settings whose student has the mapping network of its teacher."""
    return dataclasses.replace(settings, student=settings.student.with_mapping_of(teacher))


def _fill(cache: TeacherCache, state: Any, seconds: float) -> None:
    """Make the teacher's images that are missing, shared among the processes; one takes about `seconds`."""
    # By number, not by place among those missing, which another process may see when some are made already.
    own = [k for k in cache.missing() if k % state.num_processes == state.process_index]
    shown, total = state.is_main_process and bool(own), sum(cache.length(shard) for shard in own)
    pace = Pace(total, per_second=1 / max(seconds, 1e-9), lines=shown and not sys.stderr.isatty())
    with progress_bar("left", shown=shown) as progress:
        bar = progress.add_task("Images of the teacher", total=total, left=pace.left(0))

        def report(done: int) -> None:
            progress.update(bar, completed=done, left=pace.left(done))
            pace.tell(done, lambda: f"Images of the teacher: {done} of {total}")

        cache.fill(own, report)
    state.wait_for_everyone()


def _first_here(state: Any, work: Callable[[], T]) -> T:
    """What `work` gives, on the main process and then on the others; what fails there fails everywhere."""
    from accelerate.utils import broadcast_object_list

    if not state.is_main_process:
        told: list[str | None] = [None]
        broadcast_object_list(told)
        if told[0] is not None:
            raise ValueError(told[0])
        return work()
    try:
        found = work()
    except (ValueError, OSError, ImportError) as error:
        broadcast_object_list([str(error)])  # not the error itself, which may not survive the way
        raise
    broadcast_object_list([None])
    return found


def _claim(folder: Path, settings: RunSettings) -> None:
    """Make the run's folder, or make sure that it is this run's.

    Raises:
        ValueError: if it is another run's.
    """
    path = folder / SETTINGS
    new = settings.to_dict()
    if path.is_file():
        if settings.resume == "never" and checkpoints(folder / CHECKPOINTS):
            raise ValueError(f"{folder} holds a run already: give another out=, or resume=auto.")
        try:
            old = settings_now(json.loads(path.read_text(encoding="utf-8")))
            changed = [key for key in new if key not in FREE and _differs(old.get(key), new[key])]
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"{path} is damaged: give another out=, or delete {folder}.") from error
        if changed:
            key = changed[0]
            raise ValueError(
                f"{folder} holds a run with another {key}: {_short(old.get(key), new[key])}. Give another "
                "out=, or the settings of that run."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no run: give another out=.")
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")


def _differs(old: Any, new: Any) -> bool:
    return bool(json.loads(json.dumps(old)) != json.loads(json.dumps(new)))


def _short(old: Any, new: Any) -> str:
    """Two values, of mappings only the keys that differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [k for k in new if _differs(old.get(k), new[k])]
        return ", ".join(f"{k} is {old.get(k)}, not {new[k]}" for k in keys)
    return f"{old}, not {new}"


def _finished(folder: Path, settings: RunSettings) -> bool:
    """Whether the folder holds the result of these settings."""
    try:
        old = settings_now(json.loads((folder / RESULT).read_text(encoding="utf-8"))["settings"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    new = settings.to_dict()
    same = ("kimg", "held_out", *(key for key in new if key not in FREE))
    return not any(_differs(old.get(key), new[key]) for key in same)


def _result(
    settings: RunSettings,
    trainer: Trainer,
    figures: Mapping[str, Figure],
    state: Any,
    *,
    recipe: str | None,
    asked: RunSettings,
) -> dict[str, Any]:
    """What result.json holds; `asked` are the settings before the teacher's mapping was taken."""
    cost = costs(settings.student)
    seconds = float(trainer.facts.get("seconds", 0.0))
    device = torch.cuda.get_device_name(state.device) if state.device.type == "cuda" else platform.processor()
    return {
        "name": settings.name or Path(settings.out).name,
        "recipe": recipe,
        "teacher": settings.teacher,
        "kimg": trainer.kimg,
        "seconds": round(seconds, 1),
        "kimg_per_hour": round(trainer.kimg / max(seconds, 1e-9) * 3600, 3),
        "parameters": cost["deployed synthesis"].parameters,
        "macs": cost["deployed synthesis"].macs,
        "figures": {name: dataclasses.asdict(figure) for name, figure in figures.items()},
        "definitions": {n: DEFINITIONS[m] for n in figures if (m := n.split("_")[0]) in DEFINITIONS},
        "held_out": settings.held_out.num,
        "best": {
            "figure": settings.held_out.best,
            "value": trainer.facts.get("best"),
            "kimg": trainer.facts.get("best_kimg"),
        },
        "hardware": f"{device or platform.machine()}, {os.cpu_count()} CPUs, {state.num_processes} processes",
        "versions": {"ganzoo": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "settings": asked.to_dict(),
    }
