"""What a run writes while it trains, and the sheets that it draws."""

import json
import sys

import numpy as np
import pytest
import torch
from training_helpers import lines

from ganzoo.training.logs import RunLog, read_log
from ganzoo.training.sheets import pair_sheet


@pytest.fixture(autouse=True)
def no_tensorboard(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def log(folder, done=0, main=True):
    return RunLog(folder, total=1000, main=main, done=done)


def kimgs(path):
    return [line["kimg"] for line in lines(path)]


def test_a_line_has_its_terms_and_the_speed(tmp_path):
    with log(tmp_path, done=1000) as found:
        found.step(1500)
        found.terms(1.5, {"total": 0.25, "gan": 2.0}, seconds=10.0)
        found.figures(1.5, {"l1": 0.5})
    assert lines(tmp_path / "log.jsonl") == [
        {"kimg": 1.5, "total": 0.25, "gan": 2.0, "images_per_second": 50.0, "waiting": 0.0}
    ]
    assert lines(tmp_path / "figures.jsonl") == [{"kimg": 1.5, "l1": 0.5}]


def test_lines_that_a_resumed_run_writes_again_are_cut_off(tmp_path):
    with log(tmp_path) as found:
        for i in range(1, 6):
            found.terms(0.1 * i, {}, seconds=1.0)
            found.figures(0.1 * i, {})
    with log(tmp_path, done=300) as found:
        found.terms(0.4, {}, seconds=1.0)
    assert kimgs(tmp_path / "log.jsonl") == [0.1, 0.2, 0.3, 0.4]
    assert kimgs(tmp_path / "figures.jsonl") == [0.1, 0.2, 0.3]
    with log(tmp_path):
        pass
    assert kimgs(tmp_path / "log.jsonl") == []


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"kimg": 0.1}\n{"kimg": 0.2}\n{"kimg": 0.')
    assert read_log(path) == [{"kimg": 0.1}, {"kimg": 0.2}]
    with log(tmp_path, done=200) as found:
        found.terms(0.3, {}, seconds=1.0)
    assert kimgs(path) == [0.1, 0.2, 0.3]
    assert read_log(tmp_path / "none.jsonl") == []


def test_a_log_is_cut_whole_or_not_at_all(tmp_path, monkeypatch):
    with log(tmp_path) as found:
        found.terms(0.1, {}, seconds=1.0)
    before = (tmp_path / "log.jsonl").read_text()

    def fail(self, text, **options):
        self.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        log(tmp_path, done=0)
    assert (tmp_path / "log.jsonl").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_figures_that_are_measured_again_take_the_others_place(tmp_path):
    with log(tmp_path) as found:
        for kimg, value in ((0.1, 1.0), (0.2, 2.0), (0.2, 3.0)):
            found.figures(kimg, {"l1": value})
    assert lines(tmp_path / "figures.jsonl") == [{"kimg": 0.1, "l1": 1.0}, {"kimg": 0.2, "l1": 3.0}]


def test_other_processes_write_nothing(tmp_path):
    with log(tmp_path, main=False) as found:
        found.step(100)
        found.terms(0.1, {"total": 1.0}, seconds=1.0)
        found.figures(0.1, {"l1": 1.0})
        found.sheet(0.1, None, "samples")
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_looks_at_a_bar_there_are_lines(tmp_path, capsys):
    with log(tmp_path) as found:
        found.step(500)
        found.terms(0.5, {"total": 1.0}, seconds=1.0)
        found.step(501)  # not yet time for another
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("0.5 of 1 kimg, ") and "g/s, " in err and err.endswith(" left\n")
    assert json.loads((tmp_path / "log.jsonl").read_text())["images_per_second"] == 500.0


# Sheets


def test_pairs_stand_four_in_a_row():
    teacher = torch.linspace(-1, 1, 16).view(16, 1, 1, 1).expand(-1, 3, 8, 8)
    sheet = np.asarray(pair_sheet(teacher, -teacher)).astype(int)
    assert sheet.shape == (4 * 12 + 4, 4 * 20 + 4, 3)
    for i in range(16):
        top, left = 4 + i // 4 * 12, 4 + i % 4 * 20
        value = round((i / 15) * 255)
        assert np.abs(sheet[top : top + 8, left : left + 8] - value).max() <= 1
        assert np.abs(sheet[top : top + 8, left + 8 : left + 16] - (255 - value)).max() <= 1


def test_large_images_are_shown_smaller_and_gray_ones_too():
    assert pair_sheet(torch.zeros(1, 1, 512, 512), torch.zeros(1, 1, 512, 512)).size == (520, 264)
