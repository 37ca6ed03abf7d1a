import json
import resource
import time

import pytest
import torch
from helpers import styled_layers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ganzoo.models.weights
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.factory import build
from ganzoo.models.weights import (
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    WEIGHTS_FILE,
    load,
    save,
    stored_digest,
    weights_digest,
)

NETWORKS = {
    "stylegan2": {},
    "mobilestylegan": {
        "output": "wavelet",
        "upsampler": "idwt",
        "conv": "depthwise",
        "demodulation": "static",
        "head": "aux",
    },
}
A_TENSOR = "synthesis.levels.0.conv.conv.weight"


def tiny(network="stylegan2", **settings):
    data = {"resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 4, "w_dim": 4}
    data["mapping"] = {"name": "mlp", "depth": 1}
    return GeneratorConfig.from_dict({**data, **NETWORKS[network], **settings})


@pytest.fixture
def generator():
    return build(tiny())


@pytest.fixture
def folder(generator, tmp_path):
    """A saved generator."""
    save(generator, tmp_path)
    return tmp_path


def rewrite_weights(folder, change):
    """Save the folder's weights again, as `change` leaves them."""
    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)


def rewrite_config(folder, change):
    """Write the folder's config again, as `change` leaves it."""
    data = json.loads((folder / CONFIG_FILE).read_text())
    change(data)
    (folder / CONFIG_FILE).write_text(json.dumps(data))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# There and back


@pytest.mark.parametrize("network", NETWORKS)
def test_a_saved_generator_loads_bit_for_bit(network, tmp_path):
    generator = build(tiny(network), seed=3)
    save(generator, tmp_path / "new" / "folder")
    loaded = load(tmp_path / "new" / "folder")
    assert loaded.config == generator.config
    assert loaded.state_dict().keys() == generator.state_dict().keys()
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_loaded_generator_is_ready_for_use_and_for_training(folder):
    loaded = load(folder)
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])


def test_the_mean_style_and_the_noise_are_saved(generator, tmp_path):
    with torch.no_grad():
        generator.mapping.w_avg.fill_(0.5)
        styled_layers(generator)[0].noise.const.fill_(0.25)
    save(generator, tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(loaded.mapping.w_avg, generator.mapping.w_avg)
    assert torch.equal(styled_layers(loaded)[0].noise.const, styled_layers(generator)[0].noise.const)


def test_a_model_folder_holds_a_config_and_weights(folder):
    assert set(contents(folder)) == {"config.json", "model.safetensors"}
    data = json.loads((folder / CONFIG_FILE).read_text())
    assert data["schema_version"] == 2
    assert data["ganzoo_version"] == ganzoo.__version__
    assert data["config"] == tiny().to_dict()


def test_saving_again_replaces_the_files(folder):
    other = build(tiny(), seed=5)
    save(other, folder)
    assert torch.equal(load(folder).synthesis.levels[0].const, other.synthesis.levels[0].const)
    assert set(contents(folder)) == {CONFIG_FILE, WEIGHTS_FILE}


def test_saved_files_have_the_usual_permissions(folder):
    (folder / "other").touch()
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert len(modes) == 1


def test_saving_leaves_the_generator_alone(generator, tmp_path):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    save(generator, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_weights_in_another_memory_layout_are_saved(generator, tmp_path):
    save(generator.to(memory_format=torch.channels_last), tmp_path)
    assert torch.equal(load(tmp_path).state_dict()[A_TENSOR], generator.state_dict()[A_TENSOR])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_generator_in_another_precision_saves_and_loads_as_float32(generator, tmp_path, dtype):
    save(generator.to(dtype), tmp_path)
    for name, tensor in load(tmp_path).state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, generator.state_dict()[name].float())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_file_in_half_precision_loads_as_float32(folder, generator, dtype):
    rewrite_weights(folder, lambda tensors: tensors.update({k: v.to(dtype) for k, v in tensors.items()}))
    for name, tensor in load(folder).state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, generator.state_dict()[name].to(dtype).float())


def test_the_digest_is_that_of_the_weights(folder, generator):
    assert stored_digest(folder / WEIGHTS_FILE) == weights_digest(generator) == weights_digest(load(folder))
    assert weights_digest(generator) != weights_digest(build(tiny(), seed=1))


def test_metadata_is_written_beside_the_digest(generator, tmp_path):
    path = tmp_path / "weights.safetensors"
    ganzoo.models.weights.write_weights(generator, path, {"model": "mine"})
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["model"] == "mine"
    assert metadata["weights_sha256"] == weights_digest(generator)


# Weights that do not fit


def test_a_missing_tensor_is_an_error_that_names_it(folder):
    rewrite_weights(folder, lambda tensors: tensors.pop(A_TENSOR))
    with pytest.raises(ValueError, match=rf"missing \(1\): {A_TENSOR}\."):
        load(folder)


def test_a_tensor_left_over_is_an_error_that_names_it(folder):
    rewrite_weights(folder, lambda tensors: tensors.update(extra=torch.zeros(2)))
    with pytest.raises(ValueError, match=r"left over \(1\): extra\."):
        load(folder)


def test_a_misshaped_tensor_is_an_error_that_names_it_and_both_shapes(folder):
    rewrite_weights(folder, lambda tensors: tensors.update({A_TENSOR: torch.zeros(8, 8, 1, 9)}))
    with pytest.raises(ValueError, match=rf"{A_TENSOR} \[8, 8, 1, 9\] instead of \[8, 8, 3, 3\]"):
        load(folder)


def test_a_tensor_of_integers_is_an_error_that_names_it(folder):
    rewrite_weights(folder, lambda tensors: tensors.update({A_TENSOR: tensors[A_TENSOR].int()}))
    with pytest.raises(ValueError, match=rf"not floating point \(1\): {A_TENSOR} I32"):
        load(folder)


def test_all_faults_of_a_file_are_told_at_once_and_long_lists_cut_short(folder):
    def change(tensors):
        tensors.pop(A_TENSOR)
        tensors.update({f"extra{i}": torch.zeros(1) for i in range(9)})

    rewrite_weights(folder, change)
    with pytest.raises(ValueError, match=r"missing \(1\).*left over \(9\): extra0.*extra4 and 4 more"):
        load(folder)


def truncated(data):
    return data[:-10]


def without_header(data):
    return data[:6]


def text(data):
    return b"hello, world: this is no model" * 10


def nothing(data):
    return b""


def huge_header(data):
    return (2**62).to_bytes(8, "little") + data[8:]


@pytest.mark.parametrize("damage", [truncated, without_header, text, nothing, huge_header])
def test_a_file_that_is_not_whole_is_an_error_that_names_it(folder, damage):
    path = folder / WEIGHTS_FILE
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"model\.safetensors is not a whole safetensors file"):
        load(folder)


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_an_error_that_names_it(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load(folder)


def test_a_missing_folder_is_an_error_that_says_what_a_model_holds(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds config\.json and model\.safetensors"):
        load(tmp_path / "absent")


def test_nothing_is_allocated_before_the_header_is_compared(folder):
    def widen(data):  # to a network of about 100 GB
        data["config"].update(resolution=2048, channels=[8192] * 10, z_dim=8192, w_dim=8192)

    rewrite_config(folder, widen)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match=r"missing \(\d+\).*misshaped"):
        load(folder)
    assert time.perf_counter() - start < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


# Configs that do not fit


def set_at(*keys, value):
    def change(data):
        for key in keys[:-1]:
            data = data[key]
        data[keys[-1]] = value

    return change


BAD_CONFIGS = {
    "unknown key": (set_at("colour", value=1), r"Unknown key: 'colour'"),
    "unknown setting": (set_at("config", "colour", value=1), "'colour'"),
    "near setting": (set_at("config", "chanels", value=[8]), "Did you mean 'channels'"),
    "target": (set_at("config", "conv", "_target_", value="os.system"), "'_target_'"),
    "unknown block": (set_at("config", "conv", "name", value="os.system"), "Unknown conv: 'os.system'"),
    "no block": (set_at("config", "conv", value=None), "conv"),
    "list for a block": (set_at("config", "conv", value=["full"]), "conv"),
    "later schema": (set_at("schema_version", value=99), "schema_version 99"),
    "no schema": (lambda data: data.pop("schema_version"), "schema_version None"),
    "no config": (lambda data: data.pop("config"), "must hold"),
    "config of another kind": (set_at("config", value=[]), "must hold"),
    "no resolution": (lambda data: data["config"].pop("resolution"), "resolution"),
    "huge resolution": (set_at("config", "resolution", value=2**40), "resolution"),
    "huge width": (set_at("config", "channels", value=[8, 10**9]), "width"),
    "many widths": (set_at("config", "channels", value=[8] * 1000), "channels"),
    "huge z_dim": (set_at("config", "z_dim", value=10**12), "z_dim"),
    "huge label": (set_at("config", "label_dim", value=10**12), "label_dim"),
    "huge depth": (set_at("config", "mapping", "depth", value=10**9), "depth"),
    "huge kernel": (set_at("config", "conv", "kernel_size", value=10**9), "kernel_size"),
    "many taps": (set_at("config", "upsampler", "taps", value=[1.0] * 1000), "taps"),
    "taps without a sum": (
        set_at("config", "upsampler", "taps", value=[1.0, -1.0]),
        "other than 0",
    ),
    "infinite clamp": (set_at("config", "clamp", value=float("inf")), "clamp"),
    "clamp beyond floats": (set_at("config", "clamp", value=10**400), "clamp"),
    "no number": (set_at("config", "activation_gain", value=float("nan")), "activation_gain"),
    "text for a number": (set_at("config", "w_dim", value="512"), "w_dim"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_config_that_is_not_exactly_right_is_an_error_that_names_the_key(folder, case):
    change, message = BAD_CONFIGS[case]
    rewrite_config(folder, change)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"hello", b"\xff\xfe\x00", b"[" * 100_000, b"1" * 10_000])
def test_a_config_that_is_no_json_is_an_error_that_names_the_file(folder, content):
    (folder / CONFIG_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        load(folder)


@pytest.mark.parametrize("content", ["[]", "null", "3", '"config"', "{}"])
def test_a_config_that_is_no_object_is_an_error_that_names_the_file(folder, content):
    (folder / CONFIG_FILE).write_text(content)
    with pytest.raises(ValueError, match=r"config\.json must hold schema_version"):
        load(folder)


def test_a_config_that_is_too_large_is_not_read(folder):
    path = folder / CONFIG_FILE
    path.write_text(path.read_text() + " " * MAX_CONFIG_BYTES)
    with pytest.raises(ValueError, match=rf"larger than {MAX_CONFIG_BYTES} bytes"):
        load(folder)


# Saving that fails


def fail(*args, **kwargs):
    raise OSError("No space left on device")


def test_a_failed_save_leaves_the_old_files_and_no_temporary_one(folder, monkeypatch):
    before = contents(folder)
    monkeypatch.setattr(ganzoo.models.weights, "save_file", fail)
    with pytest.raises(OSError, match="No space left"):
        save(build(tiny(), seed=5), folder)
    assert contents(folder) == before


def test_a_save_that_stops_half_way_leaves_the_old_files_and_no_temporary_one(folder, monkeypatch):
    def stop(tensors, path, metadata):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    before = contents(folder)
    monkeypatch.setattr(ganzoo.models.weights, "save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        save(build(tiny(), seed=5), folder)
    assert contents(folder) == before


@pytest.mark.parametrize("thing", [torch.nn.Linear(2, 2), None, "stylegan2"])
def test_only_a_generator_is_saved(tmp_path, thing):
    with pytest.raises(TypeError, match="save takes a Generator"):
        save(thing, tmp_path / "new")
    assert not (tmp_path / "new").exists()
