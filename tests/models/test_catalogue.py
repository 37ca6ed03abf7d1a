"""What `ganzoo list` reads from files is what the code says, and it waits for no PyTorch."""

import subprocess
import sys

import pytest
from covering import thinned
from recipe_helpers import FEW

import ganzoo
from ganzoo.blocks import KINDS
from ganzoo.models import catalogue
from ganzoo.models.cost import costs
from ganzoo.models.entries import BundledSource
from ganzoo.models.factory import config_of
from ganzoo.models.published import cached_weights, list_models, model_entry
from ganzoo.models.recipes import list_recipes


@pytest.mark.parametrize("name", thinned(list_recipes(), FEW))
def test_the_costs_of_a_recipe_in_the_registry_are_those_counted_anew(name):
    config = config_of(name)
    parts = costs(config, deployed=False).values()
    [shown] = catalogue.recipes(name)
    assert shown == {
        "name": name,
        "resolution": config.resolution,
        "parameters": sum(part.parameters + part.static for part in parts),
        "macs": sum(part.macs for part in parts),
    }


def test_the_catalogue_knows_the_recipes_and_no_others():
    assert [recipe["name"] for recipe in catalogue.recipes()] == list_recipes()
    assert sorted(catalogue._read(catalogue.COSTS)) == list_recipes()


@pytest.mark.parametrize("name", list_models())
def test_the_catalogue_says_of_a_model_what_its_entry_says(name):
    [shown], entry = catalogue.models(name), model_entry(name)
    assert shown["resolution"] == config_of(name).resolution
    assert shown["parameters"] == sum(entry.parameters.values()) and shown["macs"] == sum(entry.macs.values())
    assert shown["bundled"] == entry.is_bundled and shown["external"] == (entry.external is not None)
    whole = [entry] if entry.base is None else [entry, model_entry(entry.base)]
    assert shown["cached"] == any(cached_weights(e).is_file() for e in whole)
    assert shown["license"] == dict(entry.license) and shown["base"] == entry.base
    bundled = [source.bytes for source in entry.sources if isinstance(source, BundledSource)]
    assert shown["packaged"] == sum(bundled)
    if entry.external is None and not entry.is_bundled:
        assert shown["download"] == whole[-1].sources[0].bytes


def test_models_stand_by_family_and_size():
    found = [model["name"] for model in catalogue.models()]
    assert sorted(found) == list_models() and found[0] == "mobilestylegan_ffhq"
    mobile = [m["resolution"] for m in catalogue.family("mobilestylegan_ffhq")][1:]
    assert mobile == sorted(mobile) and 64 in mobile
    assert catalogue.family("mobilestylegan_ffhq_64_lite") == catalogue.family("mobilestylegan_ffhq")
    assert [m["name"] for m in catalogue.family("stylegan2_ffhq")] == ["stylegan2_ffhq"]
    assert catalogue.family("nothing") == []


def test_the_catalogue_knows_the_blocks_in_their_order():
    assert catalogue.blocks() == {kind: ganzoo.list_blocks(kind) for kind in KINDS}
    assert list(catalogue.blocks()) == list(KINDS)
    assert catalogue.blocks("idw*")["upsampler"] == ["idwt"] and not catalogue.blocks("idw*")["conv"]


LIST = """
import sys
from ganzoo.cli import main
for options in ([], ["--json"], ["--markdown"], ["*ffhq*"]):
    sys.argv = ["ganzoo", "list", *options]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, options
    assert "torch" not in sys.modules, options
"""


@pytest.mark.processes
def test_list_does_not_wait_for_torch():
    result = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
