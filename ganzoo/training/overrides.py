"""Settings of a command line, `key=value` in Hydra's grammar, as the values that they are set to."""

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from hydra.errors import HydraException

from ganzoo.blocks import KINDS
from ganzoo.models.recipes import RECIPES, read_yaml
from ganzoo.plugins import missing_block
from ganzoo.system.validation import unknown
from ganzoo.training.names import TASK, Choice
from ganzoo.training.tasks import options_of

LAUNCHER = ("hydra/launcher", "hydra.launcher.")


def parse(text: str, task: str) -> Override:
    """A setting of a task on the command line, in Hydra's grammar."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or key.startswith("~"):
        raise ValueError(f"{text!r} is no setting: settings are key=value, such as resolution=256.")
    key = key.lstrip("+").strip()
    parser, texts = OverridesParser.create(), options_of(task).texts()
    as_text = f"{key}={literal(value)}"
    try:
        found = parser.parse_override(f"{key}={value}")
    except HydraException as error:
        if key in texts:
            return parser.parse_override(as_text)
        raise ValueError(
            f"Cannot read {text!r}: a value is a number, a word, a list such as [1,2], or a text in "
            "quotes that the shell leaves there."
        ) from error
    is_told = found.is_sweep_override() or found.value() is None or value.startswith(("'", '"'))
    return found if is_told or key not in texts else parser.parse_override(as_text)


def choices(found: Override, sweep: bool, task: str) -> list[Choice]:
    """What a setting is set to, one value after the other."""
    key = found.key_or_group
    if not found.is_sweep_override():
        values = [found]
    elif not sweep:
        comma = (
            f'if the comma belongs to it, write "{key}={quoted((found.input_line or "").partition("=")[2])}"'
        )
        told = comma if key in options_of(task).texts() else "a list takes brackets"
        raise ValueError(f"{found.input_line} is several values. To train with each, add -m; {told}.")
    elif isinstance(glob := found.value(), Glob):
        values = [parse(f"{key}={name}", task) for name in glob.filter(_options(key, task) or [])]
    elif found.is_discrete_sweep():
        values = [parse(f"{key}={value}", task) for value in found.sweep_string_iterator()]
    else:
        values = []
    if not values:
        raise ValueError(f"{found.input_line} gives no values to sweep over; write {key}=value,value.")
    return [_choice(key, one, task) for one in values]


def refuse_unknown(found: Override, sweep: bool, task: str) -> None:
    """Raise ValueError for a key that no run of a task has."""
    key = found.key_or_group
    if is_launcher(found) and not sweep:
        raise ValueError(f"{found.input_line}: launchers carry out sweeps; add -m.")
    if key.startswith("hydra") and not is_launcher(found):
        raise ValueError(f"Of Hydra's own settings, hydra.launcher.… alone is used here; got {key}.")
    if found.package is not None:
        raise ValueError(f"{found.input_line!r} is no setting: write {key}=….")
    options = options_of(task)
    if is_launcher(found) or _options(key, task) is not None or key.split(".")[0] in options.setting_names():
        return
    held = {top: value for top, value in options.defaults().items() if isinstance(value, dict)}
    if within := [f"{top}.{key}" for top, value in held.items() if key in value]:
        raise ValueError(f"Unknown setting: {key!r}. Did you mean {' or '.join(within)}?")
    raise ValueError(unknown("setting", key, {*options.setting_names(), "training", "launcher"}))


def is_launcher(found: Override) -> bool:
    """Whether a setting is about where jobs are carried out."""
    return found.key_or_group == "launcher" or found.key_or_group.startswith(LAUNCHER)


def preset_folders(task: str) -> list[Path]:
    """Folders that hold presets, one below `training` each: those of ganzoo and of the task's own package."""
    own = options_of(task).presets
    return [RECIPES, *([own] if own is not None else [])]


def presets(task: str) -> list[str]:
    """Names of a task's presets, sorted."""
    files = {path.stem: path for folder in preset_folders(task) for path in folder.glob("training/*.yaml")}

    def task_of(name: str) -> str | None:
        data = read_yaml(files[name])
        above = [entry for entry in data.get("defaults", []) if isinstance(entry, str) and entry in files]
        return str(data[TASK]) if TASK in data else next(filter(None, map(task_of, above)), None)

    return sorted(name for name in files if task_of(name) == task)


def literal(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever is in it, where `${…}` would be filled in."""
    return quoted(text.replace("${", r"\${"))


def quoted(text: str) -> str:
    """Text as a value in Hydra's grammar, whatever is in it."""
    return QuotedString(text, Quote.single).with_quotes()


def _choice(key: str, found: Override, task: str) -> Choice:
    """One value, checked as far as it can be without the others."""
    value, text = found.value(), found.get_value_string()
    if (options := _options(key, task)) is not None:
        if not isinstance(value, str) or value not in options:
            raise ValueError(unknown(key, value, options) + (f" {missing_block()}" if key in KINDS else ""))
        return Choice(key, value, f"{'+' if key not in KINDS else ''}{key}={value}")
    return Choice(key, value, f"{'' if key == 'hydra/launcher' else '++'}{key}={text}")


def _options(key: str, task: str) -> list[str] | None:
    """Names that a key may have where it picks a file or a block."""
    if key in KINDS and key in options_of(task).setting_names():
        return KINDS[key].names()
    if key == "training":
        return presets(task)
    return sorted(path.stem for path in RECIPES.glob("launcher/*.yaml")) if key == "launcher" else None
