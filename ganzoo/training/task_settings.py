"""The settings of a task: the loop's, and the task's own options, from a command line or a record."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING as NONE
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GeneratorConfig, generator_keys
from ganzoo.system.validation import from_mapping, plain
from ganzoo.training.names import MISSING, TASK
from ganzoo.training.settings import FREE, LoopSettings

Settings = TypeVar("Settings", bound="TaskSettings")


@dataclass(frozen=True, kw_only=True)
class TaskSettings(LoopSettings):
    """Settings of a run of one task: the loop's, and the options of the task, its other fields.

    A field of the type `GeneratorConfig` is described by a recipe and its keys.

    Attributes:
        measured: Settings that decide on figures alone: they may change when a run goes on.
        sources: Settings that name what is learnt from: no part of a run's name, nor taken from its folder.
        recipe: Recipe of the generator where none is given.
        presets: Folder with `training/*.yaml`, each a preset that `training=` names, of another package.
    """

    measured: ClassVar[tuple[str, ...]] = ()
    sources: ClassVar[tuple[str, ...]] = ()
    recipe: ClassVar[str | None] = None
    presets: ClassVar[Path | None] = None

    @classmethod
    def preset(cls, device: str, *, elsewhere: bool) -> tuple[str | None, str]:
        """The preset of a run that names none, and a line that tells why; None for the defaults alone.

        Args:
            device: Setting of the run.
            elsewhere: Whether a launcher takes it to another machine.
        """
        return None, ""

    @classmethod
    def completed(cls, data: dict[str, Any], given: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
        """Composed settings with those that depend on what is learnt from.

        Args:
            data: Composed settings.
            given: Settings of the command line, by dotted keys.
            whole: Whether a run can begin with them; else they are to be shown.

        Raises:
            ValueError, OSError: if what is learnt from is not there.
        """
        return data

    @classmethod
    def free(cls) -> tuple[str, ...]:
        """Settings that may change when a run goes on."""
        return (*FREE, *cls.measured)

    @classmethod
    def untold(cls) -> frozenset[str]:
        """Settings that no run is named after: they change little, or stand in front of its name."""
        return frozenset({"resolution", *cls.free(), *cls.sources})

    @classmethod
    def generator_field(cls) -> str | None:
        """Name of the field that a recipe describes; None for a task without."""
        hints = get_type_hints(cls)
        return next((f.name for f in fields(cls) if hints[f.name] is GeneratorConfig), None)

    @classmethod
    def setting_names(cls) -> set[str]:
        """Keys of the settings, those of a recipe instead of the field that they describe."""
        names, field = {f.name for f in fields(cls)}, cls.generator_field()
        return names if field is None else names.union(generator_keys()) - {field}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """All settings but the generator's as they are where nothing is given."""
        found = {}
        for f in fields(cls):
            default = f.default if f.default_factory is NONE else f.default_factory()
            found[f.name] = MISSING if default is NONE else plain(default)
        found["out"] = None  # a folder in runs/, by what is given
        return {key: value for key, value in found.items() if key != cls.generator_field()}

    @classmethod
    def texts(cls) -> frozenset[str]:
        """Dotted names of the settings that are text: whatever is given is meant as it stands."""
        return frozenset(_texts(cls))

    @classmethod
    def from_dict(cls: type[Settings], data: Mapping[str, Any]) -> Settings:
        """The settings of a composed recipe, or of a record of a run.

        Raises:
            ValueError: for an unknown key or a value that is refused.
        """
        data = {key: value for key, value in data.items() if key != TASK}
        if (field := cls.generator_field()) is not None:
            if isinstance(data.get(field), str | None):  # a recipe: no generator, but its architecture's name
                own = {key: data.pop(key) for key in generator_keys() if key in data}
                data[field] = GeneratorConfig.from_dict(own)
            elif isinstance(data[field], Mapping):
                data[field] = GeneratorConfig.from_dict(data[field])
        return from_mapping(cls, data, "a run", blocks=KINDS)

    def to_dict(self) -> dict[str, Any]:
        """All settings, completed, as plain lists, numbers and strings; `from_dict` takes them back."""
        data: dict[str, Any] = plain(self)
        if (field := self.generator_field()) is not None:
            data[field] = getattr(self, field).to_dict()
        return data


def _texts(record: type, above: str = "") -> Iterator[str]:
    for name, hint in get_type_hints(record).items():
        if hint in (str, str | None):
            yield f"{above}{name}"
        elif is_dataclass(hint) and isinstance(hint, type) and hint is not GeneratorConfig:
            yield from _texts(hint, f"{above}{name}.")
