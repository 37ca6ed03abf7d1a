"""The package client: which one is started, with which settings, and how it fails."""

import http.server
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from ir_fixtures import DISTRIBUTION, write_wheel
from processes import started
from source_helpers import (
    closed_port,
    create_alone,
    fetch,
    hide_pip,
    refusal,
    rewrite,
    same_images,
    serving,
    use_index,
)


def test_a_distribution_that_does_not_exist_is_named_with_what_to_do(release):
    release.wheel.unlink()
    write_wheel(release.links, release.files, version="1.1")  # another version is not taken instead
    message = refusal(release)
    assert "No matching distribution" in message and "tiny-face 1.0" in message
    assert f"pip install --no-deps {DISTRIBUTION}==1.0" in message


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
        assert same_images(fetch(release), release.generator)
    assert asked == [f"/simple/{DISTRIBUTION}/", f"/w/{release.wheel.name}"]


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for pip is a shell script")
def test_a_pip_that_is_only_a_program_is_used(release, monkeypatch):
    programs = release.folder / "bin"
    programs.mkdir()
    program = programs / "pip"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip "$@"\n')
    program.chmod(0o755)
    hide_pip(monkeypatch, str(programs))
    assert same_images(fetch(release), release.generator)


@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv")
class TestWithUv:
    @pytest.fixture(autouse=True)
    def only_uv(self, release, monkeypatch):
        hide_pip(monkeypatch, str(Path(shutil.which("uv")).parent))
        if shutil.which("pip"):
            pytest.skip("uv and pip lie in one folder")

    def test_uv_serves_where_there_is_no_pip(self, release):
        assert same_images(fetch(release), release.generator)
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
    assert same_images(fetch(release), release.generator)
    assert not elsewhere.exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 always looks in the current folder")
def test_a_module_in_the_current_folder_is_not_taken_for_the_client(release, monkeypatch):
    here = release.folder / "here"
    here.mkdir()
    (here / "pip.py").write_text("raise SystemExit('not the client')\n")
    monkeypatch.chdir(here)
    assert same_images(fetch(release), release.generator)


def test_a_configured_verbosity_does_not_hide_the_clients_reason(release, monkeypatch):
    release.wheel.unlink()
    monkeypatch.setenv("PIP_VERBOSE", "3")
    assert "No matching distribution" in refusal(release)


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to one process")
@pytest.mark.processes
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
        words = (create_alone, release.models, release.cache)
        with started(release.folder / "said", *words) as process:
            assert asked.wait(60)
            assert not gone.is_set()
            process.send_signal(signal.SIGINT)
            status, _, errors = process.finish(60)
        assert status not in (0, None)
        assert "KeyboardInterrupt" in errors
        assert gone.wait(10), "the package client is still running"
    assert release.left_over() == []
