"""Safetensors files of other programs as a source, and ganzoo's own, which are none."""

import json

import pytest
import torch
from foreign_names import DISTILLER, TRAINED, mmagic, prefixed, state
from safetensors.torch import save_file

import ganzoo
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest

EMA, RAW = state(TRAINED, "g_ema"), state(TRAINED, "g")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.safetensors"


CONTENTS = {
    "bare": (EMA, "generator"),
    "wrapped": (prefixed("module._orig_mod.", EMA), "generator"),
    "two networks": ({**prefixed("generator.", RAW), **prefixed("generator_ema.", EMA)}, "generator_ema"),
    "names of mmagic": (mmagic(EMA), "generator"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_safetensors_file_gives_the_network_of_the_plain_file_bit_for_bit(file, case):
    tensors, part = CONTENTS[case]
    save_file(tensors, file, metadata={"format": "pt"})
    found = convert_with_account(file)
    assert found.part == part
    assert weights_digest(found.module) == weights_digest(ganzoo.convert(TRAINED))
    assert sorted([*found.used, *found.dropped]) == sorted(tensors)


def test_a_distiller_as_safetensors_has_all_its_networks(file):
    save_file(state(DISTILLER, "state_dict"), file)
    for part in ("student", "teacher", "discriminator"):
        expected = weights_digest(ganzoo.convert(DISTILLER, part))
        assert weights_digest(ganzoo.convert(file, part)) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(file, dtype):
    save_file({name: tensor.to(dtype) for name, tensor in EMA.items()}, file)
    found, plain = ganzoo.convert(file), ganzoo.convert(TRAINED)
    expected = plain.synthesis.levels[0].const.to(dtype).float()
    assert torch.equal(found.synthesis.levels[0].const, expected)


def test_ganzoos_own_weights_are_told_with_what_to_do(tmp_path):
    folder = tmp_path / "model"
    ganzoo.save(ganzoo.convert(TRAINED), folder)
    with pytest.raises(ValueError, match=rf"their folder is a model: ganzoo generate {folder}\."):
        ganzoo.convert(folder / "model.safetensors")
    (folder / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        ganzoo.convert(folder / "model.safetensors")


def test_a_file_without_a_network_is_told_by_its_names(file):
    save_file({"lora.up": torch.ones(2), "lora.down": torch.ones(2)}, file)
    with pytest.raises(ValueError, match=r"dict of 2 \(lora\.down, lora\.up\).*no network that ganzoo knows"):
        ganzoo.convert(file)


def cut(data):
    return data[:-100]


def longer_header(data):
    return (int.from_bytes(data[:8], "little") + 9).to_bytes(8, "little") + data[8:]


def beyond_the_end(data):
    header = {"input.input": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(64)


@pytest.mark.parametrize("damage", [cut, longer_header, beyond_the_end])
def test_a_damaged_file_gets_one_line(file, damage):
    save_file(EMA, file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match="no whole safetensors file") as caught:
        ganzoo.convert(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
