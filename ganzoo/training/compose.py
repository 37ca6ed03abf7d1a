"""Settings of training runs, and sweeps of them, by Hydra: the only file that imports it.

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
from collections.abc import Iterator, Sequence
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
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException
from hydra.types import HydraContext
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from ganzoo.blocks import KINDS
from ganzoo.models.recipes import RECIPES, REGISTRY, default_recipe, list_recipes, override
from ganzoo.plugins import load_plugins, missing_block
from ganzoo.system.allocator import keep_freed_memory
from ganzoo.system.interruption import Interrupted
from ganzoo.system.paths import user_name, user_path
from ganzoo.system.validation import unknown
from ganzoo.training.devices import refuse_absent
from ganzoo.training.jobs import (
    MISSING,
    Job,
    Outcome,
    Plan,
    Row,
    completed,
    leaves,
    preset_of,
    setting_names,
    single_run,
    sweep_runs,
    unknown_setting,
)
from ganzoo.training.names import Choice, run_name

EXTRAS = {"ray": "ray", "submitit_slurm": "slurm", "submitit_local": "slurm"}  # by Hydra's launcher
_TEXTS = ("teacher", "out", "name", "cache.folder")  # 1e3 and a=b are good names
_WIDTHS = ("channels", "channel_base", "channel_max")
_LAUNCHER = ("hydra/launcher", "hydra.launcher.")
_QUIET = (
    "hydra.output_subdir=null",
    "hydra.sweep.subdir=.",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)


def plan(recipe: str, settings: Sequence[str] = (), *, sweep: bool = False, complete: bool = True) -> Plan:
    """The run or, for a sweep, the runs of a command line.

    Args:
        recipe: a recipe's name; for a sweep several with commas between them, or with wildcards.
        settings: `key=value` in Hydra's grammar; for a sweep `key=value,value` as well.
        sweep: whether there may be several jobs.
        complete: whether a teacher has to be given.

    Raises:
        ValueError: for anything that is wrong with any of the jobs, in one line.
        ImportError: if the launcher is not installed.
    """
    load_plugins()
    parsed = [_parse(text) for text in settings]
    keys = [o.key_or_group for o in parsed]
    for o in parsed:
        _refuse_unknown(o, sweep)
        if keys.count(o.key_or_group) > 1:
            raise ValueError(f"{o.key_or_group} is given twice.")
    launcher = tuple(c.override for o in parsed if _is_launcher(o) for c in _choices(o, sweep=False))
    axes = [_recipes(recipe, sweep), *(_choices(o, sweep) for o in parsed if not _is_launcher(o))]
    varied = [axis[0].key for axis in axes if len(axis) > 1]
    if "out" in varied or (varied and "name" in keys):
        raise ValueError("The jobs of a sweep are named after what varies: give one out=, and no name=.")
    rows = list({repr([(c.key, c.value) for c in row]): row for row in itertools.product(*axes)}.values())
    with _initialized():
        if launcher:
            _refuse_unknown_launcher_settings(axes[0][0].value, launcher)
        composed = [_data(row, launcher) for row in rows]
    for index, row in enumerate(rows):
        data = composed[index]
        try:
            composed[index] = completed(row, data, complete)
            if complete and not leaves(launcher):
                refuse_absent(data["device"])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{run_name(row, data)}: {error}" if varied else str(error)) from error
    return sweep_runs(rows, composed, varied, launcher) if sweep else single_run(rows[0], composed[0])


def launch(runs: Plan) -> list[Outcome]:
    """Carry out a sweep. A job that fails does not keep the others from running.

    Raises:
        Interrupted: by Ctrl-C.
        ValueError: if a launcher beyond this process fails.
    """
    with _initialized():
        told = (*runs.launcher, *_QUIET, f"hydra.sweep.dir={_literal(str(runs.folder.absolute()))}")
        config = _compose(runs.jobs[0].data["recipe"], told)
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
    from ganzoo.training.run import distill

    number = HydraConfig.get().job.num
    job = jobs[number]
    if Path.cwd() != folder:  # of the command, which paths in the settings start from
        os.chdir(folder)
    print(f"Job {number + 1} of {len(jobs)}: {job.name}", flush=True)
    keep_freed_memory()
    try:
        load_plugins()
        distill(job.data)
    except Interrupted as interrupt:
        raise KeyboardInterrupt(str(interrupt)) from None  # which no launcher takes for a failed job
    except (ValueError, OSError, ImportError) as error:
        return Outcome(job.name, " ".join(str(error).split()))
    except Exception as error:
        traceback.print_exc()
        return Outcome(job.name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Outcome(job.name)


def _recipes(text: str, sweep: bool) -> list[Choice]:
    """The recipes that are asked for."""
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


def _parse(text: str) -> Override:
    """A setting of the command line, in Hydra's grammar."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or key.startswith("~"):
        raise ValueError(f"{text!r} is no setting: settings are key=value, such as resolution=256.")
    key = key.lstrip("+").strip()
    parser = OverridesParser.create()
    literal = f"{key}={_literal(value)}"
    try:
        found = parser.parse_override(f"{key}={value}")
    except HydraException as error:
        if key in _TEXTS:
            return parser.parse_override(literal)
        raise ValueError(
            f"Cannot read {text!r}: a value is a number, a word, a list such as [1,2], or a text in "
            "quotes that the shell leaves there."
        ) from error
    is_told = found.is_sweep_override() or found.value() is None or value.startswith(("'", '"'))
    return found if is_told or key not in _TEXTS else parser.parse_override(literal)


def _choices(found: Override, sweep: bool) -> list[Choice]:
    """What a setting is set to, one value after the other."""
    key = found.key_or_group
    if not found.is_sweep_override():
        values = [found]
    elif not sweep:
        comma = (
            f'if the comma belongs to it, write "{key}={_quoted((found.input_line or "").partition("=")[2])}"'
        )
        told = comma if key in _TEXTS else "a list takes brackets"
        raise ValueError(f"{found.input_line} is several values. To train with each, add -m; {told}.")
    elif isinstance(glob := found.value(), Glob):
        values = [_parse(f"{key}={name}") for name in glob.filter(_options(key) or [])]
    elif found.is_discrete_sweep():
        values = [_parse(f"{key}={value}") for value in found.sweep_string_iterator()]
    else:
        values = []
    if not values:
        raise ValueError(f"{found.input_line} gives no values to sweep over; write {key}=value,value.")
    return [_choice(key, one) for one in values]


def _choice(key: str, found: Override) -> Choice:
    """One value, checked as far as it can be without the others."""
    value, text = found.value(), found.get_value_string()
    if (options := _options(key)) is not None:
        if not isinstance(value, str) or value not in options:
            raise ValueError(unknown(key, value, options) + (f" {missing_block()}" if key in KINDS else ""))
        return Choice(key, value, f"{'+' if key not in KINDS else ''}{key}={value}")
    return Choice(key, value, f"{'' if key == 'hydra/launcher' else '++'}{key}={text}")


def _options(key: str) -> list[str] | None:
    """Names that a key may have where it picks a file or a block."""
    if key in KINDS:
        return KINDS[key].names()
    if key in ("training", "launcher"):
        return sorted(path.stem for path in (RECIPES / key).glob("*.yaml"))
    return None


def _is_launcher(found: Override) -> bool:
    return found.key_or_group == "launcher" or found.key_or_group.startswith(_LAUNCHER)


def _refuse_unknown(found: Override, sweep: bool) -> None:
    """Raise ValueError for a key that no run has."""
    key = found.key_or_group
    if _is_launcher(found) and not sweep:
        raise ValueError(f"{found.input_line}: launchers carry out sweeps; add -m.")
    if key.startswith("hydra") and not _is_launcher(found):
        raise ValueError(f"Of Hydra's own settings, hydra.launcher.… alone is used here; got {key}.")
    if found.package is not None:
        raise ValueError(f"{found.input_line!r} is no setting: write {key}=….")
    if _is_launcher(found) or _options(key) is not None or key.split(".")[0] in setting_names():
        return
    raise ValueError(unknown_setting(key))


def _refuse_unknown_launcher_settings(recipe: str, launcher: Sequence[str]) -> None:
    """Raise ValueError for a setting that the launcher does not have."""
    picked = [told for told in launcher if not told.startswith(f"++{_LAUNCHER[1]}")]
    known = _compose(recipe, picked).hydra.launcher
    for told in set(launcher) - set(picked):
        key = told.removeprefix(f"++{_LAUNCHER[1]}").partition("=")[0].partition(".")[0]
        if key not in known:
            raise ValueError(unknown("setting of the launcher", key, {*map(str, known)} - {"_target_"}))


def _data(row: Row, launcher: Sequence[str]) -> dict[str, Any]:
    """What a job is told, composed: the recipe is the first choice."""
    recipe, *others = row
    keys = [choice.key for choice in others]
    told = [choice.override for choice in others]
    if "training" not in keys:
        told.append(f"+training={preset_of(row, launcher)[0]}")
    with tempfile.TemporaryDirectory() as cards:
        for choice in others:  # a block of another package has no card; its name is enough
            if choice.key in KINDS and not (REGISTRY / choice.key / f"{choice.value}.yaml").is_file():
                card = Path(cards, choice.key, f"{choice.value}.yaml")
                card.parent.mkdir(exist_ok=True)
                OmegaConf.save({"name": choice.value}, card)
        composed = _compose(recipe.value, told, cards)
    try:
        data = {str(key): _plain(composed, str(key)) for key in composed if key != "hydra"}
    except OmegaConfBaseException as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if isinstance(data["teacher"], str):  # a shell completes the name of a folder with a slash
        data["teacher"] = user_name(data["teacher"].rstrip("/") or data["teacher"])
    for holder, key in ((data, "out"), (data["cache"], "folder")):
        if isinstance(holder[key], str):
            holder[key] = str(user_path(holder[key]))
    return override(data, {key: data[key] for key in _WIDTHS if key in keys})


def _plain(config: DictConfig, key: str) -> Any:
    """A value of a config as plain lists, numbers and strings."""
    value = MISSING if OmegaConf.is_missing(config, key) else config[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _compose(recipe: str, told: Sequence[str], *searched: str) -> DictConfig:
    """A recipe with overrides, and Hydra's own settings under `hydra`.

    Raises:
        ValueError: in one line, for whatever Hydra cannot compose.
        ImportError: for a launcher that is not installed.
    """
    places = ",".join(_quoted(f"file://{path}") for path in (REGISTRY, *searched))
    try:
        return hydra.compose(recipe, [f"hydra.searchpath=[{places}]", *told], return_hydra_config=True)
    except MissingConfigException as error:
        launcher = (error.missing_cfg_file or "").removeprefix("hydra/launcher/")
        if launcher in EXTRAS:
            extra = EXTRAS[launcher]
            raise ImportError(
                f'The launcher {launcher} needs: pip install "ganzoo-torch[{extra}]"'
            ) from error
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


def _literal(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever is in it, where `${…}` would be filled in."""
    return _quoted(text.replace("${", r"\${"))


def _quoted(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()
