"""The command, where no page is served."""

import importlib.util

import pytest
from helpers import assert_one_line


def test_options_of_the_demo_are_frozen(run):
    # Scripts rely on these names: a change here is a change for users.
    text = run("demo", "--help")[1]
    names = [
        "directions",
        "runtime",
        "precision",
        "threads",
        "device",
        "host",
        "port",
        "open",
        "no-open",
        "cache-dir",
    ]
    assert [name for name in names if f"--{name}" not in text] == []


def test_an_address_of_another_machine_is_told(run):
    assert_one_line(run("demo", "x", "--host", "192.0.2.1"), "cannot listen at 192.0.2.1", "--host")


@pytest.mark.skipif(importlib.util.find_spec("gradio") is not None, reason="Gradio is installed")
def test_a_missing_gradio_is_told_with_its_extra(run, demo_folder):
    assert_one_line(run("demo", demo_folder), "gradio", 'pip install ".[demo]"')
