"""Names of models on the Hub: `hf-hub:owner/name`, and a branch, tag, pull request or commit after an @."""

import re
from dataclasses import dataclass

SCHEME = "hf-hub:"
_PART = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_PART}/{_PART}", re.ASCII)
_REVISION = re.compile(r"[\w./+-]+", re.ASCII)
_LONGEST = 2 * 96 + 1
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """A repository of the Hub and a revision of it.

    Attributes:
        repo: Owner and name.
        revision: Branch, tag, `refs/pr/1` or commit.
    """

    repo: str
    revision: str = "main"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a whole commit hash, which never comes to mean something else."""
        return _COMMIT.fullmatch(self.revision) is not None

    def at(self, commit: str) -> str:
        """The name of that commit."""
        return f"{SCHEME}{self.repo}@{commit}"


def is_hub_name(name: str) -> bool:
    """Whether a name asks for the Hub."""
    return name.startswith(SCHEME)


def parse_hub_name(name: str) -> HubName:
    """The repository and revision that a name stands for.

    Raises:
        ValueError: if it is not of the form `hf-hub:owner/name@revision`.
    """
    repo, at, revision = name.removeprefix(SCHEME).partition("@")
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise ValueError(
            f"{name!r}: after the @ stands a branch, tag, refs/pr/NUMBER or commit, such as "
            f"hf-hub:{repo}@main."
        )
    return HubName(check_repo(repo), revision or "main")


def check_repo(repo: str) -> str:
    """The repository's name as it is.

    Raises:
        ValueError: if it is not of the form `owner/name`.
    """
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo or len(repo) > _LONGEST:
        scheme = f" Here without {SCHEME}" if repo.startswith(SCHEME) else ""
        raise ValueError(f"A repository of the Hub is owner/name, such as me/my-gan; got {repo!r}.{scheme}")
    return repo
