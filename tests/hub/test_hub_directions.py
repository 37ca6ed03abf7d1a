"""Directions go to the Hub with their model, and come back with it."""

import pytest
import torch
from hub_helpers import contents

import ganzoo
from ganzoo.hub.push import push
from ganzoo.latent.direction import Direction, Directions
from ganzoo.latent.directions import read_directions, write_directions
from ganzoo.latent.saved import fingerprint

AGE = Direction("age", torch.eye(64)[3], 0.5, (0, 3), {"changes": "age", "license": "mit"})


def directions_of(folder, mapping=None):
    return Directions((AGE,), mapping or fingerprint(ganzoo.load(folder)), "tiny")


def test_directions_travel_with_their_model(hub, model, tmp_path):
    write_directions(model, directions_of(model))
    commit = push(model, "me/tiny").commit
    assert {"directions.yaml", "directions.safetensors"} < hub.store.files("me/tiny").keys()
    for name in ("hf-hub:me/tiny", f"hf-hub:me/tiny@{commit}"):
        back = read_directions(name, ganzoo.create(name))
        assert torch.equal(back["age"].vector, AGE.vector) and back["age"].rows == (0, 3)
    asked = len(hub.log)
    assert read_directions(f"hf-hub:me/tiny@{commit}").names == ["age"]
    assert len(hub.log) == asked  # a pinned model that is all here asks nothing


@pytest.mark.parametrize("pinned", [False, True])
def test_a_model_on_the_hub_may_have_none(hub, model, pinned):
    commit = hub.store.add("me/tiny", contents(model))
    name = f"hf-hub:me/tiny@{commit}" if pinned else "hf-hub:me/tiny"
    ganzoo.create(name)
    for _ in range(2):
        with pytest.raises(ValueError, match="no directions of 'hf-hub:me/tiny"):
            read_directions(name)


def test_directions_of_another_model_are_not_pushed(hub, model):
    write_directions(model, directions_of(model, tuple(float(i) for i in range(16))))
    with pytest.raises(ValueError, match="of another model, tiny"):
        push(model, "me/tiny")
    assert not hub.log


def test_directions_that_are_absurdly_large_are_not_read(hub, model, monkeypatch):
    write_directions(model, directions_of(model))
    hub.store.add("me/tiny", contents(model))
    monkeypatch.setattr("ganzoo.models.hub_pull._MAX_BESIDE", 10)
    with pytest.raises(OSError, match=r"its directions\.yaml has more than 10 bytes"):
        read_directions("hf-hub:me/tiny")
