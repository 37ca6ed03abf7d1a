"""What keeps a model from the Hub: one line each, and the Hub stays as it was."""

import hashlib
import json
import shutil

import pytest
import torch
from covering import thinned
from hub_helpers import NAME, alternating, assert_one_line, contents, edit_config, same_weights
from hub_server import HubServer
from safetensors.torch import load_file, save_file

import ganzoo
from ganzoo.cards.signature import is_untouched
from ganzoo.hub.push import push
from ganzoo.models.golden import GOLDEN_FILE
from ganzoo.models.weights import WEIGHTS_FILE

LFS = "PUT .*/info/lfs/objects/.*"
COMMIT = "POST .*/commit/main"


def digest(folder):
    """The hash of the weights' file."""
    return hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()


def commits(hub, repo="me/tiny"):
    return len(hub.store.repos[repo]["commits"])


STATUSES = {
    401: ["does not accept your token (401)", "hf auth login"],
    403: ["refuses (403)", "your token lacks the right"],
    404: ["answers 404"],
    409: ["(409)", "Try again"],
    412: ["(412)", "Try again"],
    429: ["too many requests (429)", "Wait"],
    500: ["out of order (500)", "Try again later"],
}


@pytest.mark.parametrize(("request_", "status"), alternating((LFS, COMMIT), STATUSES), ids=str)
def test_every_refusal_gets_a_line_of_its_own(hub, model, run, request_, status):
    hub.store.create("me/tiny")
    hub.fail(request_, status)
    assert_one_line(run("push", model, "me/tiny"), "cannot be pushed to me/tiny", *STATUSES[status])
    assert commits(hub) == 1 and not hub.store.files("me/tiny")
    hub.faults.clear()
    assert run("push", model, "me/tiny")[0] == 0


@pytest.mark.parametrize("status", thinned([401, 403, 429, 500], [401, 500]))
def test_a_repository_that_cannot_be_made(hub, model, run, status):
    hub.fail("POST /api/repos/create", status)
    assert_one_line(run("push", model, "me/tiny"), *STATUSES[status])
    assert not hub.store.repos


@pytest.mark.parametrize(
    "request_", [pytest.param(LFS, marks=pytest.mark.slow), COMMIT], ids=["upload", "commit"]
)
def test_a_hub_that_is_gone_in_the_middle_has_no_half_of_a_model(
    hub, model, run, request_, connect, tmp_path
):
    hub.fail(request_, "cut")
    assert_one_line(run("push", model, "me/tiny"), "cannot be reached, or breaks off", "Try again later")
    assert commits(hub) == 1 and not hub.store.files("me/tiny")
    with HubServer(tmp_path, hub.store) as again:
        connect(again.url)
        assert run("push", model, "me/tiny")[0] == 0
        assert same_weights(ganzoo.create(NAME), model)


def test_an_old_model_stays_whole_when_a_push_over_it_fails(hub, model, run):
    hub.store.add("me/tiny", contents(model))
    before = hub.store.files("me/tiny")
    other = ganzoo.load(model)
    with torch.no_grad():
        other.synthesis.levels[0].const.mul_(2)
    ganzoo.save(other, model)
    hub.fail(COMMIT, 500)
    assert run("push", model, "me/tiny")[0] == 2
    assert hub.store.files("me/tiny") == before


def test_somebody_elses_commit_meanwhile_is_not_lost(hub, model, run, monkeypatch):
    from huggingface_hub import HfApi

    hub.store.add("me/tiny", contents(model))
    (model / "notes.txt").write_text("new")
    real = HfApi.create_commit

    def later(self, *args, **kwargs):
        hub.store.add("me/tiny", {"README.md": b"---\nlicense: mit\n---\nTheirs\n"})
        return real(self, *args, **kwargs)

    monkeypatch.setattr(HfApi, "create_commit", later)
    assert_one_line(run("push", model, "me/tiny", "--include", "notes.txt"), "(412)", "Try again")
    assert b"Theirs" in hub.store.files("me/tiny")["README.md"]


# The folder


def test_weights_that_were_changed_are_not_pushed(hub, model, run):
    data = bytearray((model / WEIGHTS_FILE).read_bytes())
    data[-2] ^= 1
    (model / WEIGHTS_FILE).write_bytes(data)
    assert_one_line(run("push", model, "me/tiny"), WEIGHTS_FILE, "was changed after it was written")
    assert not hub.log


def test_a_config_that_was_changed_is_not_pushed(hub, model, run):
    edit_config(model, clamp=256.0)
    assert_one_line(run("push", model, "me/tiny"), "config.json was changed")


def test_a_model_that_does_not_give_its_golden_images_is_not_pushed(hub, model, run):
    from safetensors import safe_open

    golden = load_file(model / GOLDEN_FILE)
    with safe_open(model / GOLDEN_FILE, framework="pt") as file:
        metadata = file.metadata()
    golden["random.crops"] += 0.1
    save_file(golden, model / GOLDEN_FILE, metadata)
    assert_one_line(run("push", model, "me/tiny"), "other images than those recorded", "random.crops")
    assert not hub.log


def test_a_model_without_golden_images_gets_them(hub, model, run):
    (model / GOLDEN_FILE).unlink()
    assert run("push", model, "me/tiny")[0] == 0
    assert GOLDEN_FILE in hub.store.files("me/tiny") and not (model / GOLDEN_FILE).exists()
    assert same_weights(ganzoo.create(NAME), model)


def test_a_weight_too_large_for_float16_is_told(hub, model, run):
    generator = ganzoo.load(model)
    with torch.no_grad():
        generator.synthesis.levels[0].const[0, 0, 0, 0] = 1e5
    ganzoo.save(generator, model)
    result = run("push", model, "me/tiny", "--dtype", "fp16")
    assert_one_line(result, "float16 is too small for 'synthesis.levels.0.const'")


def test_a_discriminator_is_not_pushed(hub, run, tmp_path):
    from ganzoo.generators.discriminator import DiscriminatorConfig
    from ganzoo.models.factory import build

    config = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    ganzoo.save(build(DiscriminatorConfig.from_dict(config)), tmp_path / "judge")
    assert_one_line(run("push", tmp_path / "judge", "me/tiny"), "holds a discriminator")


MISTAKES = {
    "no model": (["nowhere", "me/tiny"], ["nowhere"]),
    "no owner": (["MODEL", "tiny"], ["owner/name"]),
    "a scheme": (["MODEL", "hf-hub:me/tiny"], ["without hf-hub:", "owner/name"]),
    "an unknown dtype": (["MODEL", "me/tiny", "--dtype", "int4"], ["fp32 or fp16"]),
    "a license in words": (["MODEL", "me/tiny", "--license", "my own"], ["apache-2.0", "'my own'"]),
    "files that are not there": (["MODEL", "me/tiny", "--include", "*.onnx"], ["'*.onnx'", "no such file"]),
    "files elsewhere": (["MODEL", "me/tiny", "--include", "../*"], ["'../*'"]),
    "a recipe": (["mobilestylegan", "me/tiny"], ["config.json"]),
    "an external model": (["stylegan2_ffhq", "me/tiny"], ["may not pass them on"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line_and_asks_the_hub_nothing(hub, model, run, case):
    arguments, parts = MISTAKES[case]
    assert_one_line(run("push", *[model if a == "MODEL" else a for a in arguments]), *parts)
    assert not hub.log


@pytest.mark.parametrize("suffix", thinned([".pkl", ".pt", ".ckpt", ".PTH"], [".pkl", ".PTH"]))
def test_what_may_run_code_is_not_pushed(hub, model, run, suffix):
    (model / f"extra{suffix}").write_bytes(b"0")
    result = run("push", model, "me/tiny", "--include", "extra.*")
    assert_one_line(result, f"extra{suffix} may run code")


def test_a_public_repository_does_not_become_private_by_a_push(hub, model, run):
    hub.store.add("me/tiny", contents(model))
    assert_one_line(run("push", model, "me/tiny", "--private"), "me/tiny is public")


# The card

CARDS = {
    "no license": ("---\ntags: [x]\n---\n## Lineage\n\nMine.\n", ["names no license", "--license"]),
    "an unknown license": ("---\nlicense: unknown\n---\n## Lineage\n\nMine.\n", ["names no license"]),
    "no lineage": ("---\nlicense: mit\n---\n# x\n", ["no lineage", "## Lineage"]),
    "a lineage to be written": ("---\nlicense: mit\n---\n## Lineage\n\n* Not written yet.\n", ["no lineage"]),
    "no metadata": ("# x\n\n## Lineage\n\nMine.\n", ["no metadata"]),
    "metadata without an end": ("---\nlicense: mit\n\n## Lineage\n\nMine.\n", ["no metadata", "another"]),
    "broken YAML": ("---\nlicense: [mit\n---\n## Lineage\n\nMine.\n", ["metadata cannot be read"]),
    "YAML of another kind": ("---\n- mit\n---\n## Lineage\n\nMine.\n", ["metadata cannot be read"]),
    "a broken model-index": (
        "---\nlicense: mit\nmodel-index: [{name: x, results: [{}]}]\n---\n## Lineage\n\nMine.\n",
        ["metadata cannot be read"],
    ),
    "an image that is not there": (
        "---\nlicense: mit\n---\n![x](a.png)\n## Lineage\n\nMine.\n",
        ["'a.png'"],
    ),
    "an image elsewhere": ("---\nlicense: mit\n---\n![x](../a.png)\n## Lineage\n\nMine.\n", ["'../a.png'"]),
}


@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_says_too_little_is_refused(hub, model, run, case):
    text, parts = CARDS[case]
    (model / "README.md").write_text(text)
    assert_one_line(run("push", model, "me/tiny"), "README.md", *parts)
    assert not hub.log


def test_a_refused_push_tells_all_that_it_misses_and_takes_it(hub, model, run):
    (model / "README.md").unlink()
    result = run("push", model, "me/tiny")
    assert_one_line(
        result, "The card drafted for", "names no license", "--license", "no lineage", "--lineage"
    )
    assert not hub.log
    told = ["--license", "mit", "--lineage", "Random weights."]
    status, out, _ = run("push", model, "me/tiny", *told, "--dtype", "fp16")
    assert status == 0 and "a draft goes along" in out and not (model / "README.md").exists()
    files = hub.store.files("me/tiny")
    card = files["README.md"].decode()
    assert "license: mit" in card and "* Random weights.\n" in card and is_untouched(card)
    assert 'ganzoo.create("hf-hub:me/tiny")' in card
    for name, written in ((hashlib.sha256(files[WEIGHTS_FILE]).hexdigest(), True), (digest(model), False)):
        assert (name in card) == written


def test_a_card_gets_the_license_and_the_lineage_that_it_lacks_on_its_way(hub, model, run):
    for text in ("# x\n", "---\nlicense: unknown\n---\n## Lineage\n\nNot written yet.\n"):
        (model / "README.md").write_text(text)
        result = run("push", model, "me/tiny", "--license", "cc0-1.0", "--lineage", "By me.")
        assert result[0] == 0, result
        card = hub.store.files("me/tiny")["README.md"].decode()
        assert "license: cc0-1.0" in card and "## Lineage\n\n* By me.\n" in card
        hub.store.repos.clear()


def test_a_published_model_is_pushed_by_its_name_from_python(hub):
    found = push("mobilestylegan_ffhq_64_lite", "me/copy", dry_run=True)
    assert found.creates and not found.drafted and "mobilestylegan_ffhq_64_lite.jpg" in found.files


def test_a_base_model_is_a_lineage(hub, model, run):
    (model / "README.md").write_text("---\nlicense: mit\nbase_model: me/teacher\n---\n# x\n")
    assert run("push", model, "me/tiny")[0] == 0


def test_a_card_that_was_edited_by_hand_is_kept(hub, model, run, tmp_path):
    hub.store.add("me/tiny", contents(model))
    theirs = hub.store.files("me/tiny")["README.md"].replace(b"nothing in particular", b"cats")
    hub.store.add("me/tiny", {"README.md": theirs})
    count = commits(hub)
    for arguments in (["--dry-run"], [], ["--pr"]):
        result = run("push", model, "me/tiny", *arguments)
        assert_one_line(result, "edited by hand", "--overwrite-card", "Nothing was changed")
    assert commits(hub) == count and hub.store.files("me/tiny")["README.md"] == theirs
    same = shutil.copytree(model, tmp_path / "same")
    (same / "README.md").write_bytes(theirs)
    assert run("push", same, "me/tiny")[0] == 0  # their card, from the folder
    assert run("push", model, "me/tiny", "--overwrite-card")[0] == 0
    assert b"cats" not in hub.store.files("me/tiny")["README.md"]


def test_a_card_that_ganzoo_wrote_is_replaced_by_a_newer_one(hub, model, run):
    from ganzoo.cards.signature import signed

    hub.store.add("me/tiny", contents(model))
    card = (model / "README.md").read_text()
    (model / "README.md").write_text(signed(card.replace("nothing in particular", "cats")))
    assert run("push", model, "me/tiny")[0] == 0
    assert b"cats" in hub.store.files("me/tiny")["README.md"]


def test_a_license_given_with_the_push_stands_in_the_whole_card(hub, model, run):
    from ganzoo.cards.readme import read_card

    text = (model / "README.md").read_text().replace("license: mit", "license: unknown")
    (model / "README.md").write_text(f"{text}\n| weights | unknown: say what it is |\n")
    assert run("push", model, "me/tiny", "--license", "cc-by-nc-4.0")[0] == 0
    card = hub.store.files("me/tiny")["README.md"].decode()
    assert read_card(card, "it").data.license == "cc-by-nc-4.0"
    assert "| weights | cc-by-nc-4.0 |" in card and "unknown" not in card


def test_images_of_the_card_go_along(hub, model, run):
    (model / "samples.jpg").write_bytes(b"jpeg")
    with (model / "README.md").open("a") as file:
        file.write("\n![Samples](samples.jpg)\n![Elsewhere](https://example.org/a.png)\n")
    assert run("push", model, "me/tiny")[0] == 0
    assert hub.store.files("me/tiny")["samples.jpg"] == b"jpeg"


def test_the_folder_itself_is_left_alone(hub, model, run):
    before = contents(model)
    run("push", model, "me/tiny", "--license", "apache-2.0", "--dtype", "fp16")
    assert contents(model) == before
    assert json.loads(before["config.json"])["config"]["resolution"] == 64
