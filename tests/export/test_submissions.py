"""Times that people send: what a file tells and does not tell, and what is refused of strangers."""

import getpass
import json
import re
import socket
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from docs_helpers import ROOT
from helpers import assert_one_line

from ganzoo.bench.submissions import FOLDER, MAX_BYTES, Submission, read, submitted, table, write
from ganzoo.models.reference import reference
from ganzoo.system.validation import from_mapping

MODEL = "mobilestylegan_ffhq_64_lite"
TIME = {
    "model": MODEL, "weights_sha256": "0f" * 32, "runtime": "openvino", "precision": "fp32", "batch": 1,
    "resolution": 64, "p25": 0.004, "p50": 0.005, "p75": 0.006,
}  # fmt: skip
MACHINE = {
    "processor": "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz (AVX2)", "cores": 12, "memory_gb": 16,
    "system": "Linux", "architecture": "x86_64", "accelerator": None,
}  # fmt: skip
SENT = {
    "machine": MACHINE, "times": [TIME], "threads": 2, "rounds": 20, "load": 0.1,
    "versions": {"python": "3.12.1", "torch": "2.14.1+cpu", "openvino": "2026.4.1"},
    "ganzoo_version": "0.1.0", "date": "2026-11-28", "command": f"ganzoo bench {MODEL} --rounds 20",
    "schema_version": 1,
}  # fmt: skip


@pytest.fixture
def refused(tmp_path):
    """What `read` says of a file that holds a text or a value."""

    def said(content):
        path = tmp_path / "sent.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        with pytest.raises(ValueError) as error:
            read(path)
        assert str(error.value).startswith(f"{path} is no submission of `ganzoo bench --submit`: ")
        assert "\n" not in str(error.value) and len(str(error.value)) < len(str(path)) + 400
        return str(error.value).partition("`: ")[2]

    return said


def test_the_command_writes_what_was_measured_and_nothing_private(run, tmp_path):
    out, path = tmp_path / "out", tmp_path / "mine.json"
    words = ["bench", MODEL, "--runtime=torch", "--batch=1,2", "--rounds=4", "--threads=1", "--no-memory"]
    status, told, _ = run(*words, "--out", out, "--submit", path)
    assert status == 0 and f"{path} holds what can be sent in" in told
    sent, rows = read(path), json.loads((out / "bench.json").read_text())["rows"]
    for time, row in zip(sent.times, rows, strict=True):
        quartiles = statistics.quantiles(row["seconds"], n=4, method="inclusive")
        assert [time.p25, time.p50, time.p75] == pytest.approx(quartiles, rel=1e-3)
    assert [time.batch for time in sent.times] == [1, 2] and sent.rounds == 4 and sent.threads == 1
    assert {time.weights_sha256 for time in sent.times} == {reference(MODEL).identity().hash}
    assert sent.versions["torch"] and sent.machine.cores >= 1
    text = path.read_text()
    home = Path.home().name, getpass.getuser(), socket.gethostname()
    assert not [name for name in (str(tmp_path), "/", *home) if re.search(rf"\b{re.escape(name)}\b", text)]


def test_what_is_written_is_read_back_as_it_was(tmp_path):
    sent = from_mapping(Submission, SENT)
    write(tmp_path / "sent.json", sent)
    assert read(tmp_path / "sent.json") == sent and sent.times[0].p50 == 0.005


def changed(key, value):
    """The submission with another value at a path such as machine.cores."""
    data = json.loads(json.dumps(SENT))
    *path, last = key.split(".")
    place = data
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return data


HOSTILE = {
    "markup": ("machine.processor", "<script>alert(1)</script>"),
    "a column": ("machine.processor", "Xeon | 1 ms | fast"),
    "a link": ("machine.processor", "see [here](x)"),
    "an address": ("machine.processor", "www.example.com"),
    "a scheme": ("machine.processor", "x http//example.com"),
    "an e-mail address": ("machine.processor", "me@example.com"),
    "a line": ("machine.processor", "Xeon\n\n# Title"),
    "an escape sequence": ("machine.accelerator", "H100\x1b[2J"),
    "letters that turn the line around": ("machine.processor", "Xeon \u202e"),
    "letters that look alike": ("machine.system", "Linu\u0445"),
    "a long name": ("machine.processor", "a" * 81),
    "an empty name": ("machine.architecture", ""),
    "a shell": ("command", "ganzoo bench x; $(rm -r)"),
    "a code span": ("versions", {"torch": "`2`"}),
    "a name of a version": ("versions", {"<b>": "2"}),
    "many versions": ("versions", {f"a{i}": "1" for i in range(21)}),
    "no cores": ("machine.cores", 0),
    "a yes as a number": ("machine.cores", True),
    "a huge number": ("machine.memory_gb", 10**400),
    "a negative load": ("load", -1.0),
    "a negative time": ("times.0.p25", -1.0),
    "no time": ("times.0.p25", 0.0),
    "quartiles out of order": ("times.0.p25", 0.0055),
    "an endless call": ("times.0.p75", 1e300),
    "times as words": ("times.0.p50", "0.005"),
    "no times": ("times", []),
    "many times": ("times", [TIME] * 101),
    "a time that is a list": ("times", [[]]),
    "an unknown model": ("times.0.model", "mobilestylegan_ffhk"),
    "a model of one's own": ("times.0.model", "/home/me/model"),
    "an unknown runtime": ("times.0.runtime", "auto"),
    "an unknown precision": ("times.0.precision", "fp4"),
    "a hash in capitals": ("times.0.weights_sha256", "0F" * 32),
    "no day": ("date", "yesterday"),
    "a day in other digits": ("date", "2026-11-٢٨"),
    "a day without its month": ("date", "2026-W48-6"),
    "another version": ("schema_version", 2),
    "an unknown key": ("machine.host", "mine"),
    "an unknown key of the whole": ("note", "hello"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_value_is_told_in_one_short_line(case, refused):
    key, value = HOSTILE[case]
    said = refused(changed(key, value))
    assert key.split(".")[-1].split("_")[0] in said or key in said


FILES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "no text": b"\xff\xfe",
    "a deep file": b"[" * 60_000,
    "a long number": b'{"threads": ' + b"9" * 5000 + b"}",
    "no number": json.dumps(changed("load", float("nan"))).encode(),
    "infinity by digits": json.dumps(SENT).replace("0.006", "1e999").encode(),
    "half a letter": json.dumps(changed("machine.system", "\ud800")).encode(),
    "a long key": json.dumps({"a" * 60_000: 1}).encode(),
    "a key twice": json.dumps(SENT).replace('"load": 0.1', '"load": 0.1, "load": 0.2').encode(),
    "too many bytes": json.dumps(SENT).encode() + b" " * MAX_BYTES,
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_none_is_told_in_one_short_line(case, refused):
    assert refused(FILES[case])


@pytest.mark.parametrize("key", [key for key in SENT if key != "schema_version"])
def test_every_key_is_needed(key, refused):
    assert refused({k: v for k, v in SENT.items() if k != key}) == f"A submission lacks {key}."


def test_a_table_shows_names_as_they_are_and_the_quickest_first():
    sent = from_mapping(Submission, SENT)
    slow = replace(sent.times[0], runtime="torch", batch=4, p50=0.0055)
    odd = replace(sent.machine, processor="A_b_c")
    lines = table([replace(sent, machine=odd, times=(slow, *sent.times))]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split(" | ")[2] for line in lines[2:]] == [
        "openvino 2026.4.1, fp32",
        "torch 2.14.1, fp32, batch 4",
    ]
    assert r"A\_b\_c, 12 cores | openvino" in lines[2]
    assert "| 2 | 5 ms | 4 ms to 6 ms | 0.1 | 2026-11-28 |" in lines[2]


MISTAKES = {
    "a recipe": (["mobilestylegan"], ["--submit is for published models", MODEL]),
    "a folder of one's own": ([MODEL, "--vs", "{folder}"], ["--submit is for published models"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_only_what_others_have_too_is_sent(case, run, model_folder, tmp_path):
    words, parts = MISTAKES[case]
    words = [word.format(folder=model_folder) for word in words]
    assert_one_line(run("bench", *words, "--submit", tmp_path / "mine.json"), *parts)
    assert not [*tmp_path.iterdir()]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_timed(run, tmp_path):
    assert_one_line(run("bench", MODEL, "--submit", tmp_path / "mine.txt"), "ends in .json", "mine.txt")
    (tmp_path / "file").write_text("")
    assert_one_line(run("bench", MODEL, "--submit", tmp_path / "file" / "mine.json"), "--submit")


def test_the_page_shows_what_lies_in_the_registry():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    [shown] = re.findall(r"<!-- submitted -->\n(.*)\n<!-- /submitted -->", page, re.DOTALL)
    sent = submitted()
    assert sent and shown.strip() == table(sent).strip()
    assert len(sent) == len([*FOLDER.iterdir()])
