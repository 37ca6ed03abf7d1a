"""Records: round trips, refusals and comparisons."""

import json
from dataclasses import fields, replace

import pytest

from ganzoo.metrics.record import (
    PROTOCOL,
    Protocol,
    Record,
    compared,
    differences,
    published_records,
    read_records,
)
from ganzoo.models.factory import list_models
from ganzoo.system.paths import DATA

RECORD = Record(
    metric="fd_tiny",
    value=1.5,
    uncertainty=0.1,
    num_fake=10,
    num_real=20,
    features={"name": "tiny", "sha256": "a", "mean": [1.0, 2.0]},
    resizer="some",
    sampling={"kind": "generator", "truncation_psi": 1.0, "first_seed": 5},
    fake={"name": "x", "sha256": "b"},
    real={"kind": "files", "sha256": "c"},
    seconds=1.0,
    command="ganzoo eval",
    date="2026-01-01",
    hardware="cpu",
    versions={"torch": "2"},
    warnings=("few",),
)
OTHER = {
    "metric": "kid_tiny",
    "num_fake": 11,
    "num_real": None,
    "features": {**RECORD.features, "sha256": "z"},
    "resizer": None,
    "sampling": {**RECORD.sampling, "truncation_psi": 0.7},
    "real": {"kind": "files", "sha256": "d"},
    "definition": "clipped",
}


def test_a_record_comes_back_from_its_line():
    line = RECORD.to_json()
    assert "\n" not in line and Record.from_json(line) == RECORD


@pytest.mark.parametrize("field", PROTOCOL)
def test_every_field_of_the_protocol_counts(field):
    [found] = differences(RECORD, replace(RECORD, **{field: OTHER[field]}))
    assert found.startswith(field)


def test_a_difference_names_the_leaf_and_both_values():
    other = replace(RECORD, sampling=OTHER["sampling"])
    assert differences(RECORD, other) == ["sampling.truncation_psi: 1.0 and 0.7"]


def test_what_is_no_protocol_may_differ():
    free = {f.name for f in fields(Record)} - set(PROTOCOL)
    assert free >= {"value", "fake", "date", "hardware", "versions", "command"}
    other = replace(RECORD, value=2.0, fake={"name": "y"}, date="", hardware="", command="", versions={})
    assert differences(RECORD, other) == []


def edited(**changes):
    return json.dumps({**json.loads(RECORD.to_json()), **changes})


@pytest.mark.parametrize(
    "line",
    [
        edited(schema_version=3),
        edited(more=1),
        edited(value="large"),
        edited(value=None),
        edited(warnings=3),
        edited(warnings=[3]),
        edited(num_real="many"),
        edited(versions={"torch": 2}),
        edited(real=[]),
        edited(fake=None),
        "[]",
        "3",
        "{",
        "[" * 100_000,
    ],
)
def test_other_lines_are_refused_with_their_number(tmp_path, line):
    path = tmp_path / "records.jsonl"
    path.write_text(RECORD.to_json() + "\n\n" + line + "\n")
    with pytest.raises(ValueError, match="line 3: This is no record"):
        read_records(path)


def test_files_without_records_are_refused(tmp_path):
    path = tmp_path / "records.jsonl"
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_records(path)
    path.write_text("\n")
    with pytest.raises(ValueError, match="holds no record"):
        read_records(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="no text"):
        read_records(path)


def test_figures_that_are_not_finite_are_no_json():
    with pytest.raises(ValueError, match="JSON"):
        replace(RECORD, value=float("nan")).to_json()


def test_a_record_is_compared_with_the_last_of_its_protocol():
    others = [replace(RECORD, value=v) for v in (3.0, 4.0)] + [replace(RECORD, num_fake=11)]
    [(one, other)] = compared([RECORD, replace(RECORD, metric="is")], others)
    assert one is RECORD and other.value == 4.0


def test_a_protocol_is_compared_like_the_record_that_it_becomes():
    protocol = Protocol(**{name: getattr(RECORD, name) for name in PROTOCOL})
    assert compared([protocol], [RECORD]) == [(protocol, RECORD)]
    for other in (replace(RECORD, num_fake=11), replace(RECORD, metric="is")):
        with pytest.raises(ValueError) as early:
            compared([protocol], [other])
        with pytest.raises(ValueError) as late:
            compared([RECORD], [other])
        assert str(early.value) == str(late.value)


def test_records_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"num_fake: 10 and 11"):
        compared([RECORD], [replace(RECORD, num_fake=11)])
    with pytest.raises(ValueError, match="no metric in common; there: fd_tiny"):
        compared([replace(RECORD, metric="is")], [RECORD])


UNITS = ("absolute", "dB,", "seconds", "GiB")
MEASURED = sorted((DATA / "registry" / "measured").iterdir())


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
def test_every_published_number_is_a_record_of_a_published_model(path):
    assert path.suffix == ".jsonl" and path.stem in list_models()
    for record in published_records(path.stem):
        assert record.fake["name"] == path.stem and len(record.fake["sha256"]) == 64
        assert record.command and record.hardware and record.date[:2] == "20" and record.versions
        # A number without features is in the unit that its definition begins with.
        assert record.features is not None or record.definition.split()[0] in UNITS
