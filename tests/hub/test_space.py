"""Spaces that show a model, to a Hub by the real client."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hub_helpers import assert_one_line, environment
from huggingface_hub import HfApi, SpaceCard

import ganzoo
from ganzoo.hub.push import push
from ganzoo.hub.space import REQUIREMENTS, package_files

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
SPACE = "spaces/me/faces"
OWN = {"README.md", "app.py", "requirements.txt"}


def test_a_space_is_pushed_beside_its_model(hub, model, run):
    status, out, err = run("push", model, "me/tiny", "--space", "me/faces")
    assert (status, err) == (0, "") and "Space http" in out
    files = hub.store.files(SPACE)
    assert files.keys() == {*OWN, *dict(package_files())}
    assert files["ganzoo/demo/page.py"] == (Path(ganzoo.__file__).parent / "demo/page.py").read_bytes()
    assert files["app.py"].decode() == (
        'import ganzoo.demo\n\ndemo = ganzoo.demo.app("hf-hub:me/tiny")\ndemo.launch()\n'
    )
    HfApi().model_info("me/tiny")


def test_the_spaces_card_passes_the_hubs_checks_and_names_its_model(hub, model):
    pushed = push(model, "me/tiny", space="me/faces")
    card = SpaceCard(pushed.space.texts["README.md"])
    card.validate(repo_type="space")
    data = card.data.to_dict()
    assert (data["sdk"], data["app_file"], data["models"]) == ("gradio", "app.py", ["me/tiny"])
    assert (data["title"], data["license"]) == ("faces", "mit")


def test_a_dry_run_shows_the_spaces_files_and_changes_nothing(hub, model, run):
    status, out, _ = run("push", model, "me/tiny", "--space", "me/faces", "--dry-run")
    assert status == 0 and "Would push the Space me/faces (new)" in out
    for line in ("sdk: gradio", 'ganzoo.demo.app("hf-hub:me/tiny")', "torch>=2.6", "files of this package"):
        assert line in out
    assert not hub.store.repos


def test_a_space_may_install_ganzoo_from_elsewhere(hub, model):
    package = "ganzoo-torch @ git+https://git.example/ganzoo"
    pushed = push(model, "me/tiny", space="me/faces", space_package=package, dry_run=True).space
    assert pushed.files.keys() == OWN and package in pushed.texts["requirements.txt"].splitlines()


def test_a_space_that_was_edited_by_hand_is_spared_and_nothing_is_pushed(hub, model, run):
    hub.store.add(SPACE, {"README.md": b"---\nsdk: gradio\nsdk_version: 6.31.0\n---\nMine."})
    arguments = ["push", model, "me/tiny", "--space", "me/faces"]
    assert_one_line(run(*arguments), "edited by hand", "--overwrite-card")
    assert "me/tiny" not in hub.store.repos
    assert run(*arguments, "--overwrite-card")[0] == 0


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--space", "faces"], "owner/name"),
        (["--space", "me/faces", "--pr"], "--pr"),
        (["--space-package", "x"], "add --space"),
    ],
)
def test_a_mistake_is_told_before_anything_is_pushed(hub, model, run, more, part):
    assert_one_line(run("push", model, "me/tiny", *more), part)
    assert not hub.log


def test_a_space_installs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert list(REQUIREMENTS) == project["dependencies"]


def test_a_space_has_neither_weights_of_models_nor_leftovers():
    names = list(dict(package_files()))
    assert not [name for name in names if re.search(r"__pycache__|models/bundled|\.pyc$", name)]
    assert "ganzoo/_data/registry/conv/full.yaml" in names and "ganzoo/latent/directions.py" in names


@pytest.mark.slow
def test_a_spaces_files_alone_run_its_app(hub, model, tmp_path):
    pytest.importorskip("gradio")
    push(model, "me/tiny", space="me/faces")
    space = tmp_path / "space"
    for name, data in hub.store.files(SPACE).items():
        (space / name).parent.mkdir(parents=True, exist_ok=True)
        (space / name).write_bytes(data)
    code = (
        "import app, ganzoo; from gradio_client import Client; c = Client(app.demo.local_url, verbose=False);"
    )
    code += "print(ganzoo.__file__, len(c.predict('0-1', api_name='/draw'))); app.demo.close()"
    app = (space / "app.py").read_text().replace(".launch()", ".launch(prevent_thread_lock=True)")
    (space / "app.py").write_text(app)
    env = environment(hub, tmp_path / "home") | {"PYTHONPATH": str(space), "GRADIO_TEMP_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=space, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{space / 'ganzoo' / '__init__.py'} 2" in done.stdout
    assert str(space) not in ganzoo.__file__
