"""A tiny network from the factory, and what the factory says."""

import pytest

import ganzoo
from ganzoo.models.factory import create

TINY = {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 4, "w_dim": 4}


# A BigGAN cuts z into a chunk for each row, and its w is as wide as class and z make it.
BIGGAN = {**TINY, "z_dim": 6, "w_dim": 0}


def tiny(name: str = "mobilestylegan", **overrides: object) -> ganzoo.Generator:
    return create(name, **{**(BIGGAN if name.startswith("biggan") else TINY), **overrides})


def message(name: str, kind: type[Exception] = ValueError, **arguments: object) -> str:
    """What `create` says, in one line."""
    with pytest.raises(kind) as caught:
        create(name, **arguments)
    text = str(caught.value)
    assert text and "\n" not in text
    return text
