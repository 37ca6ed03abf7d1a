"""A distribution that is installed already is read where it lies."""

import shutil

from source_helpers import fetch, refusal, same_images


def test_an_installed_distribution_is_read_where_it_lies(release, monkeypatch, without_client):
    release.install(monkeypatch)
    assert same_images(fetch(release), release.generator)


def test_a_changed_file_of_an_installed_distribution_is_refused(release, monkeypatch, without_client):
    path = release.install(monkeypatch) / "tiny_face/data/SynthesisNetwork.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    message = refusal(release)
    assert "SynthesisNetwork.bin" in message and "not the published one" in message


def test_a_missing_file_of_an_installed_distribution_is_named(release, monkeypatch, without_client):
    (release.install(monkeypatch) / "tiny_face/data/SynthesisNetwork.bin").unlink()
    message = refusal(release)
    assert "SynthesisNetwork.bin" in message and "reinstall" in message


def test_an_installed_distribution_of_another_version_is_ignored(release, monkeypatch):
    site = release.install(monkeypatch)
    (site / "tiny_face-1.0.dist-info").rename(site / "tiny_face-0.9.dist-info")
    metadata = site / "tiny_face-0.9.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "0.9"))
    shutil.rmtree(site / "tiny_face")
    assert same_images(fetch(release), release.generator)
