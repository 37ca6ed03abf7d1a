"""A model's folder to the Hub: proved first, then one commit."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import torch

from ganzoo.cards.folder import folder_card
from ganzoo.cards.published import copy_images, published_card
from ganzoo.cards.readme import card_text, card_to_push, images_of, read_card
from ganzoo.cards.signature import is_untouched, signed
from ganzoo.generators.generator import Generator
from ganzoo.hub.committing import commit
from ganzoo.hub.rounding import Rounding, write_rounded
from ganzoo.hub.space import PushedSpace, push_space
from ganzoo.latent.directions import DIRECTIONS_FILE, VECTORS_FILE, read_file
from ganzoo.models.factory import folder_of
from ganzoo.models.golden import GOLDEN_FILE, write_golden
from ganzoo.models.hub_client import hub_call
from ganzoo.models.hub_names import SCHEME, check_repo
from ganzoo.models.hub_pull import CARD_FILE, check_folder
from ganzoo.models.reference import Name, Published, reference
from ganzoo.models.weights import (
    CONFIG_FILE,
    CONFIG_KEY,
    WEIGHTS_FILE,
    load,
    save,
    stored_digest,
    weights_digest,
)
from ganzoo.system.files import sha256
from ganzoo.system.version import __version__

PICKLES = (".ckpt", ".pickle", ".pkl", ".pt", ".pth")
DTYPES = ("fp32", "fp16")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a model goes, and what goes with it; see `push`.

    Raises:
        ValueError: for what is no repository, or an unknown dtype.
    """

    repo: str
    license: str | None
    lineage: str | None
    private: bool
    revision: str | None
    pr: bool
    dry_run: bool
    endpoint: str | None
    overwrite_card: bool
    dtype: str
    include: Sequence[str]
    space: str | None
    space_package: str | None

    def __post_init__(self) -> None:
        check_repo(self.repo)
        if self.space is not None:
            check_repo(self.space)
        elif self.space_package is not None:
            raise ValueError("--space-package is for a Space: add --space owner/name.")
        if self.space is not None and self.pr:
            raise ValueError(
                "A Space shows what is pushed, and a pull request is not yet: leave out --pr or --space."
            )
        if self.dtype not in DTYPES:
            raise ValueError(f"--dtype is fp32 or fp16; got {self.dtype!r}.")


@dataclass(frozen=True)
class Pushed:
    """What was pushed, or would be.

    Attributes:
        repo: Owner and name.
        files: Paths in the repository, with bytes.
        card: Card as it is there.
        creates: Whether the repository is new.
        drafted: Whether the folder had no card, so that one was drafted.
        rounding: What float16 does to the images, if it was asked for.
        url: Address of the commit, or of the pull request; None for a dry run.
        commit: Its hash.
        changed: Whether the commit changes anything.
        space: The Space that was pushed with it, or would be.
    """

    repo: str
    files: dict[str, int]
    card: str
    creates: bool
    drafted: bool = False
    rounding: Rounding | None = None
    url: str | None = None
    commit: str | None = None
    changed: bool = True
    space: PushedSpace | None = None

    @property
    def name(self) -> str:
        """By which `create` finds it."""
        return f"{SCHEME}{self.repo}" + (f"@{self.commit}" if self.commit else "")


@dataclass
class _Proved:
    """Files that belong in the repository, by their paths there, and their card."""

    files: dict[str, Path] = field(default_factory=dict)
    rounding: Rounding | None = None
    card: str = ""
    drafted: bool = False


def push(
    model: Name,
    repo: str,
    *,
    license: str | None = None,
    lineage: str | None = None,
    private: bool = False,
    revision: str | None = None,
    pr: bool = False,
    dry_run: bool = False,
    endpoint: str | None = None,
    overwrite_card: bool = False,
    dtype: Literal["fp32", "fp16"] = "fp32",
    include: Sequence[str] = (),
    space: str | None = None,
    space_package: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Pushed:
    """Prove a model and upload it in one commit; the repository is made if need be.

    Args:
        model: Folder that holds a generator and, if it has one, its card (of a run, its student's), or the
            name of a published model.
        repo: Owner and name.
        license: License of the weights, as the Hub spells it, instead of the card's.
        lineage: What the weights were made from and by whom: a line for the card.
        private: Whether a new repository is private.
        revision: Branch to push to, made if need be; by default the main one.
        pr: Whether to open a pull request.
        dry_run: Whether to change nothing.
        endpoint: Address of another Hub.
        overwrite_card: Whether to replace a card there that was edited by hand.
        dtype: "fp16" rounds the weights, measures what that does, and says so in the card.
        include: Patterns of other files in the folder, such as exports.
        space: Owner and name of a Space that is to show the model by `ganzoo.demo`; see `push_space`.
        space_package: What the Space installs as ganzoo, as pip writes it (default: the files of this one).
        cache_dir: Where downloaded weights of a published model are kept.

    Raises:
        ValueError: if the folder is not whole or not as it was written, its directions are another model's,
            or neither its card nor the arguments name license and lineage.
        HubError: if the Hub refuses or cannot be reached; only a Space may then be missing beside its model.
    """
    if isinstance(model, torch.nn.Module):
        raise TypeError("push takes the folder of a model: ganzoo.save(module, folder) first.")
    settings = Settings(
        repo=repo, license=license, lineage=lineage, private=private, revision=revision, pr=pr,
        dry_run=dry_run, endpoint=endpoint, overwrite_card=overwrite_card, dtype=dtype, include=include,
        space=space, space_package=space_package,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        staging = Path(temporary)
        folder = _folder(model, staging, repo, cache_dir)
        proved = _prove(folder, staging, settings)
        _add_card(proved, folder, staging, settings)
        return _send(proved, folder, settings)


def _send(proved: _Proved, folder: Path, settings: Settings) -> Pushed:
    """The model, and then its Space if one was asked for; what the Hub would refuse of it is told first."""
    with hub_call(f"{folder} cannot be pushed to {settings.repo}", settings.endpoint):
        planned = _push_space(proved, replace(settings, dry_run=True))
        pushed = _upload(proved, settings)
    if settings.dry_run or planned is None:
        return replace(pushed, space=planned)
    what = f"The model is at {settings.repo}, but its Space cannot be pushed to {settings.space}"
    with hub_call(what, settings.endpoint):
        return replace(pushed, space=_push_space(proved, settings))


def _upload(proved: _Proved, settings: Settings) -> Pushed:
    """One commit of the files, unless there is a card that must not be replaced."""
    done = commit(
        settings.repo, proved.files, proved.card, message=f"Model by ganzoo {__version__}",
        private=settings.private, revision=settings.revision, pr=settings.pr, dry_run=settings.dry_run,
        overwrite_card=settings.overwrite_card, endpoint=settings.endpoint,
    )  # fmt: skip
    return Pushed(
        settings.repo, done.files, proved.card, done.creates, proved.drafted, proved.rounding, done.url,
        done.commit, done.changed,
    )  # fmt: skip


def _push_space(proved: _Proved, settings: Settings) -> PushedSpace | None:
    """The Space that shows the model, if one was asked for."""
    if settings.space is None:
        return None
    return push_space(
        settings.space, settings.repo, revision=settings.revision, package=settings.space_package,
        license=str(read_card(proved.card, "The card").data.get("license")), private=settings.private,
        dry_run=settings.dry_run, overwrite_card=settings.overwrite_card, endpoint=settings.endpoint,
    )  # fmt: skip


def _folder(name: Name, staging: Path, repo: str, cache_dir: str | os.PathLike[str] | None) -> Path:
    """The model's folder; a published model is saved into one, with its card."""
    model = reference(name, cache_dir)
    if not isinstance(model, Published):
        return folder_of(model)
    folder = staging / model.name
    save(model.load(), folder, recipe=model.entry.recipe)
    card = published_card(model.name, repo)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    copy_images(card, folder)
    return folder


def _prove(folder: Path, staging: Path, settings: Settings) -> _Proved:
    """The folder's files, after they were loaded and gave the images that are recorded."""
    generator = load(folder)
    if not isinstance(generator, Generator):
        raise ValueError(f"{folder} holds a discriminator: only generators are pushed.")
    check_folder(folder, generator)
    beside = _directions(folder, generator)
    proved = _Proved({name: folder / name for name in (CONFIG_FILE, WEIGHTS_FILE, GOLDEN_FILE)})
    if settings.dtype == "fp16":
        kept = {key: stored_digest(folder / WEIGHTS_FILE, key) for key in (CONFIG_KEY, "recipe")}
        metadata = {key: value for key, value in kept.items() if value is not None}
        proved.rounding = write_rounded(generator, staging, metadata)
        proved.files |= {name: staging / name for name in (WEIGHTS_FILE, GOLDEN_FILE)}
    elif not (folder / GOLDEN_FILE).is_file():  # `save` records none unless asked
        write_golden(generator, staging / GOLDEN_FILE, weights_digest(generator))
        proved.files[GOLDEN_FILE] = staging / GOLDEN_FILE
    proved.files |= beside
    for pattern in settings.include:
        if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
            raise ValueError(f"--include {pattern!r}: a pattern of files in {folder}, such as '*.onnx'.")
        found = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not found:
            raise ValueError(f"--include {pattern!r}: {folder} holds no such file.")
        for path in found:
            if path.suffix.lower() in PICKLES:
                raise ValueError(f"--include {pattern!r}: {path.name} may run code when it is read.")
            proved.files.setdefault(path.relative_to(folder).as_posix(), path)
    return proved


def _directions(folder: Path, generator: Generator) -> dict[str, Path]:
    """The files of the folder's directions, after they were read and found to be the generator's."""
    if not (folder / DIRECTIONS_FILE).is_file():
        return {}
    read_file(folder).check(generator)
    return {name: folder / name for name in (DIRECTIONS_FILE, VECTORS_FILE)}


def _add_card(proved: _Proved, folder: Path, staging: Path, settings: Settings) -> None:
    """Add the folder's card, or a draft where it has none, and the images that it shows."""
    readme = folder / CARD_FILE
    proved.drafted = not readme.is_file()
    text = folder_card(folder) if proved.drafted else card_text(readme)
    for image in images_of(text, folder):
        proved.files[image] = folder / image
    notes = ""
    if proved.rounding is not None:
        notes = f"## Stored in float16\n\nAgainst the same weights in float32: {proved.rounding}."
    proved.card = card_to_push(
        text,
        f"The card drafted for {folder}" if proved.drafted else str(readme),
        repo=settings.repo,
        license=settings.license,
        lineage=settings.lineage,
        notes=notes,
    )
    if proved.rounding is not None:  # it is another file
        was, untouched = sha256(folder / WEIGHTS_FILE), is_untouched(proved.card)
        text = proved.card.replace(was, sha256(staging / WEIGHTS_FILE))
        proved.card = signed(text) if untouched else text
    (staging / CARD_FILE).write_text(proved.card, encoding="utf-8", newline="")
    proved.files[CARD_FILE] = staging / CARD_FILE
