"""Settings of training runs, and sweeps of them, by Hydra; `overrides` reads what is given.

A recipe is Hydra's primary config, `training=…` merges a file of `recipes/training` over it, and the other
settings of the command line come last. All jobs of a sweep are composed and checked before the first one
starts. Hydra's launchers then only carry the numbers of jobs to where they run, so that what a job is told,
its name and its folder do not depend on the launcher. Hydra's own folders, logs and change of the working
directory stay off.
"""

import itertools
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.types import HydraContext
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from ganzoo.blocks import KINDS
from ganzoo.models.recipes import RECIPES, REGISTRY, default_recipe, list_recipes, override
from ganzoo.plugins import load_plugins
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.extras import how
from ganzoo.system.interruption import Interrupted
from ganzoo.system.paths import user_path
from ganzoo.system.validation import unknown
from ganzoo.training.jobs import Job, Outcome, Plan, Row, preset_of, single_run, sweep_runs
from ganzoo.training.names import DEFAULT_TASK, MISSING, TASK, Choice
from ganzoo.training.overrides import (
    LAUNCHER,
    choices,
    is_launcher,
    literal,
    parse,
    preset_folders,
    presets,
    quoted,
    refuse_unknown,
)
from ganzoo.training.tasks import options_of

EXTRAS = {"ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}  # by Hydra's launcher
_WIDTHS = ("channels", "channel_base", "channel_max")
_QUIET = (
    "hydra.output_subdir=null",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)


def plan(
    recipe: str | None,
    settings: Sequence[str] = (),
    *,
    task: str = DEFAULT_TASK,
    sweep: bool = False,
    complete: bool = True,
) -> Plan:
    """The run or, for a sweep, the runs of a command line.

    Args:
        recipe: Name of a recipe; for a sweep several with commas between them, or with wildcards; None for
            the task's own, or if it takes none.
        settings: `key=value` in Hydra's grammar; for a sweep `key=value,value` as well.
        task: Name of the task.
        sweep: Whether there may be several jobs.
        complete: Whether settings that have to be given, such as a teacher, are asked for.

    Raises:
        ValueError: for anything that is wrong with any of the jobs, in one line.
        ImportError: if the launcher is not installed.
    """
    options_of(task)  # refuses an unknown one
    parsed = [parse(text, task) for text in settings]
    keys = [o.key_or_group for o in parsed]
    for o in parsed:
        refuse_unknown(o, sweep, task)
        if keys.count(o.key_or_group) > 1:
            raise ValueError(f"{o.key_or_group} is given twice.")
    launcher = tuple(c.override for o in parsed if is_launcher(o) for c in choices(o, False, task))
    axes = [_recipes(recipe, task, sweep), *(choices(o, sweep, task) for o in parsed if not is_launcher(o))]
    varied = [axis[0].key for axis in axes if len(axis) > 1]
    if "out" in varied or (varied and "name" in keys):
        raise ValueError("The jobs of a sweep are named after what varies: give one out=, and no name=.")
    rows = list({repr([(c.key, c.value) for c in row]): row for row in itertools.product(*axes)}.values())
    with _initialized():
        if launcher:
            _refuse_unknown_launcher_settings(launcher)
        composed = [_data(row, task, launcher) for row in rows]
    if sweep:
        return sweep_runs(rows, composed, varied, launcher, whole=complete)
    return single_run(rows[0], composed[0], whole=complete)


def launch(runs: Plan) -> list[Outcome]:
    """Carry out a sweep. A job that fails does not keep the others from running.

    Raises:
        Interrupted: by Ctrl-C.
        ValueError: if a launcher beyond this process fails.
    """
    with _initialized():
        told = (*runs.launcher, *_QUIET, f"hydra.sweep.dir={literal(str(runs.folder.absolute()))}")
        config = _compose(None, told)
        _ask_for_gpu(config)
        context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
        work = partial(_work, runs.jobs, Path.cwd())
        try:
            launcher = Plugins.instance().instantiate_launcher(context, work, config)
            returned = launcher.launch([list(runs.launcher) for _ in runs.jobs], 0)
            return [job.return_value for job in returned]
        except KeyboardInterrupt as interrupt:
            said = str(interrupt) or "Interrupted: the same command goes on."
            raise Interrupted(f"{said} The sweep is in {runs.folder}.") from None
        except Exception as error:
            if not runs.launcher:
                raise
            said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise ValueError(
                f"The launcher failed, jobs may have been lost: {said}. The same command goes on."
            ) from error


def _work(jobs: tuple[Job, ...], folder: Path, _: DictConfig) -> Outcome:
    """What a launcher calls, wherever it is: the job whose number Hydra tells."""
    from ganzoo.training.run import carry_out

    number = HydraConfig.get().job.num
    job = jobs[number]
    if Path.cwd() != folder:  # of the command, which paths in the settings start from
        os.chdir(folder)
    print(f"Job {number + 1} of {len(jobs)}: {job.name}", flush=True)
    keep_freed_memory()
    try:
        load_plugins()
        carry_out(job)
    except Interrupted as interrupt:
        raise KeyboardInterrupt(str(interrupt)) from None  # which no launcher takes for a failed job
    except (ValueError, OSError, ImportError) as error:
        return Outcome(job.name, " ".join(str(error).split()))
    except Exception as error:
        traceback.print_exc()
        return Outcome(job.name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Outcome(job.name)


def _recipes(text: str | None, task: str, sweep: bool) -> list[Choice]:
    """The recipes that are asked for, or the task alone, if it takes none."""
    options = options_of(task)
    if options.generator_field() is None:
        if text is not None:
            raise ValueError(f"{text!r} is no setting, and task={task} takes no recipe.")
        return [Choice(TASK, task)]
    if (text := text or options.recipe) is None:
        raise ValueError(
            f"A recipe is missing: ganzoo train RECIPE task={task}. Choose from: {', '.join(list_recipes())}."
        )
    found: dict[str, Choice] = {}
    for pattern in text.split(","):
        names = [name for name in list_recipes() if fnmatchcase(name, pattern)]
        if not names:
            hint = f" A teacher is given as teacher={pattern}." if Path(pattern).exists() else ""
            raise ValueError(unknown("recipe", pattern, list_recipes()) + hint)
        found |= {name: Choice("recipe", name) for name in names}
    if len(found) > 1 and not sweep:
        raise ValueError(f"{text!r} is {len(found)} recipes: {', '.join(found)}. To train each, add -m.")
    return list(found.values())


def _refuse_unknown_launcher_settings(launcher: Sequence[str]) -> None:
    """Raise ValueError for a setting that the launcher does not have."""
    picked = [told for told in launcher if not told.startswith(f"++{LAUNCHER[1]}")]
    known = _compose(None, picked).hydra.launcher
    for told in set(launcher) - set(picked):
        key = told.removeprefix(f"++{LAUNCHER[1]}").partition("=")[0].partition(".")[0]
        if key not in known:
            raise ValueError(unknown("setting of the launcher", key, {*map(str, known)} - {"_target_"}))


def _data(row: Row, task: str, launcher: Sequence[str]) -> dict[str, Any]:
    """What a job is told, composed over the defaults of its task: the recipe is the first choice, if any."""
    options, (first, *others) = options_of(task), row
    keys = [choice.key for choice in others]
    told = [choice.override for choice in others]
    if "training" not in keys:
        preset = preset_of(row, task, launcher)[0] or (task if task in presets(task) else None)
        told += [f"+training={preset}"] if preset is not None else []
    with tempfile.TemporaryDirectory() as cards:
        for choice in others:  # a block of another package has no card; its name is enough
            if choice.key in KINDS and not (REGISTRY / choice.key / f"{choice.value}.yaml").is_file():
                card = Path(cards, choice.key, f"{choice.value}.yaml")
                card.parent.mkdir(exist_ok=True)
                OmegaConf.save({"name": choice.value}, card)
        searched = (cards, *map(str, preset_folders(task)[1:]))
        recipe = first.value if first.key == "recipe" else None
        composed = _compose(recipe, told, *searched)
        blocks = {choice.key for choice in others if choice.key in KINDS and "training" in keys}
        if blocks:
            untold = [c.override for c in others if c.key.split(".")[0] not in blocks]
            own = _compose(recipe, untold, *searched)
            for kind in blocks:
                if own[kind].name != composed[kind].name:
                    composed[kind] = _chosen(kind, others)
    try:
        given = {str(key): _plain(composed, str(key)) for key in composed if key != "hydra"}
    except OmegaConfBaseException as error:
        raise ValueError(str(error).splitlines()[0]) from error
    data = {TASK: task, **_over(options.defaults(), given)}
    if isinstance(data["out"], str):
        data["out"] = str(user_path(data["out"]))
    return override(data, {key: data[key] for key in _WIDTHS if key in keys})


def _chosen(kind: str, choices: Sequence[Choice]) -> dict[str, Any]:
    """A block with the options that are given, without those of a preset, which are of another block."""
    [name] = [choice.value for choice in choices if choice.key == kind]
    block = OmegaConf.create(override({}, {kind: name})[kind])
    for choice in choices:
        if choice.key.startswith(f"{kind}."):
            OmegaConf.update(block, choice.key.removeprefix(f"{kind}."), choice.value)
    return dict(_plain(OmegaConf.create({kind: block}), kind))


def _over(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings over their defaults, in the order of what is given; a block is one value."""
    found = {**given, **{key: value for key, value in defaults.items() if key not in given}}
    for key, value in given.items():
        default = None if key in KINDS else defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            found[key] = _over(default, value)
    return found


def _plain(config: DictConfig, key: str) -> Any:
    """A value of a config as plain lists, numbers and strings."""
    value = MISSING if OmegaConf.is_missing(config, key) else config[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _compose(recipe: str | None, told: Sequence[str], *searched: str) -> DictConfig:
    """A recipe with overrides, and Hydra's own settings under `hydra`.

    Raises:
        ValueError: in one line, for whatever Hydra cannot compose.
        ImportError: for a launcher that is not installed.
    """
    places = ",".join(quoted(f"file://{path}") for path in (REGISTRY, *searched))
    try:
        return hydra.compose(recipe, [f"hydra.searchpath=[{places}]", *told], return_hydra_config=True)
    except MissingConfigException as error:
        launcher = (error.missing_cfg_file or "").removeprefix("hydra/launcher/")
        if launcher in EXTRAS:
            raise ImportError(f"The launcher {launcher} needs an extra. {how(EXTRAS[launcher])}") from error
        raise ValueError(str(error).split("Config search path")[0]) from error
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(str(error).split("To append to your config")[0]) from error


@contextmanager
def _initialized() -> Iterator[None]:
    """A Hydra that knows the recipes, and that is gone afterwards."""
    before, store = VersionBase.instance().version_base, ConfigStore.instance()
    own = {name: recipe for name in list_recipes() if (recipe := default_recipe(name)) is not None}
    try:
        for architecture, recipe in own.items():
            store.store(architecture, recipe)
        with hydra.initialize_config_dir(str(RECIPES), job_name="ganzoo", version_base="1.3"):
            yield
    finally:
        VersionBase.instance().version_base = before
        for architecture in own:
            del store.repo[f"{architecture}.yaml"]


def _ask_for_gpu(config: DictConfig) -> None:
    """Fill in the GPUs of a job on Ray, which does not show a job what it did not ask for."""
    import torch

    remote = OmegaConf.select(config, "hydra.launcher.ray.remote")
    if remote is not None and remote.get("num_gpus", 0) is None:
        with read_write(config), open_dict(remote):
            remote.num_gpus = int(torch.cuda.is_available())
