"""Teachers for the command line, and a trainer that writes down what it is told."""

import json
from pathlib import Path

import pytest

import ganzoo.training.run


@pytest.fixture
def teacher(model_folder):
    return f"teacher={model_folder}"


@pytest.fixture
def told(monkeypatch, tmp_path):
    """A trainer that keeps what it is told, and writes a result; the command runs in an empty folder."""
    calls = []

    def carry_out(job):
        data = job.data
        calls.append(dict(data))
        folder = Path(data["out"])
        folder.mkdir(parents=True, exist_ok=True)
        figures = {"l1": {"value": 0.1 * len(calls), "uncertainty": 0.01}}
        result = {
            "name": data["name"], "recipe": data["recipe"], "kimg": 1.0, "seconds": 60.0, "parameters": 1000,
            "macs": 2000 * len(calls), "figures": figures, "settings": {}, "definitions": {},
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    monkeypatch.setattr(ganzoo.training.run, "carry_out", carry_out)
    monkeypatch.chdir(tmp_path)
    return calls
