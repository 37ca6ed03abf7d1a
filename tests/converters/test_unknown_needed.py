"""A network that needs something of a class that nobody knows: an error that names the place."""

import datetime
import decimal
import pickle  # noqa: TID251 - files are written, none is read

import numpy as np
import pytest
import torch
from fuzz_helpers import dump_tree
from snapshots import foreign_modules
from test_unknown import SNAPSHOT, hooked, networks

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pt"


def snapshot(discriminator=None, **extra):
    """A snapshot's contents, with a discriminator of another package."""
    contents = open_checkpoint(SNAPSHOT)
    return {**contents, "D": discriminator or contents["D"], **extra}


def plain_discriminator():
    """Modules without NVIDIA's persistence, as projected-gan saves its discriminator."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ModuleDict({"blocks": hooked(), "act": torch.nn.SiLU()})
    )


def test_a_discriminator_of_another_package_does_not_hide_the_generators(file):
    file.write_bytes(dump_tree(snapshot(plain_discriminator(), when=datetime.date(2020, 1, 1))))
    conversion = convert_with_account(file)
    assert conversion.part == "generator_ema" and {*conversion.parts} == {"generator_ema", "generator"}
    assert weights_digest(conversion.module) == weights_digest(ganzoo.convert(SNAPSHOT))
    assert conversion.dropped["D.0.weight"] == "no part of a network: D"
    with pytest.raises(ValueError, match=r": D is made by torch\.nn\.modules\.container\.Sequential, which"):
        ganzoo.convert(file, "discriminator")


def change(path, kind, value):
    """The snapshot with an attribute, tensor or module of its moving average replaced."""
    contents = snapshot()
    *modules, name = path.split(".")
    record = contents["G_ema"]
    for module in modules:
        record = record.state["_modules"][module]
    (record.state[kind] if kind else record.state)[name] = value
    return contents


NEEDED = {
    "synthesis.b8.conv0.act_gain": (None, "decimal.Decimal"),
    "synthesis.b8.conv0.use_noise": (None, "decimal.Decimal"),
    "synthesis.b8.conv1.weight": ("_parameters", "decimal.Decimal"),
    "mapping.w_avg": ("_buffers", "numpy.dtype('U3')"),
    "synthesis.b8.conv0": ("_modules", "torch.nn.modules.linear.Linear"),
    "synthesis.added": ("_modules", "decimal.Decimal"),
}


@pytest.mark.parametrize("path", NEEDED)
def test_what_a_network_needs_is_named_with_its_place(path, file):
    kind, name = NEEDED[path]
    value = {"_buffers": np.array(["abc"]), "_modules": torch.nn.Linear(1, 1)}.get(kind, decimal.Decimal(1))
    value = decimal.Decimal(1) if name == "decimal.Decimal" else value
    file.write_bytes(dump_tree(change(path, kind, value)))
    with pytest.raises(ValueError) as caught:
        ganzoo.convert(file)
    expected = f"{file}: G_ema.{path} is made by {name}, which is not known here and was not run: "
    assert str(caught.value) == f"{expected}the generator_ema cannot be had without it."


def test_a_network_that_does_not_need_it_is_converted(file):
    file.write_bytes(dump_tree(change("mapping.w_avg", "_buffers", np.array(["abc"]))))
    assert weights_digest(ganzoo.convert(file, "generator")) == weights_digest(
        ganzoo.convert(SNAPSHOT, "generator")
    )


@pytest.mark.parametrize("key", ["input.input", "convs.0.conv.modulation.bias"])
def test_a_tensor_of_a_state_dict_that_nobody_knows_is_named(key, file, recwarn):
    contents = networks()
    contents["g_ema"][key] = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    torch.save(contents, file)
    with pytest.raises(ValueError, match=rf": g_ema\.{key} is made by torch\._utils\._rebuild_qtensor, "):
        ganzoo.convert(file)
    assert ganzoo.convert(file, "generator").resolution == 32


def test_a_mean_that_nobody_knows_is_not_estimated_in_silence(file):
    torch.save({**networks(), "latent_avg": np.array(["a"])}, file)
    with pytest.raises(ValueError, match=r": latent_avg is made by numpy\.dtype\('U1'\), "):
        ganzoo.convert(file)
    torch.save({**networks(), "latent_avg": decimal.Decimal(1)}, file)
    with pytest.raises(ValueError, match=r": latent_avg is made by decimal\.Decimal, "):
        ganzoo.convert(file)


def test_networks_of_a_stranger_alone_are_named(file):
    torch.save({"g": plain_discriminator(), "g_ema": plain_discriminator()}, file)
    with pytest.raises(ValueError, match=r"as g by torch\.nn\.modules\.container\.Sequential; g_ema"):
        ganzoo.convert(file)
    torch.save(plain_discriminator(), file)
    with pytest.raises(ValueError, match=r"holds what torch\.nn\.modules\.container\.Sequential would make"):
        ganzoo.convert(file)


def test_a_variable_of_tensorflows_that_nobody_knows_is_named(file):
    class Network:
        pass

    def network(**state):
        made = Network()
        made.__dict__.update(version=4, variables=[], components={}, static_kwargs={}, **state)
        return made

    with foreign_modules(Network):
        average = network()
        average.components["mapping"] = network()
        average.components["synthesis"] = network()
        average.components["mapping"].variables += [("Dense0/weight", decimal.Decimal(1))]
        file.write_bytes(pickle.dumps((decimal.Decimal(1), torch.nn.Identity(), average)))
    with pytest.raises(ValueError, match=r"2\.components\.mapping\.variables\.0\.1 is made by decimal"):
        ganzoo.convert(file)
    with pytest.raises(ValueError, match=r": 0 is made by decimal\.Decimal, "):
        ganzoo.convert(file, "generator")
