"""Models to a Hub and back, by the real client."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from helpers import tiny, trained
from hub_helpers import (
    NAME,
    assert_one_line,
    cached,
    contents,
    environment,
    finished,
    make_images,
    pull_without_root_rights,
    pulling,
    same_weights,
)
from huggingface_hub import HfApi, constants

import ganzoo
import ganzoo.runtimes
from ganzoo.hub.push import push
from ganzoo.models.factory import config_of
from ganzoo.models.hub_pull import locate

ONCE = ["GET /api/models/me/tiny/revision/main"]
FILES = {"README.md", "config.json", "golden.safetensors", "model.safetensors"}


def asked(hub):
    """Questions what the model's name stands for."""
    return [line for line in hub.log if line.startswith("GET /api/models/me/tiny")]


def image_hash(folder):
    return hashlib.sha256(make_images(ganzoo.load(folder)).numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("xet", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["LFS", "Xet"])
@pytest.mark.processes
def test_a_pushed_model_gives_the_same_images_in_a_new_process(hub, model, run, tmp_path, monkeypatch, xet):
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not xet)
    status, out, err = run("push", model, "me/tiny")
    commit = hub.store.resolve("me/tiny", "main")
    assert (status, err) == (0, "")
    assert f"{hub.url}/me/tiny/commit/{commit}: 4 files" in out and f"ganzoo generate {NAME}@{commit}" in out
    assert any("xet-write-token" in line for line in hub.log) == xet
    assert any(line.startswith("PUT ") for line in hub.log) == (not xet)
    assert hub.store.files("me/tiny").keys() == FILES
    assert hub.store.files("me/tiny")["model.safetensors"] == (model / "model.safetensors").read_bytes()

    env = environment(hub, tmp_path / "elsewhere", xet=xet)
    status, printed, err = finished(pulling(tmp_path / "said", NAME, env))
    assert status == 0, err
    assert printed == image_hash(model)
    assert err == f"{NAME} is commit {commit}; {NAME}@{commit} will always be this one\n"
    assert any("xet-read-token" in line for line in hub.log) == xet


@pytest.mark.parametrize("channels", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_models_of_grey_and_rgba_images_are_pushed_and_pulled(hub, run, tmp_path, channels):
    model = tmp_path / "model"
    ganzoo.save(trained(tiny(img_channels=channels)), model)
    card = ["card", model, "--license=mit", "--lineage=Drawn from a seed.", "--samples", "--out", model]
    for command in (card, ["push", model, "me/tiny"]):
        status, _, err = run(*command)
        assert status == 0, err
    assert torch.equal(make_images(ganzoo.create(NAME)), make_images(ganzoo.load(model)))


@pytest.mark.parametrize(
    "command",
    [
        ["generate", NAME, "--seeds=0", "--runtime=openvino", "--noise=random"],
        ["compare", NAME, NAME, "--seeds=0", "--features=none", "--runs=1"],
    ],
    ids=["generate", "compare"],
)
def test_a_cache_of_ones_own_holds_all_that_is_fetched_and_the_hub_is_asked_once(
    hub, model, run, tmp_path, command
):
    hub.store.add("me/tiny", contents(model))
    own = tmp_path / "own"
    status, _, err = run(*command, f"--cache-dir={own}", f"--out={tmp_path / 'out.html'}")
    assert status == 0, err
    assert asked(hub) == ONCE
    assert list(own.glob("models--me--tiny/snapshots/*/model.safetensors"))
    assert not (tmp_path / "home" / "hub").exists()


def test_a_model_on_the_hub_runs_in_another_engine(hub, model, tmp_path):
    hub.store.add("me/tiny", contents(model))
    engine = ganzoo.runtimes.load(NAME, "openvino", cache_dir=tmp_path / "cache")
    z = engine.sample_z(1)
    with torch.no_grad():
        torch.testing.assert_close(engine(z), ganzoo.load(model)(z), rtol=0, atol=1e-4)
    assert [path.name[:9] for path in (tmp_path / "cache" / "exports").iterdir()] == ["openvino-"]


COMMANDS = {
    "generate": ["generate", NAME, "--seeds=0"],
    "info": ["info", NAME],
    "verify": ["verify", NAME],
    "eval": ["eval", NAME, "--teacher=mobilestylegan_ffhq_64_lite", "--metrics=l1", "--num=2"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_once_what_a_name_stands_for(hub, model, run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    hub.store.add("me/tiny", contents(model))
    result = run(*COMMANDS[command])
    assert asked(hub) == ONCE, result


@pytest.mark.processes
def test_two_processes_pull_the_same_model_at_once(hub, model, tmp_path):
    hub.store.add("me/tiny", contents(model))
    env = environment(hub, tmp_path / "elsewhere")
    both = [pulling(tmp_path / f"said{i}", NAME, env) for i in range(2)]
    results = [finished(process) for process in both]
    assert [status for status, _, _ in results] == [0, 0], results
    assert {printed for _, printed, _ in results} == {image_hash(model)}
    assert set(cached(tmp_path / "elsewhere")) == FILES
    assert not list((tmp_path / "elsewhere").rglob("*.incomplete"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="root's rights are dropped by Linux's means")
@pytest.mark.processes
def test_a_cache_that_is_read_only_serves_what_it_has_and_says_what_it_lacks(hub, model, tmp_path):
    commit = hub.store.add("me/tiny", contents(model))
    home, empty = tmp_path / "elsewhere", tmp_path / "empty"
    assert finished(pulling(tmp_path / "said", NAME, environment(hub, home)))[0] == 0
    empty.mkdir()
    folders = [path for path in [empty, home, *home.rglob("*")] if path.is_dir() and not path.is_symlink()]
    for path in folders:
        path.chmod(0o555)
    try:
        lacking = {**environment(hub, home), "HF_HUB_CACHE": str(empty)}
        both = [
            pulling(tmp_path / f"said{i}", NAME, env, pull_without_root_rights)
            for i, env in enumerate((environment(hub, home), lacking))
        ]
        (status, printed, err), (failed, _, complaint) = map(finished, both)
        assert status == 0, err
        assert printed == image_hash(model) and f"is commit {commit}" in err
        assert failed == 1 and f"{NAME} cannot be read: {empty}" in complaint
        assert "cannot be written: Permission denied" in complaint and not list(empty.iterdir())
    finally:
        for path in folders:
            path.chmod(0o755)


def test_tags_branches_and_pull_requests_name_their_own_commits(hub, model, run):
    assert run("push", model, "me/tiny")[0] == 0
    HfApi().create_tag("me/tiny", tag="v1")
    other = ganzoo.load(model)
    with torch.no_grad():
        other.synthesis.levels[0].const.mul_(2)
    later = Path(shutil.copytree(model, model.parent / "later"))
    ganzoo.save(other, later)
    assert run("push", later, "me/tiny", "--revision", "experiment/two")[0] == 0
    status, out, _ = run("push", later, "me/tiny", "--pr")
    assert status == 0 and f"{hub.url}/me/tiny/discussions/1: " in out

    for revision in ("main", "v1", hub.store.resolve("me/tiny", "main")):
        assert same_weights(ganzoo.create(f"{NAME}@{revision}"), model)
    for revision in ("experiment/two", "refs/pr/1"):
        assert same_weights(ganzoo.create(f"{NAME}@{revision}"), later)
    assert run("push", later, "me/tiny")[0] == 0
    assert same_weights(ganzoo.create(NAME), later) and same_weights(ganzoo.create(f"{NAME}@v1"), model)


def test_a_private_model_is_there_for_its_owner_alone(hub, model, run, stranger, monkeypatch):
    assert_one_line(run("push", model, "me/tiny", "--private"), "token", "(401)", "hf auth login")
    assert "me/tiny" not in hub.store.repos
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert run("push", model, "me/tiny", "--private")[0] == 0
    assert hub.store.repos["me/tiny"]["private"] is True
    assert same_weights(ganzoo.create(NAME), model)
    assert NAME in run("list", "--hub", "me")[1]
    monkeypatch.setenv("HF_TOKEN", "")
    shutil.rmtree(constants.HF_HUB_CACHE)
    assert_one_line(run("generate", NAME), f"{NAME} cannot be read", "private", "hf auth login")
    assert_one_line(run("list", "--hub", "me"), "no model of ganzoo by 'me'")


def test_a_gated_model_asks_for_consent(hub, model, run, stranger, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    hub.store.add("me/tiny", contents(model))
    hub.store.repos["me/tiny"]["gated"] = True
    assert same_weights(ganzoo.create(NAME), model)
    monkeypatch.setenv("HF_TOKEN", "")
    shutil.rmtree(constants.HF_HUB_CACHE)
    assert_one_line(run("generate", NAME), "consent", "hf auth login")


def test_what_is_in_the_cache_needs_no_hub(hub, model, run, capsys):
    commit = hub.store.add("me/tiny", contents(model))
    ganzoo.create(NAME)
    requests = len(hub.log)
    ganzoo.create(f"{NAME}@{commit}")
    assert len(hub.log) == requests  # a commit never changes: there is nothing to ask
    hub.gone()
    capsys.readouterr()
    assert same_weights(ganzoo.create(NAME), model)
    assert "from the cache: the Hub cannot be reached" in capsys.readouterr().err
    assert config_of(NAME) == ganzoo.load(model).config
    for command in ("info", "generate"):
        result = run(command, "hf-hub:me/other")
        assert_one_line(result, "hf-hub:me/other cannot be read", "cannot be reached")
        assert "Without a network: mobilestylegan_ffhq_64_lite" in result[2]


def test_nothing_is_asked_when_the_client_is_told_to_be_offline(hub, model, run, monkeypatch):
    hub.store.add("me/tiny", contents(model))
    ganzoo.create(NAME)
    hub.log.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert same_weights(ganzoo.create(NAME), model)
    assert_one_line(run("generate", "hf-hub:me/other"), "HF_HUB_OFFLINE is set")
    assert_one_line(run("push", model, "me/tiny"), "HF_HUB_OFFLINE is set")
    assert not hub.log


def test_options_are_frozen(run):
    # Scripts rely on these names: a change here is a change for users.
    options = {
        "push": ["--license", "--private", "--revision", "--pr", "--dtype", "--include", "--overwrite-card",
                 "--dry-run", "--endpoint", "--cache-dir"],
        "card": ["--out", "--records", "--license", "--lineage", "--samples"],
        "list": ["--hub", "--tag"],
    }  # fmt: skip
    for command, names in options.items():
        text = run(command, "--help")[1]
        assert [name for name in names if name not in text] == []


def test_every_command_takes_a_name_of_the_hub(hub, model, run, tmp_path):
    commit = hub.store.add("me/tiny", contents(model))
    status, out, _ = run("info", NAME, "--json")
    assert status == 0 and json.loads(out)["config"]["resolution"] == 64
    assert cached(tmp_path / "home") == ["config.json"]  # nothing large for a look
    status, out, err = run("verify", f"{NAME}@{commit}")
    assert status == 0 and "as it was written" in out and "images: those recorded in" in out
    assert f"is commit {commit}" in err
    status, out, _ = run("generate", NAME, "--seeds", "0-1", "--out", tmp_path / "out")
    assert status == 0 and "2 images" in out


def test_a_student_is_distilled_from_a_teacher_on_the_hub(hub, model, tmp_path):
    from ganzoo.training.compose import plan

    hub.store.add("me/tiny", contents(model))
    [job] = plan("mobilestylegan", [f"teacher={NAME}@main", "resolution=32"]).jobs
    assert job.data["teacher"] == f"{NAME}@main"
    with pytest.raises(ValueError, match="no such branch"):
        plan("mobilestylegan", [f"teacher={NAME}@v9", "resolution=32"])


def test_images_of_a_model_on_the_hub_are_measured(hub, model, tmp_path):
    from ganzoo.metrics.opening import open_samples
    from ganzoo.metrics.sampling import Sampling

    hub.store.add("me/tiny", contents(model))
    samples = open_samples(NAME, Sampling(num=2, seed=0), device="cpu", cache_dir=tmp_path / "own")
    assert samples.protocol["sha256"] and list((tmp_path / "own").glob("models--me--tiny"))


def test_the_hub_is_listed_by_owner_name_and_tag(hub, model, run):
    hub.store.add("me/tiny", contents(model))
    hub.store.add("me/strange", {"README.md": b"---\nlibrary_name: other\n---\n"})
    hub.store.add("you/faces", {"README.md": b"---\nlicense: mit\ntags: [ganzoo, faces]\n---\n"})
    status, out, _ = run("list", "--hub", "me")
    assert status == 0 and NAME in out and "mit" in out and "strange" not in out and "you/" not in out
    assert "hf-hub:you/faces" in run("list", "--hub", "*", "--tag", "faces")[1]
    [found] = json.loads(run("list", "f*", "--hub", "*", "--json")[1])
    assert found["name"] == "hf-hub:you/faces" and found["commit"] == hub.store.resolve("you/faces", "main")
    assert_one_line(run("list", "--hub", "me", "--tag", "faces"), "no model of ganzoo by 'me'")
    assert_one_line(run("list", "--tag", "faces"), "--hub OWNER")


def test_a_card_with_odd_metadata_does_not_keep_the_hub_from_being_listed(hub, run):
    card = b"---\nlicense: mit\ntags: [ganzoo]\nbase_model: [1, 2]\n---\n"
    hub.store.add("me/odd", {"README.md": card})
    status, out, _ = run("list", "--hub", "me")
    assert status == 0 and "hf-hub:me/odd" in out and "1, 2" in out


def test_half_the_size_is_had_at_a_price_that_is_told(hub, model, run):
    status, out, _ = run("push", model, "me/tiny", "--dtype", "fp16")
    assert status == 0 and "float16 against float32: largest difference" in out
    there = hub.store.files("me/tiny")
    size = (model / "model.safetensors").stat().st_size
    assert size * 0.45 < len(there["model.safetensors"]) < size * 0.6
    card = there["README.md"].decode()
    assert "## Stored in float16" in card and out.splitlines()[0].partition(": ")[2] in card
    loaded, original = ganzoo.create(NAME), ganzoo.load(model)  # its own golden images were checked
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, original.state_dict()[name].half().float())


def test_a_dry_run_changes_nothing(hub, model, run):
    before = contents(model)
    status, out, _ = run("push", model, "me/tiny", "--private", "--dry-run")
    assert status == 0 and "Would push to me/tiny (new, private): 4 files" in out
    assert all(f"  {name}: " in out for name in FILES)
    assert not hub.store.repos and contents(model) == before
    assert all(line.startswith("GET ") for line in hub.log)


def test_pushing_the_same_again_makes_no_commit(hub, model, run):
    commit = push(model, "me/tiny").commit
    status, out, _ = run("push", model, "me/tiny")
    assert status == 0 and out == f"me/tiny has all of this already: {commit}\n"


def test_another_endpoint_may_be_named(hub, model, run, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert run("push", model, "me/tiny", "--endpoint", hub.url)[0] == 0
    assert "me/tiny" in hub.store.repos


def test_exports_go_along_where_they_are_asked_for(hub, model, run):
    (model / "exports").mkdir()
    (model / "exports" / "deployed.onnx").write_bytes(b"onnx")
    (model / "notes.txt").write_text("mine")
    assert run("push", model, "me/tiny", "--include", "exports/*.onnx")[0] == 0
    assert hub.store.files("me/tiny").keys() == {*FILES, "exports/deployed.onnx"}
    ganzoo.create(NAME)
    assert cached(Path(constants.HF_HUB_CACHE).parent) == sorted(FILES)  # what create needs, no more


def test_a_model_is_pushed_from_python(hub, model):
    pushed = ganzoo.push(str(model), "me/tiny", license="apache-2.0")
    assert pushed.commit == hub.store.resolve("me/tiny", "main") and pushed.creates
    assert "license: apache-2.0" in hub.store.files("me/tiny")["README.md"].decode()
    with pytest.raises(TypeError, match="save"):
        ganzoo.push(ganzoo.load(model), "me/tiny")


def test_overrides_that_the_weights_do_not_fit_are_refused_before_the_download(hub, model, tmp_path):
    hub.store.add("me/tiny", contents(model))
    with pytest.raises(ValueError, match="do not fit these overrides: resolution is 64, not 128"):
        ganzoo.create(NAME, resolution=128, channels=[8, 8, 8, 8, 8])
    assert cached(tmp_path / "home") == ["config.json"]
    assert ganzoo.create(NAME, pretrained=False).resolution == 64


def test_the_commit_is_known_before_the_weights_are_here(hub, model):
    commit = hub.store.add("me/tiny", contents(model))
    remote = locate(NAME)
    assert remote.commit == commit and remote.config == ganzoo.load(model).config and not remote.offline
