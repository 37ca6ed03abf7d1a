"""Files to a repository of the Hub in one commit, unless a card there was edited by hand."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ganzoo.cards.signature import is_untouched
from ganzoo.models.hub_client import HubError
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.system.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SPACE_SDK = "gradio"


@dataclass(frozen=True)
class Commit:
    """What was committed, or would be.

    Attributes:
        files: Paths in the repository, with bytes.
        creates: Whether the repository is new.
        url: Address of the commit, or of the pull request; None for a dry run.
        commit: Its hash.
        changed: Whether the commit changes anything.
    """

    files: dict[str, int]
    creates: bool
    url: str | None = None
    commit: str | None = None
    changed: bool = True


def commit(
    repo: str,
    files: Mapping[str, Path],
    card: str,
    *,
    message: str,
    kind: Literal["model", "space"] = "model",
    private: bool = False,
    revision: str | None = None,
    pr: bool = False,
    dry_run: bool = False,
    overwrite_card: bool = False,
    endpoint: str | None = None,
) -> Commit:
    """Commit files; the repository is made if it does not exist.

    Args:
        repo: Owner and name.
        files: Files by their paths in the repository, the card among them.
        card: Text of the card.
        message: Title of the commit.
        kind: What the repository is.
        private: Whether a new repository is private.
        revision: Branch, made if it does not exist; by default the main one.
        pr: Whether to open a pull request.
        dry_run: Whether to change nothing.
        overwrite_card: Whether to replace a card there that was edited by hand.
        endpoint: Address of another Hub.

    Raises:
        HubError: if a card there was edited by hand, or a public repository is to be private.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=endpoint, library_name="ganzoo", library_version=__version__)
    main, head = _heads(api, repo, revision, kind)
    if main is not None and private and not main.private:
        raise HubError(f"{repo} is public: choose another name, or make it private on its page first.")
    if head is not None and not overwrite_card:
        _spare_card(api, repo, head, card, kind)
    sizes = {name: path.stat().st_size for name, path in sorted(files.items())}
    told = Commit(sizes, main is None)
    if dry_run:
        return told
    if main is None:
        sdk = SPACE_SDK if kind == "space" else None
        api.create_repo(repo, repo_type=kind, space_sdk=sdk, private=private or None, exist_ok=True)
    if revision is not None and (head is None or head is main):
        api.create_branch(repo, branch=revision, repo_type=kind, exist_ok=True)
    done = api.create_commit(
        repo,
        [CommitOperationAdd(name, str(path)) for name, path in sorted(files.items())],
        commit_message=message,
        repo_type=kind,
        revision=revision,
        create_pr=pr,
        parent_commit=head.sha if head is not None else None,
    )
    changed = head is None or done.oid != head.sha
    return replace(told, url=done.pr_url or done.commit_url, commit=done.oid, changed=changed)


def _heads(api: "HfApi", repo: str, revision: str | None, kind: str) -> tuple[Any, Any]:
    """The repository as it is, and the commit that is built upon; None for what does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        main = api.repo_info(repo, repo_type=kind)
    except RepositoryNotFoundError:
        return None, None
    if revision is None:
        return main, main
    try:
        return main, api.repo_info(repo, revision=revision, repo_type=kind)
    except RevisionNotFoundError:
        return main, main


def _spare_card(api: "HfApi", repo: str, head: Any, card: str, kind: str) -> None:
    """Raise HubError if the card there was edited by hand, and is not the one that is pushed."""
    if all(file.rfilename != CARD_FILE for file in head.siblings or []):
        return
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        path = api.hf_hub_download(repo, CARD_FILE, repo_type=kind, revision=head.sha, local_dir=temporary)
        there = Path(path).read_text(encoding="utf-8", errors="replace")
    if there != card and not is_untouched(there):
        raise HubError(
            f"{repo} has a card that was edited by hand. Put it into the folder, or add --overwrite-card to "
            "replace it. Nothing was changed."
        )
