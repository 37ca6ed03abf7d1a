"""What every measured number says of its origin."""

from datetime import datetime

from ganzoo import __version__
from ganzoo.system.provenance import load, provenance


def test_a_number_names_the_command_the_time_the_machine_and_the_versions(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/ganzoo", "eval", "my faces", "--seed", "3"])
    found = provenance("cpu", 2)
    assert found.command == "ganzoo eval 'my faces' --seed 3"
    assert abs((datetime.now().astimezone() - datetime.fromisoformat(found.date)).total_seconds()) < 5
    assert found.date.endswith("+00:00")
    assert "threads" in found.hardware and found.hardware.endswith("2 processes")
    assert found.versions["ganzoo"] == __version__ and {"python", "torch", "numpy"} <= set(found.versions)


def test_one_process_is_not_worth_a_word():
    assert "processes" not in provenance().hardware


def test_the_load_is_a_number_or_unknown():
    assert load() is None or load() >= 0
