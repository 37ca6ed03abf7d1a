"""A model's folder to the Hub: proved first, then one commit."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

import torch

from ganzoo.generators.generator import Generator
from ganzoo.hub.readme import card_text, card_to_push, images_of
from ganzoo.hub.rounding import Rounding, write_rounded
from ganzoo.hub.signature import is_untouched
from ganzoo.models.folders import model_folder
from ganzoo.models.golden import GOLDEN_FILE, write_golden
from ganzoo.models.hub_client import HubError, hub_call
from ganzoo.models.hub_names import SCHEME, check_repo
from ganzoo.models.hub_pull import CARD_FILE, check_folder
from ganzoo.models.weights import CONFIG_FILE, CONFIG_KEY, WEIGHTS_FILE, load, stored_digest, weights_digest
from ganzoo.system.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo

PICKLES = (".ckpt", ".pickle", ".pkl", ".pt", ".pth")
DTYPES = ("fp32", "fp16")


@dataclass(frozen=True)
class Pushed:
    """What was pushed, or would be.

    Attributes:
        repo: owner and name.
        files: paths in the repository, with bytes.
        card: as it is there.
        creates: whether the repository is new.
        url: of the commit, or of the pull request; None for a dry run.
        commit: its hash.
        changed: whether the commit changes anything.
        rounding: what float16 does to the images, if it was asked for.
    """

    repo: str
    files: dict[str, int]
    card: str
    creates: bool
    url: str | None = None
    commit: str | None = None
    changed: bool = True
    rounding: Rounding | None = None

    @property
    def name(self) -> str:
        """By which `create` finds it."""
        return f"{SCHEME}{self.repo}" + (f"@{self.commit}" if self.commit else "")


@dataclass
class _Proved:
    """Files that belong in the repository, by their paths there."""

    files: dict[str, Path] = field(default_factory=dict)
    rounding: Rounding | None = None


def push(
    folder: str | os.PathLike[str],
    repo: str,
    *,
    license: str | None = None,
    private: bool = False,
    revision: str | None = None,
    pr: bool = False,
    dry_run: bool = False,
    endpoint: str | None = None,
    overwrite_card: bool = False,
    dtype: Literal["fp32", "fp16"] = "fp32",
    include: Sequence[str] = (),
) -> Pushed:
    """Prove a model's folder and upload it in one commit; the repository is made if need be.

    Args:
        folder: that holds a generator and its card; of a run, its student.
        repo: owner and name.
        license: of the weights, as the Hub spells it, in the place of the card's.
        private: make a private repository.
        revision: branch to push to, made if need be; by default the main one.
        pr: open a pull request.
        dry_run: change nothing.
        endpoint: of the Hub.
        overwrite_card: replace a card there that was edited by hand.
        dtype: "fp16" rounds the weights, measures what that does, and says so in the card.
        include: patterns of other files in the folder, such as exports.

    Raises:
        ValueError: if the folder is not whole or not as it was written, or its card names no license or
            lineage.
        HubError: if the Hub refuses or cannot be reached; nothing was committed then.
    """
    if isinstance(folder, torch.nn.Module):
        raise TypeError("push takes the folder of a model and its card: ganzoo.save(module, folder) first.")
    check_repo(repo)
    folder = model_folder(folder)
    if dtype not in DTYPES:
        raise ValueError(f"--dtype is fp32 or fp16; got {dtype!r}.")
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        staging = Path(temporary)
        proved = _prove(folder, staging, rounded=dtype == "fp16", include=include)
        readme = folder / CARD_FILE
        if not readme.is_file():
            raise ValueError(f"{readme} does not exist: `ganzoo card {folder} --out {folder}` drafts a card.")
        notes = ""
        if proved.rounding is not None:
            notes = f"## Stored in float16\n\nAgainst the same weights in float32: {proved.rounding}."
        text = card_text(readme)
        for image in images_of(text, folder):
            proved.files[image] = folder / image
        card = card_to_push(text, str(readme), license=license, repo=repo, notes=notes)
        (staging / CARD_FILE).write_text(card, encoding="utf-8", newline="")
        proved.files[CARD_FILE] = staging / CARD_FILE
        with hub_call(f"{folder} cannot be pushed to {repo}", endpoint):
            return _upload(
                proved,
                repo,
                card=card,
                private=private,
                revision=revision,
                pr=pr,
                dry_run=dry_run,
                endpoint=endpoint,
                overwrite_card=overwrite_card,
            )


def _prove(folder: Path, staging: Path, *, rounded: bool, include: Sequence[str]) -> _Proved:
    """The folder's files, after they were loaded and gave the images that are recorded."""
    generator = load(folder)
    if not isinstance(generator, Generator):
        raise ValueError(f"{folder} holds a discriminator: only generators are pushed.")
    check_folder(folder, generator)
    proved = _Proved({name: folder / name for name in (CONFIG_FILE, WEIGHTS_FILE, GOLDEN_FILE)})
    if rounded:
        kept = {key: stored_digest(folder / WEIGHTS_FILE, key) for key in (CONFIG_KEY, "recipe")}
        metadata = {key: value for key, value in kept.items() if value is not None}
        proved.rounding = write_rounded(generator, staging, metadata)
        proved.files |= {name: staging / name for name in (WEIGHTS_FILE, GOLDEN_FILE)}
    elif not (folder / GOLDEN_FILE).is_file():  # saved before there were any
        write_golden(generator, staging / GOLDEN_FILE, weights_digest(generator))
        proved.files[GOLDEN_FILE] = staging / GOLDEN_FILE
    for pattern in include:
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


def _upload(
    proved: _Proved,
    repo: str,
    *,
    card: str,
    private: bool,
    revision: str | None,
    pr: bool,
    dry_run: bool,
    endpoint: str | None,
    overwrite_card: bool,
) -> Pushed:
    """One commit of the files, unless there is a card that must not be replaced."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint, library_name="ganzoo", library_version=__version__)
    main, head = _heads(api, repo, revision)
    if main is not None and private and not main.private:
        raise HubError(f"{repo} is public: choose another name, or make it private on its page first.")
    if head is not None and not overwrite_card:
        _spare_card(api, repo, head, card)
    sizes = {name: path.stat().st_size for name, path in sorted(proved.files.items())}
    pushed = Pushed(repo, sizes, card, creates=main is None, rounding=proved.rounding)
    if dry_run:
        return pushed
    if main is None:
        api.create_repo(repo, private=private or None, exist_ok=True)
    if revision is not None and (head is None or head is main):
        api.create_branch(repo, branch=revision, exist_ok=True)
    done = api.create_commit(
        repo,
        [CommitOperationAdd(name, str(path)) for name, path in sorted(proved.files.items())],
        commit_message=f"Model by ganzoo {__version__}",
        revision=revision,
        create_pr=pr,
        parent_commit=head.sha if head is not None else None,
    )
    return Pushed(
        repo,
        sizes,
        card,
        creates=main is None,
        url=done.pr_url or done.commit_url,
        commit=done.oid,
        changed=head is None or done.oid != head.sha,
        rounding=proved.rounding,
    )


def _heads(api: "HfApi", repo: str, revision: str | None) -> "tuple[ModelInfo | None, ModelInfo | None]":
    """The repository as it is, and the commit that is pushed upon; None for what does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        main = api.model_info(repo)
    except RepositoryNotFoundError:
        return None, None
    if revision is None:
        return main, main
    try:
        return main, api.model_info(repo, revision=revision)
    except RevisionNotFoundError:
        return main, main


def _spare_card(api: "HfApi", repo: str, head: "ModelInfo", card: str) -> None:
    """Raise HubError if the card there was edited by hand, and is not the one that is pushed."""
    if all(file.rfilename != CARD_FILE for file in head.siblings or []):
        return
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        path = api.hf_hub_download(repo, CARD_FILE, revision=head.sha, local_dir=temporary)
        there = Path(path).read_text(encoding="utf-8", errors="replace")
    if there != card and not is_untouched(there):
        raise HubError(
            f"{repo} has a card that was edited by hand. Put it into the folder, or add --overwrite-card to "
            "replace it. Nothing was changed."
        )
