"""`hf-hub:` names to generators: pinned to a commit, checked file by file, from the cache if the Hub is away.

The config comes first, and with it what the weights must be: a repository that is no model of ganzoo, an
absurd size or a file of another size is refused before anything large is downloaded.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.models.golden import GOLDEN_FILE, check_golden
from ganzoo.models.hub_client import TIMEOUT, HubError, Unreachable, hub_call
from ganzoo.models.hub_names import HubName, parse_hub_name
from ganzoo.models.weights import (
    CONFIG_FILE,
    CONFIG_KEY,
    MAX_CONFIG_BYTES,
    WEIGHTS_FILE,
    config_digest,
    load_weights,
    read_config,
    read_json,
    stored_digest,
    weights_digest,
)
from ganzoo.system.files import sha256
from ganzoo.system.kinds import kind_of
from ganzoo.system.paths import user_path

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

CARD_FILE = "README.md"
FILES = (CONFIG_FILE, WEIGHTS_FILE, GOLDEN_FILE, CARD_FILE)
_MAX_HEADER = 1 << 20  # bytes of a safetensors header
_MAX_GOLDEN = 1 << 24
_MAX_BESIDE = 1 << 26  # bytes of a file that is no part of the model
_SHA256_LENGTH = 64

CacheDir = str | Path | None


@dataclass(frozen=True)
class Remote:
    """A model on the Hub whose config is here and whose weights may not be yet.

    Attributes:
        name: Name as it was asked for.
        hub: Repository on the Hub.
        commit: Commit that the name stands for now.
        config: Config of the generator.
        folder: Folder of the commit's files in the cache.
        files: Files of the commit as the Hub lists them, or None if it was not asked.
        whole: Whether all of it is in the cache, so that there is nothing to ask the Hub.
        offline: Whether the Hub could not be reached.
        cache_dir: Folder of the client's cache, if not in the usual place.
    """

    name: str
    hub: HubName
    commit: str
    config: GeneratorConfig
    folder: Path
    files: "dict[str, RepoSibling] | None"
    whole: bool
    offline: bool
    cache_dir: CacheDir

    def load(self, sha256: str | None = None) -> Generator:
        """The generator, on the CPU, after its files were checked; says on stderr which commit it is.

        Args:
            sha256: Hash that the file of weights must have.

        Raises:
            HubError: if they cannot be had, or are not what the Hub says.
            ValueError: if they are not what the config says, or give other images than they should.
        """
        new = self.download()
        weights = self.folder / WEIGHTS_FILE
        self._check_hash(weights, sha256)
        try:
            generator = cast(Generator, load_weights(self.config, weights))
            check_folder(self.folder, generator, images=new)
        except BaseException as error:
            if new:  # else the next call would take them for weights that were proved
                weights.unlink(missing_ok=True)
            if isinstance(error, ValueError):
                raise ValueError(self._named(error)) from error
            raise
        pin = "" if self.hub.pinned else f"; {self.hub.at(self.commit)} will always be this one"
        cached = ", from the cache: the Hub cannot be reached" if self.offline else ""
        print(f"{self.name} is commit {self.commit}{cached}{pin}", file=sys.stderr)
        return generator

    def download(self) -> bool:
        """Fetch what is missing of the commit; whether the weights or the record of their images were.

        Raises:
            HubError: if that fails, or leaves something out.
        """
        from huggingface_hub import hf_hub_download

        missing = [] if self.whole else self._missing()
        if missing and self.offline:
            raise HubError(f"{self.name}: the cache lacks {WEIGHTS_FILE}, and the Hub cannot be reached.")
        for file in missing:  # one by one, by the commit: for a whole snapshot the client would ask again
            with hub_call(f"{self.name} cannot be downloaded"):
                hf_hub_download(self.hub.repo, file, revision=self.commit, cache_dir=self.cache_dir)
        if lost := set(missing).intersection(self._missing()):
            raise HubError(f"{self.name}: the download lacks {', '.join(sorted(lost))}. Try again.")
        return not {WEIGHTS_FILE, GOLDEN_FILE}.isdisjoint(missing)

    def pull(self, *files: str) -> None:
        """Fetch files that may lie beside the model, where the commit has them; `folder` holds them then.

        Raises:
            HubError: for one that is absurdly large, or that cannot be downloaded.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        for file in files:
            if self.offline or (self.files is not None and file not in self.files):
                continue
            if try_to_load_from_cache(self.hub.repo, file, self.cache_dir, self.commit) is not None:
                continue  # it is there, or known not to exist
            if self.files is not None and (self.files[file].size or 0) > _MAX_BESIDE:
                raise HubError(f"{self.name}: its {file} has more than {_MAX_BESIDE} bytes. It was not read.")
            with hub_call(f"{file} of {self.name} cannot be downloaded"):
                try:
                    hf_hub_download(self.hub.repo, file, revision=self.commit, cache_dir=self.cache_dir)
                except LocalEntryNotFoundError:
                    raise
                except EntryNotFoundError:
                    continue

    def _missing(self) -> list[str]:
        """Files that are not in the cache: of those that the Hub lists, or else of the needed ones."""
        listed = self.files if self.files is not None else (CONFIG_FILE, WEIGHTS_FILE)
        return [file for file in FILES if file in listed and not (self.folder / file).is_file()]

    def _check_hash(self, weights: Path, expected: str | None) -> None:
        """Raise HubError if the file of weights is not the one that the Hub lists."""
        file = weights.resolve()
        if expected is None and self.files is not None and (lfs := self.files[WEIGHTS_FILE].lfs) is not None:
            expected = lfs.sha256
        if expected is None and len(file.name) == _SHA256_LENGTH:  # the cache names a large file by its hash
            expected = file.name
        if expected is None:
            return
        found = sha256(file)
        if found != expected:
            what = f" It is {kind}." if (kind := kind_of(file)) else ""
            raise HubError(
                f"{self.name}: {WEIGHTS_FILE} has the sha256 {found[:12]}…, expected {expected[:12]}…: it "
                f"was not read.{what} Delete {file}: it will be fetched again."
            )

    def _named(self, error: Exception) -> str:
        """An error's message with the model's name in the place of its folder in the cache."""
        return str(error).replace(str(self.folder), self.hub.at(self.commit[:12]))


def locate(name: str, cache_dir: str | os.PathLike[str] | None = None) -> Remote:
    """The commit that a `hf-hub:` name stands for, and the config in it.

    Raises:
        ValueError: for a name of another form, or a config that is none of ganzoo.
        HubError: if the Hub does not know or show it, or cannot be reached and it is not in the cache.
    """
    from huggingface_hub import HfApi, hf_hub_download

    hub = parse_hub_name(name)
    cache_dir = None if cache_dir is None else user_path(cache_dir)
    files, sha, unreachable = None, None, None
    if not (whole := hub.pinned and _is_cached(hub, cache_dir)):  # else there is nothing to ask
        try:
            with hub_call(f"{name} cannot be read"):
                info = HfApi().model_info(
                    hub.repo, revision=hub.revision, files_metadata=True, timeout=TIMEOUT
                )
            files, sha = {file.rfilename: file for file in info.siblings or []}, info.sha
            _check_list(name, files)
        except Unreachable as error:
            unreachable = error
    try:
        with hub_call(f"{name} cannot be read"):
            path = hf_hub_download(
                hub.repo,
                CONFIG_FILE,
                revision=hub.revision,
                cache_dir=cache_dir,
                local_files_only=files is None,
            )
    except Unreachable as error:
        raise unreachable or error from error
    config, commit = _config(name, Path(path)), Path(path).parent.name
    if files is not None:
        if commit != sha:
            raise HubError(f"{name} changed while it was read. Try again.")
        _check_size(name, config, files[WEIGHTS_FILE].size)
    return Remote(
        name=name,
        hub=hub,
        commit=commit,
        config=config,
        folder=Path(path).parent,
        files=files,
        whole=whole,
        offline=unreachable is not None,
        cache_dir=cache_dir,
    )


def check_folder(folder: Path, generator: Generator, *, images: bool = True) -> float | None:
    """Whether a model's folder is as it was written: weights, config and golden images.

    Returns:
        how far the images are off, or None if there are none or they were not asked for.

    Raises:
        ValueError: if one of them is not.
    """
    digest = weights_digest(generator)
    weights = folder / WEIGHTS_FILE
    if (stored := stored_digest(weights)) is not None and stored != digest:
        raise ValueError(f"{weights} was changed after it was written: its weights have another hash.")
    stored, config = stored_digest(weights, CONFIG_KEY), folder / CONFIG_FILE
    if stored is not None and stored != config_digest(read_json(config)["config"]):
        raise ValueError(f"{config} was changed after the weights were written.")
    golden = folder / GOLDEN_FILE
    return check_golden(generator, golden, digest) if images and golden.is_file() else None


def _is_cached(hub: HubName, cache_dir: CacheDir) -> bool:
    """Whether all files of a pinned name are in the cache."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(hub.repo, file, cache_dir, hub.revision) for file in FILES]
    return all(isinstance(path, str) for path in found)


def _check_list(name: str, files: "dict[str, RepoSibling]") -> None:
    """Raise HubError for a repository that cannot hold a model of ganzoo."""
    if missing := [file for file in (CONFIG_FILE, WEIGHTS_FILE) if file not in files]:
        raise HubError(f"{name} is no model of ganzoo: the repository has no {' and no '.join(missing)}.")
    for file, most in ((CONFIG_FILE, MAX_CONFIG_BYTES), (GOLDEN_FILE, _MAX_GOLDEN)):
        if file in files and (files[file].size or 0) > most:
            raise HubError(f"{name} is no model of ganzoo: its {file} has more than {most} bytes.")


def _config(name: str, path: Path) -> GeneratorConfig:
    """The generator's config in a file of the cache."""
    try:
        config = read_config(path)
    except ValueError as error:
        raise ValueError(f"{name} cannot be used: {str(error).replace(str(path), CONFIG_FILE)}") from error
    if not isinstance(config, GeneratorConfig):
        raise ValueError(f"{name} is a discriminator and makes no images.")
    return config


def _check_size(name: str, config: GeneratorConfig, size: int | None) -> None:
    """Raise ValueError if a file of that size cannot hold the weights of that config, or nothing can."""
    try:
        numbers = sum(tensor.numel() for tensor in empty(config).state_dict().values())
    except ValueError as error:  # a block's own option
        raise ValueError(f"{name} cannot be used: {CONFIG_FILE}: {error}") from error
    if size is not None and not 2 * numbers <= size <= 4 * numbers + _MAX_HEADER:
        raise ValueError(
            f"{name}: its {WEIGHTS_FILE} has {size} bytes, and its config asks for {numbers} numbers of 2 or "
            "4 bytes. It was not downloaded."
        )
