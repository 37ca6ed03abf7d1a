"""What can be wrong with a model on the Hub, or on the way from it: one line each, and nothing is kept."""

import os
import pickle  # noqa: TID251 - to write one
import shutil
from pathlib import Path

import pytest
import torch
from hub_helpers import NAME, alternating, assert_one_line, cached, contents, edit_config, same_weights
from hub_server import HubServer
from safetensors.torch import load_file, save_file

import ganzoo
from ganzoo.models.golden import GOLDEN_FILE
from ganzoo.models.hub_names import HubName, parse_hub_name
from ganzoo.models.weights import WEIGHTS_FILE


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def generate(run, out, name=NAME):
    return run("generate", name, "--seeds", "0", "--out", out)


LOOK, WEIGHTS = "GET /api/models/me/tiny/revision/.*", f"GET .*/resolve/.*{WEIGHTS_FILE}"
STATUSES = {
    401: ["does not accept your token (401)", "hf auth login"],
    403: ["refuses (403)", "your token lacks the right"],
    404: ["answers 404"],
    409: ["(409)", "Try again"],
    429: ["too many requests (429)", "Wait"],
    500: ["out of order (500)", "Try again later"],
}


@pytest.mark.parametrize(
    ("request_", "status"), alternating((LOOK, WEIGHTS), STATUSES), ids=lambda value: str(value)[-9:]
)
def test_every_refusal_gets_a_line_of_its_own(hub, model, run, out, home, request_, status):
    hub.store.add("me/tiny", contents(model))
    hub.fail(request_, status)
    assert_one_line(generate(run, out), NAME, *STATUSES[status])
    assert WEIGHTS_FILE not in cached(home) and not list(out.glob("*"))
    hub.faults.clear()
    assert generate(run, out)[0] == 0


def test_a_repository_or_revision_that_is_not_there(hub, model, run, out):
    assert_one_line(generate(run, out), f"{NAME} cannot be read", "no such repository", "private")
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out, f"{NAME}@v9"), f"{NAME}@v9", "no such branch, tag, pull request")


@pytest.mark.processes
def test_a_download_that_breaks_off_leaves_nothing_behind_and_is_taken_up_again(
    hub, model, run, out, home, connect, tmp_path
):
    hub.store.add("me/tiny", contents(model))
    hub.fail(WEIGHTS, "cut")
    assert_one_line(generate(run, out), f"{NAME} cannot be downloaded", "cannot be reached, or breaks off")
    assert WEIGHTS_FILE not in cached(home)
    assert_one_line(generate(run, out), f"the cache lacks {WEIGHTS_FILE}")  # half of it is not used
    with HubServer(tmp_path, hub.store) as again:
        connect(again.url)
        assert generate(run, out)[0] == 0
        assert same_weights(ganzoo.create(NAME), model)


def test_a_partial_snapshot_is_noticed(hub, model, run, out, home):
    hub.store.add("me/tiny", contents(model))
    ganzoo.create(NAME)
    [weights] = (home / "hub").rglob(f"snapshots/*/{WEIGHTS_FILE}")
    weights.unlink()
    assert generate(run, out)[0] == 0  # the Hub is there to make it whole
    weights.unlink()
    hub.gone()
    assert_one_line(generate(run, out), NAME, f"the cache lacks {WEIGHTS_FILE}", "cannot be reached")


def test_the_hub_out_of_order_is_no_matter_for_what_is_in_the_cache(hub, model, run, out):
    hub.store.add("me/tiny", contents(model))
    ganzoo.create(NAME)
    hub.fail("GET .*", 500)
    status, _, err = generate(run, out)
    assert status == 0 and "from the cache: the Hub cannot be reached" in err


def test_a_file_with_a_wrong_hash_is_not_read(hub, model, run, out):
    hub.store.add("me/tiny", contents(model))
    data = bytearray((model / WEIGHTS_FILE).read_bytes())
    data[-2] ^= 1
    hub.spoilt[WEIGHTS_FILE] = bytes(data)
    result = generate(run, out)
    assert_one_line(result, NAME, f"{WEIGHTS_FILE} has the sha256", "was not read. Delete ")
    assert_one_line(generate(run, out), "Delete ")  # from the cache no more than from the Hub
    hub.spoilt.clear()
    path = Path(result[2].partition("Delete ")[2].partition(": it will")[0])
    path.unlink()
    assert generate(run, out)[0] == 0


def test_weights_that_were_changed_before_they_came_to_the_hub_are_refused(hub, model, run, out):
    data = bytearray((model / WEIGHTS_FILE).read_bytes())
    data[-2] ^= 1
    hub.store.add("me/tiny", {**contents(model), WEIGHTS_FILE: bytes(data)})
    assert_one_line(generate(run, out), f"{NAME}@", "was changed after it was written")


def test_weights_that_give_other_images_than_recorded_are_refused(hub, model, run, out):
    metadata = {"schema_version": "1"}
    golden = load_file(model / GOLDEN_FILE)
    golden["const.mean"] += 0.1
    from safetensors import safe_open

    with safe_open(model / GOLDEN_FILE, framework="pt") as file:
        metadata = file.metadata()
    save_file(golden, model / GOLDEN_FILE, metadata)
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), f"{NAME}@", "other images than those recorded", "const.mean")


def test_a_golden_file_of_other_weights_proves_nothing(hub, model, run, out, tmp_path):
    other = ganzoo.load(model)
    with torch.no_grad():
        other.synthesis.levels[0].const.mul_(2)
    ganzoo.save(other, tmp_path / "other", golden=True)
    shutil.copy(tmp_path / "other" / GOLDEN_FILE, model)
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), "made of other weights")


def test_a_config_that_was_changed_is_refused(hub, model, run, out):
    edit_config(model, clamp=256.0)
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), "config.json was changed after the weights were written")


CONFIGS = {
    "a class": ({"_target_": "os.system"}, "'_target_'"),
    "a class of a block": ({"upsampler": {"name": "idwt", "_target_": "os.system"}}, "'_target_'"),
    "a module": ({"module": "os"}, "'os'"),
    "no power of two": ({"resolution": 100000}, "power of two"),
    "absurd widths": ({"channels": [10**9] * 4}, "a width in channels"),
    "the largest widths": ({"channels": [8192] * 4}, "its config asks for"),
    "another schema": ({"schema_version": 9}, "has schema_version 9; this ganzoo reads 2"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_is_refused_before_anything_large_is_downloaded(hub, model, run, out, home, case):
    changes, part = CONFIGS[case]
    edit_config(model, **changes)
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), NAME, part)
    assert cached(home) == ["config.json"]


def test_weights_of_another_architecture_are_refused(hub, model, run, out):
    edit_config(model, mapping={"name": "mlp", "depth": 1})
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), f"{NAME}@", "does not fit its config: left over")


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_pickle_that_is_called_safetensors_is_not_run(hub, model, run, out, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    size = (model / WEIGHTS_FILE).stat().st_size
    bomb = pickle.dumps(Bomb())
    hub.store.add("me/tiny", {**contents(model), WEIGHTS_FILE: bomb + bytes(size - len(bomb))})
    assert_one_line(generate(run, out), "is not a whole safetensors file")
    hub.store.add("me/tiny", {WEIGHTS_FILE: bomb})
    assert_one_line(generate(run, out), f"its {WEIGHTS_FILE} has {len(bomb)} bytes", "not downloaded")
    assert not Path("exploded").exists()


def test_a_repository_of_something_else_is_told_apart(hub, run, out, home):
    hub.store.add("me/tiny", {"README.md": b"# Mine\n"})
    assert_one_line(generate(run, out), "is no model of ganzoo", "no config.json and no model.safetensors")
    hub.store.add("me/tiny", {"config.json": b'{"model_type": "bert"}', WEIGHTS_FILE: b"0" * 100})
    assert_one_line(generate(run, out), NAME, "config.json must hold schema_version")
    hub.store.add("me/tiny", {"config.json": b" " * (2 << 20)})
    assert_one_line(generate(run, out), "is no model of ganzoo", "its config.json has more than")
    assert WEIGHTS_FILE not in cached(home)


def test_a_discriminator_makes_no_images(hub, run, out, tmp_path):
    from ganzoo.generators.discriminator import DiscriminatorConfig
    from ganzoo.models.factory import build

    config = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    ganzoo.save(build(DiscriminatorConfig.from_dict(config)), tmp_path / "judge")
    hub.store.add("me/tiny", contents(tmp_path / "judge"))
    assert_one_line(generate(run, out), NAME, "is a discriminator")


def test_a_card_with_broken_metadata_does_not_keep_the_model_from_use(hub, model, run, out):
    (model / "README.md").write_text("no metadata at all")
    hub.store.add("me/tiny", contents(model))
    assert generate(run, out)[0] == 0


def test_a_download_that_lacks_a_file_is_noticed(hub, model, run, out, monkeypatch):
    import huggingface_hub

    hub.store.add("me/tiny", contents(model))
    real = huggingface_hub.hf_hub_download

    def lacking(repo, file, **options):
        return "" if file == WEIGHTS_FILE else real(repo, file, **options)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lacking)
    assert_one_line(generate(run, out), "the download lacks", WEIGHTS_FILE, "Try again")


def test_a_branch_that_moves_meanwhile_is_noticed(hub, model, run, out, monkeypatch):
    import huggingface_hub

    hub.store.add("me/tiny", contents(model))
    real = huggingface_hub.hf_hub_download

    def moved(*args, **kwargs):
        hub.store.add("me/tiny", {"notes.txt": b"new"})
        return real(*args, **kwargs)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", moved)
    assert_one_line(generate(run, out), f"{NAME} changed while it was read", "Try again")


NAMES = ["me", "me/", "/tiny", "me/tiny/x", "me/ti ny", "me/tiny@", "me/tiny@a b", "me/tiny@../x", "../tiny"]
NAMES += ["hf-hub:me/tiny", "https://huggingface.co/me/tiny", "-me/tiny", "me--x/y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_another_form_is_refused_without_asking_the_hub(hub, run, out, name):
    result = generate(run, out, f"hf-hub:{name}")
    assert_one_line(result)
    assert "owner/name" in result[2] or "after the @" in result[2]
    assert not hub.log


def test_a_name_without_scheme_is_told_both_spellings(hub, run, out):
    assert_one_line(generate(run, out, "me/tiny"), "hf-hub:me/tiny", "dir:me/tiny")


def test_names_have_a_repository_and_a_revision():
    assert parse_hub_name("hf-hub:me/my-gan") == HubName("me/my-gan", "main")
    assert parse_hub_name("hf-hub:me/my.gan_2@refs/pr/1") == HubName("me/my.gan_2", "refs/pr/1")
    assert parse_hub_name("hf-hub:me/x@" + "a" * 40).pinned and not parse_hub_name("hf-hub:me/x@v1").pinned


def test_images_that_were_refused_once_are_refused_again(hub, model, run, out):
    (model / GOLDEN_FILE).write_bytes(b"0" * 100)
    commit = hub.store.add("me/tiny", contents(model))
    for name in (NAME, NAME, f"{NAME}@{commit}", f"{NAME}@{commit}"):
        assert_one_line(generate(run, out, name), "is not a whole safetensors file")


def test_images_are_compared_after_a_download_that_broke_off_before_their_record(hub, model, run, out):
    (model / GOLDEN_FILE).write_bytes(b"0" * 100)
    hub.store.add("me/tiny", contents(model))
    hub.fail(f"GET .*/resolve/.*{GOLDEN_FILE}", 500)
    assert_one_line(generate(run, out), "out of order (500)")
    hub.faults.clear()
    assert_one_line(generate(run, out), "is not a whole safetensors file")


def test_a_block_of_absurd_size_is_told_with_the_name_of_its_model(hub, model, run, out, home):
    edit_config(model, mapping={"name": "mlp", "depth": 10**8})
    hub.store.add("me/tiny", contents(model))
    assert_one_line(generate(run, out), f"{NAME} cannot be used: config.json", "depth")
    assert cached(home) == ["config.json"]
