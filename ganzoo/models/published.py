"""Published models: their entries in the registry, and their weights from the first source that has them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.generator import Generator
from ganzoo.models.catalogue import cached_file
from ganzoo.models.delta import OtherBase, Parts, base_of, parts_of, read_delta
from ganzoo.models.entries import BundledSource, ExternalWeights, HubSource, ModelEntry, WheelSource
from ganzoo.models.hub_client import Unreachable
from ganzoo.models.hub_names import HubName
from ganzoo.models.hub_pull import locate
from ganzoo.models.packed import bundled_file, read_bundled
from ganzoo.models.recipes import REGISTRY, compose, read_yaml
from ganzoo.models.sources import SourceError, read_source, writable_cache
from ganzoo.models.weights import load_weights, published_digest, write_weights
from ganzoo.system.validation import unknown

MODELS = REGISTRY / "model"


def list_models(pattern: str = "*") -> list[str]:
    """Names of published models that match a wildcard pattern, sorted."""
    return sorted(p.stem for p in MODELS.glob("*.yaml") if fnmatchcase(p.stem, pattern))


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


def published_weights(
    entry: ModelEntry, config: GeneratorConfig, cache_dir: str | os.PathLike[str] | None
) -> Generator:
    """A published model, from the cache if it is there, else from its source, which fills the cache."""
    if entry.external is not None:
        raise SourceError(_how_to_convert(entry.name, entry.external, entry.license["weights"]))
    remote = [source for source in entry.sources if not isinstance(source, BundledSource)]
    for source in entry.sources:
        if isinstance(source, BundledSource) and entry.base is None:  # at hand, and quicker than the cache
            return read_bundled(source, config)
    path = cached_weights(entry, cache_dir)
    if not path.is_file():
        writable_cache(path.parent)
        if entry.base is not None:
            generator, served = (
                _on_base(entry, entry.base, config, cache_dir),
                f"{entry.base} and the package",
            )
        else:
            generator, served = _read_first(entry.name, remote, cache_dir)
        if generator.config != config:
            raise ValueError(
                f"The weights of {entry.name!r} differ: {differences(config, generator.config)}."
            )
        write_weights(generator, path, {"model": entry.name, "source": served})
    try:
        return cast(Generator, load_weights(config, path))
    except ValueError as error:
        raise ValueError(f"{error} Delete the file: it will be fetched again.") from error


def _on_base(
    entry: ModelEntry, base_name: str, config: GeneratorConfig, cache_dir: str | os.PathLike[str] | None
) -> Generator:
    """A model made of its base's weights and the bundled file of differences, checked before and after."""
    [source] = entry.sources
    path, base = bundled_file(cast(BundledSource, source)), model_entry(base_name)
    if base_of(path) != (base.name, base.weights_sha256):
        raise ValueError(
            f"{path} holds differences from {' '.join(base_of(path)):.40}…, not from {base.name} "
            f"{base.weights_sha256:.12}…: install ganzoo again."
        )
    try:
        base_config = GeneratorConfig.from_dict(compose(base.recipe, base.overrides))
        generator = read_delta(config, published_weights(base, base_config, cache_dir), path)
    except SourceError as error:
        raise SourceError(f"{entry.name} needs the weights of {base.name}, once. {error}") from error
    except OtherBase as error:
        cached = cached_weights(base, cache_dir)
        raise ValueError(
            f"{cached} does not hold the published weights of {base.name}, from which {entry.name} is made. "
            "Delete the file: it will be fetched again."
        ) from error
    if (found := published_digest(generator)) != entry.weights_sha256:
        raise ValueError(
            f"{base.name} and {path} do not give the published weights of {entry.name}: sha256 {found:.12}…, "
            f"published {entry.weights_sha256:.12}…. Install ganzoo again."
        )
    return generator


def parts_of_member(entry: ModelEntry, config: GeneratorConfig) -> Parts | None:
    """Which parts of a model are its base's, trained further or new; None without a base.

    Raises:
        ValueError: if its file is missing or not what its hash says.
    """
    if entry.base is None:
        return None
    [source] = entry.sources
    return parts_of(config, bundled_file(cast(BundledSource, source)))


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
    raise SourceError(f"{' '.join(failures)} {without_network()}".rstrip())


@contextmanager
def naming_what_needs_no_network() -> Iterator[None]:
    """A block that asks the Hub; if it cannot be reached, the error names a model that is there without."""
    try:
        yield
    except Unreachable as error:
        raise Unreachable(f"{error} {without_network()}".rstrip()) from error


def without_network() -> str:
    """Which models are there without a network."""
    names = [name for name in list_models() if model_entry(name).is_bundled]
    return f"Without a network: {', '.join(names)}; their weights are in the package." if names else ""


def source_name(source: WheelSource | BundledSource | HubSource) -> str:
    """What a source is called where it is shown."""
    if isinstance(source, HubSource):
        return HubName(source.repo).at(source.revision)
    if isinstance(source, BundledSource):
        return f"{source.file}, in the package"
    return f"{source.distribution} {source.version}"


def differences(ours: GeneratorConfig, theirs: GeneratorConfig) -> str:
    """Fields in which two configs differ, with both values."""
    a, b = ours.to_dict(), theirs.to_dict()
    return "; ".join(f"{key} is {a[key]}, not {b[key]}" for key in a if a[key] != b[key])
