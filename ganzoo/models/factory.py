"""`create`: a name to a generator, with its weights where it has any."""

import inspect
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast, overload

import torch
from torch import nn

from ganzoo.blocks import KINDS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.discriminator import Discriminator, DiscriminatorConfig
from ganzoo.generators.generator import Generator
from ganzoo.models.catalogue import cached_file
from ganzoo.models.entries import BundledSource, ExternalWeights, HubSource, ModelEntry, WheelSource
from ganzoo.models.folders import find_model, model_folder, what_is
from ganzoo.models.hub_client import Unreachable
from ganzoo.models.hub_names import HubName, is_hub_name
from ganzoo.models.hub_pull import locate
from ganzoo.models.packed import read_bundled
from ganzoo.models.recipes import REGISTRY, compose, list_recipes, override, read_yaml
from ganzoo.models.sources import SourceError, read_source, writable_cache
from ganzoo.models.weights import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    empty,
    load_weights,
    read_config,
    write_weights,
)
from ganzoo.plugins import load_plugins
from ganzoo.system.paths import DIRECTORY, is_path, missing
from ganzoo.system.validation import unknown

MODELS = REGISTRY / "model"
DIR = DIRECTORY
INIT_SEED = 0
_GLOBAL_RANDOM = threading.Lock()  # one thread at a time borrows torch's global random state


def create(
    name: str | os.PathLike[str],
    *,
    pretrained: bool | None = None,
    device: str | torch.device = "cpu",
    cache_dir: str | os.PathLike[str] | None = None,
    **overrides: Any,
) -> Generator:
    """A generator, float32 and in eval mode.

    Args:
        name: a published model (`mobilestylegan_ffhq`), a recipe (`mobilestylegan`), a folder (its path, also
            as `dir:path`, which no other name goes before; of a model, or a run, whose student it is then) or
            a model on the Hub (`hf-hub:owner/name@revision`).
        pretrained: None loads weights where the name has them; True insists on them; False draws them at
            random, the same ones at every call.
        device: where it goes.
        cache_dir: where downloaded weights are kept; by default `~/.cache/ganzoo`, and for models on the Hub
            where its client keeps them.
        overrides: other settings: a string picks another block (`conv="full"`), a mapping sets its options
            (`mapping={"depth": 4}`), anything else sets a field (`resolution=256`).

    Raises:
        ValueError: for an unknown name, block, option or setting, or weights that do not fit the overrides.
        OSError: if weights cannot be had.
    """
    name = resolve(name)
    with _naming_what_needs_no_network():
        remote = locate(name, cache_dir) if is_hub_name(name) else None
    settings = remote.config.to_dict() if remote is not None else _settings(name)
    config = GeneratorConfig.from_dict(override(settings, overrides))
    is_recipe = name in list_recipes()
    wanted = not is_recipe if pretrained is None else pretrained
    if not wanted:
        return build(config).to(device)
    if is_recipe:
        fitting = [m for m in list_models() if model_entry(m).recipe == name]
        hint = f" Models made from it: {', '.join(fitting)}." if fitting else ""
        raise ValueError(f"{name!r} is a recipe and has no weights.{hint}")
    trained = GeneratorConfig.from_dict(settings)
    if config != trained:
        raise ValueError(
            f"The weights of {name!r} do not fit these overrides: {_differences(trained, config)}. "
            "pretrained=False gives random weights."
        )
    if remote is not None:
        with _naming_what_needs_no_network():
            return remote.load().to(device)
    if name.startswith(DIR):
        path = Path(name.removeprefix(DIR)) / WEIGHTS_FILE
        return cast(Generator, load_weights(trained, path)).to(device)
    return _published(model_entry(name), trained, cache_dir).to(device)


def config_of(
    name: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None = None
) -> GeneratorConfig:
    """The config of a published model, a recipe, a model directory or one on the Hub, without its weights.

    Args:
        name: Name as `create` takes it.
        cache_dir: Where the config of a model on the Hub is kept, as for `create`.

    Raises:
        ValueError: for an unknown name.
    """
    return GeneratorConfig.from_dict(_settings(resolve(name), cache_dir))


@overload
def build(config: GeneratorConfig, seed: int = INIT_SEED) -> Generator: ...


@overload
def build(config: DiscriminatorConfig, seed: int = INIT_SEED) -> Discriminator: ...


@torch.inference_mode(False)  # what is made in inference mode could never be trained
def build(config: GeneratorConfig | DiscriminatorConfig, seed: int = INIT_SEED) -> Generator | Discriminator:
    """A network with random weights, which depend on the seed alone.

    No global random state is read or moved.
    """
    network = empty(config)
    random = torch.Generator("cpu").manual_seed(seed)
    for module in network.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(tensor.is_meta for tensor in own):
            module._apply(_as_nan, recurse=False)  # type: ignore[no-untyped-call]
            _initialize(module, random)
    for name, tensor in network.state_dict().items():
        if tensor.isnan().any():
            raise TypeError(f"{name!r} has no initial value: reset_parameters of its block must fill it.")
    return network


def resolve(name: str | os.PathLike[str]) -> str:
    """The one spelling of a name: `dir:` and the model's folder for a path, a `Path` or a run's folder.

    A published model or a recipe goes before a folder of the same name, unless that is a `Path`.

    Raises:
        TypeError: for what is no name.
    """
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"A model is given by its name or folder; got {type(name).__name__}.")
    given = name if isinstance(name, str) else f"{DIR}{os.fspath(name)}"
    if given in [*list_models(), *list_recipes()] or is_hub_name(given):
        return given
    found = find_model(given.removeprefix(DIR))
    return given if found is None else f"{DIR}{found}"


def folder_of(name: str | os.PathLike[str]) -> Path:
    """The model folder that a name stands for.

    Raises:
        ValueError: if it is no folder's name.
        FileNotFoundError: if no model is there.
    """
    resolved = resolve(name)
    if is_hub_name(resolved) or resolved in [*list_models(), *list_recipes()]:
        raise ValueError(
            f"{resolved!r} is no folder of a model, which holds {CONFIG_FILE} and {WEIGHTS_FILE}."
        )
    return model_folder(resolved.removeprefix(DIR))


def list_models(pattern: str = "*") -> list[str]:
    """Names of published models that match a wildcard pattern, sorted."""
    return sorted(p.stem for p in MODELS.glob("*.yaml") if fnmatchcase(p.stem, pattern))


def list_blocks(kind: str) -> list[str]:
    """Names of the registered blocks of a kind, sorted.

    Raises:
        ValueError: for an unknown kind.
    """
    load_plugins()
    if kind not in KINDS:
        raise ValueError(unknown("kind of block", kind, KINDS))
    return KINDS[kind].names()


def model_entry(name: str) -> ModelEntry:
    """The registry's entry of a published model.

    Raises:
        ValueError: if there is none, or it has an unknown or missing key.
    """
    if name not in list_models():
        raise ValueError(unknown("model", name, list_models()))
    return ModelEntry.from_dict(read_yaml(MODELS / f"{name}.yaml"))


def cached_weights(entry: ModelEntry, cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where a published model's converted weights lie, or would."""
    return cached_file(entry.name, entry.weights_sha256, cache_dir)


def _settings(name: str, cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """What a name stands for, as `GeneratorConfig.from_dict` takes it."""
    load_plugins()
    if is_hub_name(name):
        with _naming_what_needs_no_network():
            return locate(name, cache_dir).config.to_dict()
    if name.startswith(DIR):
        config = read_config(model_folder(name.removeprefix(DIR)) / CONFIG_FILE)
        if not isinstance(config, GeneratorConfig):
            raise ValueError(f"{name!r} is a discriminator and makes no images: ganzoo.load reads it.")
        return config.to_dict()
    if name in list_models():
        entry = model_entry(name)
        return compose(entry.recipe, entry.overrides)
    if name in list_recipes():
        return compose(name)
    raise ValueError(_no_such_name(name))


def _published(
    entry: ModelEntry, config: GeneratorConfig, cache_dir: str | os.PathLike[str] | None
) -> Generator:
    """A published model, from the cache if it is there, else from its source, which fills the cache."""
    if entry.external is not None:
        raise SourceError(_how_to_convert(entry.name, entry.external, entry.license["weights"]))
    remote = [source for source in entry.sources if not isinstance(source, BundledSource)]
    for source in entry.sources:
        if isinstance(source, BundledSource):  # at hand, and quicker to read than to look for in the cache
            return read_bundled(source, config)
    path = cached_weights(entry, cache_dir)
    if not path.is_file():
        writable_cache(path.parent)
        generator, served = _read_first(entry.name, remote, cache_dir)
        if generator.config != config:
            raise ValueError(
                f"The weights of {entry.name!r} differ: {_differences(config, generator.config)}."
            )
        write_weights(generator, path, {"model": entry.name, "source": served})
    try:
        return cast(Generator, load_weights(config, path))
    except ValueError as error:
        raise ValueError(f"{error} Delete the file: it will be fetched again.") from error


def _how_to_convert(name: str, external: ExternalWeights, license: str) -> str:
    """Message for weights that the user has to fetch."""
    return (
        f"{external.owner} publishes the weights of {name!r}, and ganzoo may not pass them on. "
        f"License: {license}. Download {external.url} (described at {external.page}), run "
        f"`{external.command(name)}`, and use that folder, in Python as 'dir:{external.folder(name)}'. "
        "Without weights: pretrained=False."
    )


def _read_first(
    name: str, sources: Sequence[WheelSource | HubSource], cache_dir: str | os.PathLike[str] | None
) -> tuple[Generator, str]:
    """The generator of the first source that can be reached, and which it is; says so on stderr."""
    failures: list[str] = []
    for source in sources:
        served = source_name(source)
        try:
            if isinstance(source, HubSource):
                generator = locate(served, cache_dir).load(source.sha256)
            else:
                generator = read_source(source)
        except SourceError as error:
            failures.append(str(error))
            continue
        if len(sources) > 1:
            after = f", after: {' '.join(failures)}" if failures else ""
            print(f"The weights of {name} come from {served}{after}", file=sys.stderr)
        return generator, served
    raise SourceError(f"{' '.join(failures)} {_without_network()}".rstrip())


@contextmanager
def _naming_what_needs_no_network() -> Iterator[None]:
    """A block that asks the Hub; if it cannot be reached, the error names a model that is there without."""
    try:
        yield
    except Unreachable as error:
        raise Unreachable(f"{error} {_without_network()}".rstrip()) from error


def _without_network() -> str:
    """Which models are there without a network."""
    names = [name for name in list_models() if model_entry(name).is_bundled]
    return f"Without a network: {', '.join(names)}, which comes with the package." if names else ""


def source_name(source: WheelSource | BundledSource | HubSource) -> str:
    """What a source is called where it is shown."""
    if isinstance(source, HubSource):
        return HubName(source.repo).at(source.revision)
    if isinstance(source, BundledSource):
        return f"{source.file}, in the package"
    return f"{source.distribution} {source.version}"


def _as_nan(tensor: torch.Tensor) -> torch.Tensor:
    """Memory for a tensor on the meta device, marked as not yet filled."""
    return torch.full_like(tensor, float("nan"), device="cpu") if tensor.is_meta else tensor


def _initialize(module: nn.Module, random: torch.Generator) -> None:
    """Call a module's `reset_parameters` with the generator; torch's own layers under a seed of it."""
    reset = getattr(module, "reset_parameters", None)
    if reset is None:
        raise TypeError(
            f"{type(module).__name__} holds parameters: it needs reset_parameters(generator=None)."
        )
    if "generator" in inspect.signature(reset).parameters:
        reset(generator=random)
        return
    seed = int(torch.randint(2**31, [], generator=random, device="cpu"))
    with _GLOBAL_RANDOM, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed other devices, too
        reset()


def _no_such_name(name: str) -> str:
    """Message for a name that is no model, recipe or directory."""
    if (told := what_is(name)) is not None:
        return told
    if is_path(name):
        return missing(name)
    if name.count("/") == 1:
        return (
            f"{name!r} does not exist here. A repository of the Hub is written 'hf-hub:{name}', a folder "
            f"'dir:{name}'."
        )
    return unknown("model or recipe", name, [*list_models(), *list_recipes()])


def _differences(ours: GeneratorConfig, theirs: GeneratorConfig) -> str:
    """Fields in which two configs differ, with both values."""
    a, b = ours.to_dict(), theirs.to_dict()
    return "; ".join(f"{key} is {a[key]}, not {b[key]}" for key in a if a[key] != b[key])
