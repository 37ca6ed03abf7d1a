"""The command line, called in this process."""

import sys

import pytest

from ganzoo.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process: status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ganzoo", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return call
