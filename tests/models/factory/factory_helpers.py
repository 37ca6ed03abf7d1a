"""A tiny network from the factory, and what the factory says."""

import pytest

import ganzoo
from ganzoo.models.factory import create

TINY = {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 4, "w_dim": 4}


def tiny(name: str = "mobilestylegan", **overrides: object) -> ganzoo.Generator:
    return create(name, **{**TINY, **overrides})


def message(name: str, kind: type[Exception] = ValueError, **arguments: object) -> str:
    """What `create` says, in one line."""
    with pytest.raises(kind) as caught:
        create(name, **arguments)
    text = str(caught.value)
    assert text and "\n" not in text
    return text
