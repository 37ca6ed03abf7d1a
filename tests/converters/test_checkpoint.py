"""Checkpoint files of the original implementations, read without running them."""

import argparse
import collections
import json
import pickle  # noqa: TID251 - files are written, none is read
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.contents import ArrayRef, Record, TensorRef
from ganzoo.converters.unknown import Name

GOLDEN = Path(__file__).parents[1] / "golden"
ZIPS = sorted([*GOLDEN.glob("rosinality/*.pt"), *GOLDEN.glob("mobilestylegan/*.ckpt")], key=lambda p: p.name)
PICKLES = sorted(GOLDEN.glob("nvidia_pkl/*.pkl"))


read_once = cache(open_checkpoint)


def leaves(value, path=()):
    """Every tensor and scalar of a nested structure, by its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from leaves(item, (*path, i))
    elif isinstance(value, Record | argparse.Namespace):
        yield from leaves(value.state if isinstance(value, Record) else vars(value), path)
    else:
        yield path, value


def modules(record, prefix=""):
    """Tensors of a pickled module tree, by their dotted names."""
    for kind in ("_parameters", "_buffers"):
        for name, tensor in record.state[kind].items():
            if tensor is not None:
                yield prefix + name, tensor
    for name, child in record.state["_modules"].items():
        yield from modules(child, f"{prefix}{name}.")


@pytest.mark.parametrize("path", ZIPS, ids=lambda p: p.name)
def test_a_zip_file_holds_what_torch_reads_from_it(path):
    with torch.serialization.safe_globals([argparse.Namespace]):
        expected = dict(leaves(torch.load(path, weights_only=True)))  # noqa: TID251 - the reference
    found = dict(leaves(open_checkpoint(path)))
    assert list(found) == list(expected)
    for key, value in found.items():
        if isinstance(value, TensorRef):
            assert np.array_equal(value.array(), expected[key].numpy())
        else:
            assert value == expected[key]


@pytest.mark.parametrize("path", PICKLES, ids=lambda p: p.name)
@pytest.mark.parametrize("part", ["G", "G_ema", "D"])
def test_a_snapshot_holds_its_networks_tensors(path, part):
    manifest = json.loads((GOLDEN / "tensors.json").read_text())
    found = {name: list(t.shape) for name, t in modules(read_once(path)[part])}
    expected = manifest[path.name].get(part)
    assert found == expected if expected else found


def test_the_numbers_of_a_snapshot_are_those_of_the_network():
    snapshot = open_checkpoint(GOLDEN / "nvidia_pkl" / "ada_uncond_skip_32.pkl")
    tensors = dict(modules(snapshot["G_ema"]))
    filters = tensors["synthesis.b8.resample_filter"].array()
    assert np.allclose(filters, np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64)
    assert tensors["mapping.w_avg"].array().std() > 0


def test_what_a_module_was_made_with_is_kept_and_its_source_is_not():
    generator = open_checkpoint(GOLDEN / "nvidia_pkl" / "ada_cond_skip_32.pkl")["G_ema"]
    assert generator.cls == "Generator" and generator.state["_init_kwargs"]["c_dim"] == 5
    assert "module_src" not in repr(generator.state)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
def test_every_kind_of_number_is_read_from_both_layouts_of_torch_save(tmp_path, zipped, dtype):
    tensor = torch.arange(24).reshape(2, 3, 4).to(dtype)
    path = tmp_path / "a.pt"
    torch.save({"a": tensor[1:, :, ::2].transpose(1, 2)}, path, _use_new_zipfile_serialization=zipped)
    got = open_checkpoint(path)["a"].array()
    assert np.array_equal(got, tensor[1:, :, ::2].transpose(1, 2).float().numpy().astype(got.dtype))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_scalars_and_arrays_are_read(tmp_path, protocol):
    torch.save(
        {"scalar": np.float64(2.5), "array": np.arange(6.0).reshape(2, 3)},
        tmp_path / "a",
        pickle_protocol=protocol,
    )
    found = open_checkpoint(tmp_path / "a")
    assert found["scalar"] == 2.5 and isinstance(found["array"], ArrayRef)
    assert np.array_equal(found["array"].array(), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("core", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_numpy_is_read_under_its_old_and_its_new_name(tmp_path, protocol, core):
    value = {
        "gain": np.sqrt(2),
        "half": np.float16(0.5),
        "truth": np.bool_(True),
        "big": np.arange(3, dtype=">f4"),
        "order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros((0, 3), np.float32),
    }
    data = pickle.dumps(value, protocol)
    for name in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        # in protocol 4 the length comes first: in one byte, and in the frame, which is not looked at
        data = data.replace(b"\x8c" + bytes([len(name)]) + name, b"\x8c" + bytes([len(core)]) + core)
        data = data.replace(b"c" + name + b"\n", b"c" + core + b"\n")
    (tmp_path / "a").write_bytes(data)
    found = open_checkpoint(tmp_path / "a")
    assert (found["gain"], found["half"], found["truth"]) == (np.sqrt(2), 0.5, True)
    for name in ("big", "order", "none"):
        assert found[name].array().shape == value[name].shape
        assert np.array_equal(found[name].array(), value[name])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_things_of_all_protocols_are_read(tmp_path, protocol):
    value = {
        "names": {"a"},
        "bytes": (b"", b"abc", bytes(range(256)) * 2),
        "counts": collections.defaultdict(list, {"a": [1.5]}),
        "ordered": collections.OrderedDict([("b", 2**70), (3, -1)]),
        "size": (torch.Size([2, 3]), torch.device("cpu")),
        "optimiser": {"state": {0: {"step": 1}}, (0.9, 0.99): None, None: True},
        "options": argparse.Namespace(batch=8, path=None),
        "text": "zwei\nZeilen, ä 🍌",
    }
    torch.save(value, tmp_path / "a", pickle_protocol=protocol)
    found = open_checkpoint(tmp_path / "a")
    assert list(found) == list(value) and set(found["names"]) == {"a"}
    assert tuple(map(bytes, found["bytes"])) == value["bytes"]
    for name in ("counts", "ordered", "optimiser", "text"):
        assert found[name] == value[name]
    assert found["size"] == ((2, 3), "cpu") and found["options"].state == {"batch": 8, "path": None}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_lightning_file_whose_callbacks_have_classes_for_keys_is_read(tmp_path, zipped):
    value = {
        "epoch": 3,
        "pytorch-lightning_version": "1.0.2",
        "callbacks": {argparse.ArgumentParser: {"best_model_score": torch.tensor(0.5), "dirpath": ""}},
        "hparams_type": argparse.Namespace,
        "state_dict": {f"module.{k}": v for k, v in torch.nn.Linear(2, 2).state_dict().items()},
    }
    torch.save(value, tmp_path / "a", _use_new_zipfile_serialization=zipped)
    found = open_checkpoint(tmp_path / "a")
    [(key, callback)] = found["callbacks"].items()
    assert key == Name("argparse", "ArgumentParser") and callback["best_model_score"].array() == 0.5
    assert list(found["state_dict"]) == ["module.weight", "module.bias"]


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_that_are_views_of_one_storage_are_read_apart(tmp_path, zipped):
    whole = torch.arange(12.0, dtype=torch.bfloat16)
    value = {"a": whole[:4].view(2, 2).T, "b": whole[2:3], "c": whole[5], "d": whole[:0], "e": whole}
    torch.save(value, tmp_path / "a", _use_new_zipfile_serialization=zipped)
    for name, ref in open_checkpoint(tmp_path / "a").items():
        assert ref.array().shape == value[name].shape and ref.array().dtype == np.float32
        assert np.array_equal(ref.array(), value[name].float().numpy())


def test_a_changed_number_is_noticed_by_its_checksum(tmp_path):
    tensor = torch.full([1000], 7.0)
    torch.save({"a": tensor}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    place = data.index(tensor.numpy().tobytes())
    (tmp_path / "a.pt").write_bytes(data[:place] + b"\x01" + data[place + 1 :])
    with pytest.raises(ValueError, match="damaged"):
        open_checkpoint(tmp_path / "a.pt")["a"].array()


def test_a_missing_and_an_empty_file_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        open_checkpoint(tmp_path / "empty")
