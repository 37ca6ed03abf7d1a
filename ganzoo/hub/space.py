"""`push_space`: a Space of the Hub that shows a model by `ganzoo.demo`.

ganzoo is on no package index yet, and a Space installs its requirements before it has its own files. So the
package's files lie in the Space, beside the app that imports them, unless a requirement is named instead.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ganzoo.cards.signature import signed
from ganzoo.hub.committing import SPACE_SDK, Commit, commit
from ganzoo.models.hub_names import SCHEME
from ganzoo.models.hub_pull import CARD_FILE
from ganzoo.system.paths import DATA
from ganzoo.system.version import __version__

APP_FILE, REQUIREMENTS_FILE = "app.py", "requirements.txt"
SDK_VERSION = "6.31.0"  # of Gradio, with which the demo was tested
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
# What pyproject.toml asks for; a test compares.
REQUIREMENTS = (
    "torch>=2.6", "timm>=1.0", "hydra-core>=1.3.8,<1.4", "omegaconf>=2.3", "pyyaml>=6.0",
    "safetensors>=0.4.5", "huggingface-hub>=1.0,<3", "filelock>=3.12", "einops>=0.8", "jinja2>=3.1",
    "numpy>=1.26", "pillow>=10.1", "typer>=0.15", "rich>=13",
)  # fmt: skip
ENGINE = "openvino>=2025.0"  # a third to a half of PyTorch's time on a CPU (docs/benchmarks.md)
_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("registry", "recipes")  # of the data: a Space shows no cards of published models
_LEFT_OUT = ("__pycache__", "_data", "models/bundled")  # of the package: a Space has one model, from the Hub
_LONGEST = 60  # of a short description


@dataclass(frozen=True, kw_only=True)
class PushedSpace(Commit):
    """A Space that was pushed, or would be.

    Attributes:
        repo: Owner and name.
        texts: Contents of its own files: card, app, requirements.
    """

    repo: str
    texts: dict[str, str]


def push_space(
    repo: str,
    model: str,
    *,
    license: str,
    revision: str | None = None,
    package: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    overwrite_card: bool = False,
    endpoint: str | None = None,
) -> PushedSpace:
    """Upload a Space in one commit; it is made if it does not exist.

    Args:
        repo: Owner and name of the Space.
        model: Owner and name of the model that it shows.
        license: License of the model.
        revision: Branch of the model; by default the main one.
        package: Requirement that installs ganzoo, such as a git address (default: this package's files).
        private: Whether a new Space is private.
        dry_run: Whether to change nothing.
        overwrite_card: Whether to replace a card there that was edited by hand.
        endpoint: Address of another Hub.

    Raises:
        HubError: if a card there was edited by hand, or a public Space is to be private.
    """
    texts = space_texts(repo, model, license=license, revision=revision, package=package)
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as temporary:
        files = {} if package is not None else dict(package_files())
        for name, text in texts.items():
            files[name] = Path(temporary, name)
            files[name].write_text(text, encoding="utf-8", newline="")
        done = commit(
            repo, files, texts[CARD_FILE], message=f"Demo by ganzoo {__version__}", kind="space",
            private=private, dry_run=dry_run, overwrite_card=overwrite_card, endpoint=endpoint,
        )  # fmt: skip
    return PushedSpace(**vars(done), repo=repo, texts=texts)


def space_texts(
    repo: str, model: str, *, license: str, revision: str | None = None, package: str | None = None
) -> dict[str, str]:
    """The Space's own files by their names; the arguments are those of `push_space`."""
    from huggingface_hub import SpaceCardData

    name = f"{SCHEME}{model}" + (f"@{revision}" if revision else "")
    title = repo.partition("/")[2]
    data = SpaceCardData(
        title=title, emoji="🎭", colorFrom="indigo", colorTo="pink", sdk=SPACE_SDK, sdk_version=SDK_VERSION,
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}", app_file=APP_FILE,
        license=license, models=[model], tags=["ganzoo", "gan"], pinned=False,
        short_description=f"Images of {model.partition('/')[2]}, mixed and edited"[:_LONGEST],
    )  # fmt: skip
    card = (
        f"---\n{data.to_yaml()}\n---\n\n# {title}\n\nImages of [{model}](https://huggingface.co/{model}), "
        f"drawn, mixed, edited and projected by the demo of ganzoo {__version__}. License and lineage of the "
        "weights are on the model's card.\n"
    )
    lines = [f"--extra-index-url {CPU_WHEELS}", *REQUIREMENTS, ENGINE]
    if package is not None:
        lines = [*lines[:1], package, ENGINE]
    app = f'import ganzoo.demo\n\ndemo = ganzoo.demo.app("{name}")\ndemo.launch()\n'
    return {CARD_FILE: signed(card), APP_FILE: app, REQUIREMENTS_FILE: "\n".join(lines) + "\n"}


def package_files() -> Iterator[tuple[str, Path]]:
    """The package's files by their paths in a Space, without the weights of published models."""
    for root, place in ((_PACKAGE, "ganzoo"), *((DATA / one, f"ganzoo/_data/{one}") for one in _FOLDERS)):
        for path in sorted(root.rglob("*")):
            inside = path.relative_to(root)
            skipped = root == _PACKAGE and any(inside.is_relative_to(one) for one in _LEFT_OUT)
            if path.is_file() and not skipped and "__pycache__" not in inside.parts:
                yield f"{place}/{inside.as_posix()}", path
