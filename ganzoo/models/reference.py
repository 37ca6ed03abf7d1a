"""A model's name, parsed once: what it stands for, its config, its weights, and its hash.

    model = reference("hf-hub:me/my-gan", cache_dir="models")
    model.config(), model.load(), model.identity()

There are four kinds: a published model, a recipe, a folder and a model on the Hub. An object keeps what it
has found out, so a command that passes one on asks the Hub once and hashes a folder's files once. Whatever
takes a model's name takes a reference as well.
"""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.models.entries import ModelEntry
from ganzoo.models.folders import find_model, model_folder
from ganzoo.models.hub_names import is_hub_name, parse_hub_name
from ganzoo.models.hub_pull import Remote, locate
from ganzoo.models.published import (
    list_models,
    model_entry,
    naming_what_needs_no_network,
    published_weights,
)
from ganzoo.models.recipes import compose, list_recipes
from ganzoo.models.weights import CONFIG_FILE, WEIGHTS_FILE, load_weights, read_config
from ganzoo.system.files import sha256
from ganzoo.system.paths import DIRECTORY, is_path, missing, user_path
from ganzoo.system.validation import unknown


@dataclass(frozen=True)
class Identity:
    """What tells a model's weights from all others, for records and caches.

    Attributes:
        name: Published name, folder, or repository of the Hub.
        hash: sha256 of published weights or of a folder's two files, commit of the Hub; None without weights.
    """

    name: str
    hash: str | None


class Reference(ABC):
    """What a model's name stands for.

    Attributes:
        name: As it was given.
        cache_dir: Folder for what is fetched or exported; None for the usual places.
        entry: Entry in the registry, of a published model.
        has_weights: Whether `load` can give any.
    """

    entry: ModelEntry | None = None
    has_weights: ClassVar[bool] = True

    def __init__(self, name: str, cache_dir: Path | None) -> None:
        self.name, self.cache_dir = name, cache_dir

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def config(self) -> GeneratorConfig:
        """The generator's config; no weights are fetched.

        Raises:
            ValueError: for a config that is wrong, or one of a discriminator.
            OSError: if it cannot be had.
        """
        return self._config

    @cached_property
    def _config(self) -> GeneratorConfig:
        return GeneratorConfig.from_dict(self.settings())

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The same as plain settings, to which overrides are applied."""

    @abstractmethod
    def load(self) -> Generator:
        """The generator with its weights, a new one at every call, on the CPU.

        Raises:
            ValueError: if there are no weights, or they do not fit the config.
            OSError: if they cannot be had.
        """

    @abstractmethod
    def identity(self) -> Identity:
        """Name and hash, without loading weights."""


class Published(Reference):
    """A model of the registry."""

    entry: ModelEntry

    def __init__(self, name: str, cache_dir: Path | None) -> None:
        super().__init__(name, cache_dir)
        self.entry = model_entry(name)

    def settings(self) -> dict[str, Any]:
        return compose(self.entry.recipe, self.entry.overrides)

    def load(self) -> Generator:
        return published_weights(self.entry, self.config(), self.cache_dir)

    def identity(self) -> Identity:
        return Identity(self.name, self.entry.weights_sha256)


class Recipe(Reference):
    """A recipe: an architecture without weights."""

    has_weights = False

    def settings(self) -> dict[str, Any]:
        return compose(self.name)

    def load(self) -> Generator:
        fitting = [model for model in list_models() if model_entry(model).recipe == self.name]
        hint = f" Models made from it: {', '.join(fitting)}." if fitting else ""
        raise ValueError(f"{self.name!r} is a recipe and has no weights.{hint}")

    def identity(self) -> Identity:
        return Identity(self.name, None)


class Folder(Reference):
    """A folder with a model, or with a run whose student is meant; or something else that lies at that path.

    Attributes:
        path: As it was given, with the home folder filled in.
        is_model: Whether a model lies there.
    """

    def __init__(self, name: str, path: Path, cache_dir: Path | None) -> None:
        super().__init__(name, cache_dir)
        self.path = path

    @cached_property
    def is_model(self) -> bool:
        return find_model(self.path) is not None

    @cached_property
    def folder(self) -> Path:
        """The folder of the model itself.

        Raises:
            FileNotFoundError: for a path that holds something else; the message says what, and what to do.
        """
        return model_folder(self.path)

    @cached_property
    def module_config(self) -> GeneratorConfig | DiscriminatorConfig:
        """The config of what lies there, be it a generator's or a discriminator's."""
        return read_config(self.folder / CONFIG_FILE)

    def settings(self) -> dict[str, Any]:
        if not isinstance(self.module_config, GeneratorConfig):
            raise ValueError(f"{self.name!r} is a discriminator and makes no images: ganzoo.load reads it.")
        return self.module_config.to_dict()

    def load(self) -> Generator:
        generator: Generator = load_weights(self.config(), self.folder / WEIGHTS_FILE)
        return generator

    def identity(self) -> Identity:
        return self._identity

    @cached_property
    def _identity(self) -> Identity:
        config, weights = (sha256(self.folder / file) for file in (CONFIG_FILE, WEIGHTS_FILE))
        return Identity(str(self.folder), f"{config} {weights}")


class HubModel(Reference):
    """A model on the Hub, at the commit that its name stood for when it was first asked for."""

    def __init__(self, name: str, cache_dir: Path | None) -> None:
        super().__init__(name, cache_dir)
        parse_hub_name(name)  # another form is refused before the Hub is asked

    @cached_property
    def remote(self) -> Remote:
        """The commit and the config in it.

        Raises:
            HubError: if the Hub does not know or show it, or cannot be reached and it is not in the cache.
        """
        with naming_what_needs_no_network():
            return locate(self.name, self.cache_dir)

    @property
    def folder(self) -> Path:
        """The folder of the commit's files in the cache, which `load` fills."""
        return self.remote.folder

    def settings(self) -> dict[str, Any]:
        return self.remote.config.to_dict()

    def load(self) -> Generator:
        with naming_what_needs_no_network():
            return self.remote.load()

    def identity(self) -> Identity:
        return Identity(self.remote.hub.repo, self.remote.commit)


Name = str | os.PathLike[str] | Reference


def reference(name: Name, cache_dir: str | os.PathLike[str] | None = None) -> Reference:
    """What a model's name stands for; nothing is fetched or read yet.

    A published model or a recipe goes before a folder of the same name, unless that is a `Path` or spelt
    `dir:path`.

    Args:
        name: Published model, recipe, path of a folder, or `hf-hub:owner/name@revision`. A reference is given
            back as it is.
        cache_dir: Folder for what is fetched or exported; None for the usual places.

    Raises:
        ValueError: for an unknown name, one of the Hub that is no `owner/name`, or a reference with another
            cache.
        TypeError: for what is no name.
    """
    cache = None if cache_dir is None else user_path(cache_dir)
    if isinstance(name, Reference):
        if cache not in (None, name.cache_dir):
            raise ValueError(f"{name.name!r} is bound to the cache {name.cache_dir}; got cache_dir={cache}.")
        return name
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"A model is given by its name or folder; got {type(name).__name__}.")
    if not isinstance(name, str):
        return Folder(os.fspath(name), user_path(name), cache)
    if is_hub_name(name):
        return HubModel(name, cache)
    if name in list_models():
        return Published(name, cache)
    if name in list_recipes():
        return Recipe(name, cache)
    path = name.removeprefix(DIRECTORY)
    if path == name and not os.path.exists(user_path(name)):  # noqa: PTH110 - a Path refuses long names
        raise ValueError(_no_such_name(name))
    return Folder(name, user_path(path), cache)


def _no_such_name(name: str) -> str:
    """Message for a name that is no model, recipe or path."""
    if is_path(name):
        return missing(name)
    if name.count("/") == 1:
        return (
            f"{name!r} does not exist here. A repository of the Hub is written 'hf-hub:{name}', a folder "
            f"'dir:{name}'."
        )
    return unknown("model or recipe", name, [*list_models(), *list_recipes()])
