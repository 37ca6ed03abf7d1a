"""Calls of the Hub's client: quiet, and told in one line when they fail."""

import subprocess
import sys

import pytest
from huggingface_hub.utils import logging as client_log
from huggingface_hub.utils.tqdm import are_progress_bars_disabled

from ganzoo.models.hub_client import HubError, hub_call


def test_the_client_says_nothing_itself_and_is_then_as_it_was():
    before = client_log.get_verbosity(), are_progress_bars_disabled()
    with pytest.raises(HubError), hub_call("It fails"):
        assert client_log.get_verbosity() == 40 and are_progress_bars_disabled()
        raise RuntimeError("broken")
    assert (client_log.get_verbosity(), are_progress_bars_disabled()) == before


def test_an_error_that_nobody_foresaw_is_told_with_its_cause():
    with pytest.raises(HubError) as caught, hub_call("It fails"):
        try:
            raise KeyError("inner\nmore")
        except KeyError as error:
            raise RuntimeError("outer") from error
    assert str(caught.value) == r"It fails: outer: 'inner\nmore'."


def test_a_disk_that_cannot_be_written_is_told_by_its_name():
    with pytest.raises(HubError, match="It fails: /cache cannot be written: No space"), hub_call("It fails"):
        raise OSError(28, "No space left on device", "/cache")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("client error (401 Unauthorized), domain: http://x", "does not accept your token (401); log in"),
        ("client error (429 Too Many Requests), domain: http://x", "too many requests (429). Wait"),
        ("server error (500 Internal Server Error), domain: http://x", "out of order (500). Try again later"),
    ],
)
def test_an_answer_that_the_transfer_library_tells_in_words_gets_its_line(said, told):
    with pytest.raises(HubError) as caught, hub_call("It fails"):
        raise RuntimeError(f"Network error: Request error: HTTP status {said}")
    assert told in str(caught.value)


def test_ctrl_c_stays_what_it_is():
    with pytest.raises(KeyboardInterrupt), hub_call("It fails"):
        raise KeyboardInterrupt


def test_the_command_line_does_not_import_the_client():
    code = "import sys, ganzoo.cli; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
