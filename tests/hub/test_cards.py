"""Cards: what the Hub's own parser makes of them, and where their numbers come from."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from covering import thinned
from hub_helpers import assert_one_line
from huggingface_hub import ModelCard
from PIL import Image

import ganzoo
from ganzoo.cards import published
from ganzoo.cards.facts import CARDS
from ganzoo.cards.folder import Additions, folder_card
from ganzoo.cards.published import published_card
from ganzoo.cards.readme import NOT_WRITTEN, card_to_push
from ganzoo.cards.signature import is_untouched, signed, unsigned
from ganzoo.cards.student import base_model, student_card
from ganzoo.metrics.record import Record, published_records
from ganzoo.models.cost import CONVENTION, costs
from ganzoo.models.entries import ModelEntry
from ganzoo.models.factory import config_of
from ganzoo.models.published import MODELS, list_models, model_entry
from ganzoo.models.recipes import read_yaml
from ganzoo.models.weights import stored_digest, weights_digest
from ganzoo.system.paths import DATA

# An external model, one in the package, one of a wheel, and one that is made of that.
FEW = ("stylegan2_ffhq", "stylegan2_lorelei_64", "mobilestylegan_ffhq", "mobilestylegan_ffhq_128")
OURS = [name for name in list_models() if model_entry(name).external is None]
RECORD = Record(
    metric="fd_efficientnet_lite0", num_fake=5000, num_real=7000,
    features={"name": "efficientnet_lite0", "sha256": "f" * 64, "size": [224, 224]},
    resizer="pillow-bicubic", sampling={"kind": "generated", "seed": 7, "truncation_psi": 1.0},
    real={"kind": "files", "sha256": "a" * 64, "resolution": [64, 64]}, value=12.5, uncertainty=0.25,
    fake={"name": "tiny", "sha256": "b" * 64}, seconds=3.0, command="ganzoo eval tiny --real photos.zip",
    date="2026-11-22T08:00:00+00:00", hardware="a CPU | 2 threads", versions={"torch": "2.15"},
)  # fmt: skip


def record_of(folder):
    """The same record, of a folder's weights."""
    data = json.loads(RECORD.to_json())
    data["fake"]["sha256"] = stored_digest(folder / "model.safetensors")
    return data


def parsed(text):
    """A card, by the client's own parser, which also gives it back unchanged."""
    card = ModelCard(text)
    assert ModelCard(card.content).data.to_dict() == card.data.to_dict()
    return card


@pytest.mark.parametrize("name", thinned(list_models(), FEW))
def test_the_card_of_a_published_model_validates(name):
    card = parsed(published_card(name))
    assert card.data.library_name == "ganzoo" and "ganzoo" in card.data.tags
    assert card.data.license != "other" or card.data.get("license_name")
    figures = published_records(name)
    assert [r.metric_value for r in card.data.eval_results or []] == [figure.value for figure in figures]
    for result in card.data.eval_results or []:
        size = config_of(name).resolution
        assert result.dataset_config.startswith(f"{size}x{size}") and result.metric_args["command"]
    assert is_untouched(published_card(name))


@pytest.mark.parametrize("name", thinned(list_models(), FEW))
def test_the_card_of_a_published_model_may_be_pushed(name):
    license = None if model_entry(name).external is None else "other"
    card_to_push(published_card(name), "it", license=license, repo="me/copy")


@pytest.mark.parametrize("name", thinned(list_models(), FEW))
def test_a_card_tells_all_licenses_the_lineage_the_faults_and_the_cost(name):
    card, entry = published_card(name), model_entry(name)
    for part, license in {**entry.license, "code": "Apache-2.0"}.items():
        assert f"| {part} | {license} |" in card
    assert entry.origin in card and CONVENTION in card
    for part, cost in costs(config_of(name)).items():
        assert f"| {part} | {cost.parameters:,} | {cost.macs:,} |" in card
    for source in entry.sources:
        for sha256 in (source.sha256, *getattr(source, "files", {}).values()):
            assert sha256 in card
    if (external := entry.external) is not None:
        assert external.command(name) in card and external.url in card
    else:
        assert f'ganzoo.create("{name}")' in card and f"`ganzoo verify {name}`" in card
    assert "Known faults" in card and "Intended use" in card
    for r in published_records(name):
        spread = "" if r.uncertainty is None else f"{r.uncertainty:.2g}"
        assert f"| {r.metric} | {r.value:.5g} | {spread} | {r.num_fake} " in card
        assert f"{r.definition}; `{r.command}`; {r.hardware}" in card or r.definition is None


@pytest.mark.parametrize("name", list_models())
def test_every_published_model_has_prose_and_its_images_are_there(name):
    prose = (CARDS / f"{name}.md").read_text()
    for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose):
        assert (CARDS / image).is_file()


@pytest.mark.parametrize("name", ["model", "converted", "student"])
def test_no_number_of_a_template_is_typed_by_hand(name):
    code = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", (CARDS / f"{name}.md.j2").read_text())
    lines_of_python = ["4", "0", "0", "4", "0.7", "4", "1..1"] if name == "model" else []
    assert re.findall(r"\d[\d.]*", re.sub(r"sha256|l1", "", code)) == lines_of_python


def test_a_number_in_the_registry_is_the_number_on_the_card(monkeypatch):
    data = read_yaml(MODELS / f"{OURS[0]}.yaml")
    data["sources"] = [{"repo": "me/faces", "revision": "c" * 40, "sha256": "d" * 64, "bytes": 5}]
    record = replace(published_records(OURS[0])[0], value=0.12345)
    monkeypatch.setattr(published, "model_entry", lambda name: ModelEntry.from_dict(data))
    monkeypatch.setattr(published, "published_records", lambda name: [record])
    card = published_card(OURS[0])
    assert f"| {record.metric} | 0.12345 |" in card and f"{record.definition}; `{record.command}`" in card
    [result] = parsed(card).data.eval_results
    assert result.metric_value == 0.12345 and result.metric_args["definition"] == record.definition
    assert f"Source: hf-hub:me/faces@{'c' * 40}, sha256 `{'d' * 64}`." in card


def test_published_records_are_of_the_published_weights_with_their_whole_protocol():
    name = "mobilestylegan_ffhq_64_lite"
    records, card = published_records(name), parsed(published_card(name))
    assert {record.fake["sha256"] for record in records} == {weights_digest(ganzoo.create(name))}
    for record, result in zip(records, card.data.eval_results, strict=True):
        assert result.metric_type == record.metric
        for part in ("num_fake", "resizer"):
            assert result.metric_args[part] == getattr(record, part)
        for part in ("sampling", "real", "features"):
            told = {k: v for k, v in (getattr(record, part) or {}).items() if v is not None}
            assert result.metric_args.get(part, {}) == told


# Folders


def test_a_folder_without_a_card_gets_a_draft_that_asks_for_the_rest(model, run):
    (model / "README.md").unlink()
    status, out, _ = run("card", model)
    assert status == 0 and parsed(out).data.license == "unknown" and out.count("Not written yet.") == 2
    with pytest.raises(ValueError, match="names no license"):
        card_to_push(out, "it", license=None, repo="me/tiny")
    with pytest.raises(ValueError, match="no lineage"):
        card_to_push(out, "it", license="mit", repo="me/tiny")
    status, out, _ = run("card", model, "--license", "mit", "--lineage", "Drawn at random.", "--out", model)
    assert status == 0 and "The card is" in out
    text = (model / "README.md").read_text()
    assert "* Drawn at random." in text and is_untouched(text)
    card_to_push(text, "it", license=None, repo="me/tiny")


def test_a_line_of_lineage_goes_where_none_was_written_or_after_what_is_told(model, run):
    for line in ("Trained on photos of mine.", "Trained on photos of mine.", "By me."):
        assert run("card", model, "--lineage", line, "--out", model)[0] == 0
    text = (model / "README.md").read_text()
    told = "Random weights of seed 0, made by this test.\n* Trained on photos of mine.\n* By me.\n"
    assert f"## Lineage\n\n{told}" in text and is_untouched(text)
    for unwritten in ("## Lineage\n\nNot written yet.\n\n## End\n", "## End\n"):
        (model / "README.md").write_text(f"---\nlicense: mit\n---\n\n{unwritten}")
        assert run("card", model, "--lineage", "By me.", "--out", model)[0] == 0
        text = (model / "README.md").read_text()
        assert "## Lineage\n\n* By me.\n" in text and NOT_WRITTEN not in text and "## End" in text


def test_the_python_of_a_draft_runs_for_a_model_of_labels_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}
    for label_dim in (0, 5):
        ganzoo.save(ganzoo.create("stylegan2", **sizes, label_dim=label_dim), "tiny")
        [code] = re.findall(r"```python\n(.*?)```", ganzoo.cards.render(Path("tiny")).text, re.DOTALL)
        names = {}
        exec(code, names)
        assert names["images"].shape == (4, 3, 8, 8)


def test_a_card_is_one_line_of_python(model):
    (model / "README.md").unlink()
    card = ganzoo.cards.write(model, license="mit", lineage="Drawn at random.", samples=True)
    assert card.path == model / "README.md" and card.path.read_text() == card.text
    assert (model / "samples.jpg").is_file() and card.text == ganzoo.cards.render(model).text
    with pytest.raises(ValueError, match="say in which folder"):
        ganzoo.cards.write("mobilestylegan_ffhq_64_lite")


def test_records_stand_on_the_card_with_their_whole_protocol(model, run, tmp_path):
    (tmp_path / "figures.jsonl").write_text(json.dumps(record_of(model)) + "\n")
    assert run("card", model, "--records", tmp_path / "figures.jsonl", "--out", model)[0] == 0
    text = (model / "README.md").read_text()
    [result] = parsed(text).data.eval_results
    assert (result.metric_type, result.metric_value) == ("fd_efficientnet_lite0", 12.5)
    assert result.dataset_config == "64x64, resizer pillow-bicubic, efficientnet_lite0"
    assert result.dataset_revision == "a" * 64
    for key in ("num_fake", "num_real", "features", "resizer", "sampling", "real", "command", "hardware"):
        assert result.metric_args[key] == json.loads(RECORD.to_json())[key]
    assert "| fd_efficientnet_lite0 | 12.5 | 0.25 | 5000 and 7000 | Images, sha256 aaaaaaaaaaaa |" in text
    assert is_untouched(text) and "nothing in particular" in text


def test_figures_of_other_weights_do_not_come_on_the_card(model, run, tmp_path):
    (tmp_path / "figures.jsonl").write_text(RECORD.to_json() + "\n")
    before = (model / "README.md").read_bytes()
    result = run("card", model, "--records", tmp_path / "figures.jsonl", "--out", model)
    assert_one_line(result, "holds no record of the weights in", "but of tiny", f"ganzoo eval {model}")
    assert (model / "README.md").read_bytes() == before


def test_of_a_file_with_figures_of_several_models_those_of_the_folder_are_taken(model, run, tmp_path):
    own = json.dumps({**record_of(model), "metric": "kid_efficientnet_lite0", "value": 0.125})
    lines = [RECORD.to_json(), own, RECORD.to_json()]
    (tmp_path / "figures.jsonl").write_text("\n".join(lines))
    status, _, err = run("card", model, "--records", tmp_path / "figures.jsonl", "--out", model)
    assert status == 0 and "Note: 2 records in" in err and "are of other weights (tiny) and left out" in err
    results = parsed((model / "README.md").read_text()).data.eval_results
    assert [(r.metric_type, r.metric_value) for r in results] == [("kid_efficientnet_lite0", 0.125)]
    with pytest.raises(ValueError, match="was measured on tiny"):
        folder_card(model, Additions(records=[RECORD]))


def test_figures_that_are_measured_anew_take_the_place_of_the_old(model, run, tmp_path):
    for value in (12.5, 11.0):
        line = json.dumps({**record_of(model), "value": value})
        (tmp_path / "figures.jsonl").write_text(line + "\n")
        assert run("card", model, "--records", tmp_path / "figures.jsonl", "--out", model)[0] == 0
    text = (model / "README.md").read_text()
    assert [r.metric_value for r in parsed(text).data.eval_results] == [11.0]
    assert text.count("## Measured") == 1 and "| 12.5 |" not in text


def test_a_card_that_was_edited_by_hand_keeps_its_words(model, run):
    text = (model / "README.md").read_text().replace("nothing in particular", "cats, of which | I am | fond")
    (model / "README.md").write_text(text)
    assert run("card", model, "--license", "cc0-1.0", "--out", model)[0] == 0
    now = (model / "README.md").read_text()
    assert "cats, of which | I am | fond" in now and "license: cc0-1.0" in now and not is_untouched(now)


def test_a_sheet_of_samples_is_made_beside_the_card(model, run):
    status, _, _ = run("card", model, "--samples", "--out", model)
    assert status == 0
    assert (model / "README.md").read_text().count("![Samples](samples.jpg)\n\nSeeds 0 to 23") == 1
    with Image.open(model / "samples.jpg") as sheet:
        assert sheet.format == "JPEG" and min(sheet.size) > 4 * 64
    run("card", model, "--samples", "--out", model)
    assert (model / "README.md").read_text().count("samples.jpg") == 1


def test_a_published_card_is_written_with_its_image(run, tmp_path):
    assert run("card", "mobilestylegan_ffhq", "--out", tmp_path / "card")[0] == 0
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"README.md", "mobilestylegan_ffhq.jpg"}
    (tmp_path / "card" / "README.md").write_text("mine")
    result = run("card", "mobilestylegan_ffhq", "--out", tmp_path / "card")
    assert_one_line(result, "was edited by hand")


MISTAKES = {
    "samples without a place": (["MODEL", "--samples"], ["--out"]),
    "a published model and records": (["mobilestylegan_ffhq", "--license", "mit"], ["from the registry"]),
    "a lineage that says nothing": (["MODEL", "--lineage", " "], ["--lineage tells", "' '"]),
    "a license in words": (["MODEL", "--license", "my own"], ["'my own'"]),
    "no model": (["nowhere"], ["nowhere"]),
    "no records": (["MODEL", "--records", "nowhere.jsonl"], ["nowhere.jsonl does not exist"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_gets_one_line(model, run, case):
    arguments, parts = MISTAKES[case]
    assert_one_line(run("card", *[model if a == "MODEL" else a for a in arguments]), *parts)


def test_a_broken_card_is_told(model, run):
    (model / "README.md").write_text("---\nlicense: [mit\n---\n")
    assert_one_line(run("card", model), "README.md: its metadata cannot be read")


def test_a_card_of_another_encoding_is_told_by_its_name(hub, model, run):
    (model / "README.md").write_bytes(b"---\nlicense: mit\n---\n\xff\n")
    assert_one_line(run("card", model), "README.md is not UTF-8")
    assert_one_line(run("card", "mobilestylegan_ffhq", "--out", model), "README.md is not UTF-8")
    assert_one_line(run("push", model, "me/tiny"), "README.md is not UTF-8")


# Students


def result_of(teacher):
    config = ganzoo.create("mobilestylegan", resolution=8, channels=[4], z_dim=4, w_dim=4).config
    return {
        "name": "first", "recipe": "mobilestylegan", "teacher": teacher, "kimg": 3.0, "seconds": 60.0,
        "parameters": 10, "macs": 20, "held_out": 5, "hardware": "a CPU", "date": "2026-11-22",
        "figures": {"l1": {"value": 0.25, "uncertainty": 0.01}, "fd": {"value": 9.0, "uncertainty": None}},
        "versions": {"torch": torch.__version__},
        "settings": {
            "student": config.to_dict(), "batch_size": 4, "truncation_psi": 1.0, "noise": "const",
            "held_out": {"features": "efficientnet_lite0"},
        },
    }  # fmt: skip


def test_a_student_of_a_teacher_on_the_hub_names_it_as_its_base():
    card = parsed(student_card(result_of("hf-hub:me/teacher@v1"), "e" * 64))
    assert card.data.base_model == "me/teacher" and is_untouched(card.content)
    l1, fd = card.data.eval_results
    assert (l1.metric_value, l1.metric_args["standard_error"], l1.metric_args["num"]) == (0.25, 0.01, 5)
    assert fd.dataset_revision == "e" * 64 and fd.dataset_config.startswith("8x8")
    assert fd.metric_args["features"] == "efficientnet_lite0" and fd.metric_args["truncation_psi"] == 1.0


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_card_of_a_student_says_how_alpha_was_seen(channels):
    result = result_of("teacher/")
    result["settings"]["student"]["img_channels"] = channels
    card = parsed(student_card(result, "e" * 64))
    seen = "a fourth channel; over white for feature networks" if channels == 4 else None
    assert [r.metric_args.get("alpha") for r in card.data.eval_results] == [seen] * 2
    assert ("over white" in card.text) == (channels == 4)


def test_a_student_of_another_teacher_has_no_base_that_the_hub_knows():
    assert parsed(student_card(result_of("teacher"), "e" * 64)).data.base_model is None
    assert base_model("mobilestylegan_ffhq") is None and base_model("hf-hub:a/b") == "a/b"


# The line at the end


def test_an_edit_anywhere_above_shows():
    card = signed("---\nlicense: mit\n---\n# x\n")
    assert (
        is_untouched(card) and is_untouched(card.replace("\n", "\r\n")) and unsigned(card).endswith("# x\n")
    )
    assert signed(card) == card
    for edited in (card.replace("mit", "apache-2.0"), card.replace("# x", "# y"), card + "more\n"):
        assert not is_untouched(edited)
    assert not is_untouched("# x\n")


def test_templates_and_prose_are_in_the_package_data():
    assert CARDS == DATA / "hub_cards" and (CARDS / "model.md.j2").is_file()


def test_a_card_needs_no_image_of_a_discriminator(tmp_path):
    from ganzoo.generators.discriminator import DiscriminatorConfig
    from ganzoo.models.factory import build

    config = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    ganzoo.save(build(DiscriminatorConfig.from_dict(config)), tmp_path)
    with pytest.raises(ValueError, match="holds a discriminator"):
        folder_card(tmp_path)
