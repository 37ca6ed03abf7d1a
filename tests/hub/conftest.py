"""A Hub on the loopback interface, a client that knows no other, and a model to send there."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.utils._http as client_http
import pytest
import torch
from helpers import styled_layers
from hub_server import HubServer
from huggingface_hub import constants

import ganzoo
from ganzoo.cards.signature import signed

CARD = """---
license: mit
library_name: ganzoo
tags: [ganzoo, generator]
---

# tiny

A generator of nothing in particular.

```python
import ganzoo

G = ganzoo.load("tiny")  # this folder
```

## Lineage

Random weights of seed 0, made by this test.
"""


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A saved MobileStyleGAN of 64 x 64 whose weights no seed gives, with a card."""
    folder = tmp_path_factory.mktemp("saved") / "tiny"
    sizes = {"resolution": 64, "channel_base": 512, "channel_max": 32, "z_dim": 64, "w_dim": 64}
    generator = ganzoo.create("mobilestylegan", **sizes)
    with torch.no_grad():
        generator.synthesis.levels[0].const.add_(1)
        styled_layers(generator)[0].bias.add_(0.1)
    ganzoo.save(generator, folder, golden=True)
    (folder / "README.md").write_text(signed(CARD))
    return folder


@pytest.fixture
def model(saved, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(saved, tmp_path / "tiny"))


@pytest.fixture
def server(tmp_path):
    """The Hub."""
    with HubServer(tmp_path / "hub") as server:
        yield server


@pytest.fixture
def connect(monkeypatch):
    """Tell the client in this process another address."""

    def call(url):
        resolve = "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + resolve)

    return call


@pytest.fixture
def hub(server, connect, tmp_path, monkeypatch):
    """The Hub, with a client in this process that knows its address and its owner's token."""
    home = tmp_path / "home"
    connect(server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(home / "xet"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(client_http, "time", SimpleNamespace(sleep=lambda seconds: None))  # between attempts
    monkeypatch.setenv("HF_XET_CACHE", str(home / "xet"))
    monkeypatch.setenv("HF_TOKEN", server.token)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return server


@pytest.fixture
def stranger(monkeypatch):
    """Nobody is logged in."""
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nonexistent")
