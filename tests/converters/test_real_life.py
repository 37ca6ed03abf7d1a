"""Files as people have them: prefixes, wrappers, lone networks, odd paths, surprising surroundings."""

import os

import numpy as np
import pytest
import torch
from golden_helpers import GOLDEN

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest

TRAINED = GOLDEN / "rosinality" / "ros_train_32.pt"
CONVERTED = GOLDEN / "rosinality" / "ros_convert_64_cm1.pt"
DISTILLER = GOLDEN / "mobilestylegan" / "msg_32_distiller.ckpt"
SNAPSHOT = GOLDEN / "nvidia_pkl" / "ada_cond_skip_32.pkl"


def state(path, *keys):
    """A state dict of a golden file, as torch tensors."""
    found = open_checkpoint(path)
    for key in keys:
        found = found[key]
    return {name: torch.from_numpy(ref.array()) for name, ref in found.items()}


def saved(path, contents):
    torch.save(contents, path)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pt"


WRAPPERS = {
    "bare": lambda s: s,
    "under state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "under params_ema": lambda s: {"params_ema": s},
    "of parallel training": lambda s: {f"module.{name}": tensor for name, tensor in s.items()},
    "of parallel training, under g_ema": lambda s: {"g_ema": {f"module.{n}": t for n, t in s.items()}},
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_generator_is_found_however_it_was_saved(file, wrapper):
    saved(file, WRAPPERS[wrapper](state(TRAINED, "g_ema")))
    assert weights_digest(ganzoo.convert(file)) == weights_digest(ganzoo.convert(TRAINED))


def test_a_lone_discriminator_is_found(file):
    saved(file, state(TRAINED, "d"))
    expected = ganzoo.convert(TRAINED, "discriminator")
    assert weights_digest(ganzoo.convert(file)) == weights_digest(expected)


@pytest.mark.parametrize("shape", [[32], [1, 32], [1, 1, 32]])
@pytest.mark.parametrize("kind", [torch.from_numpy, np.asarray])
@pytest.mark.parametrize("key", ["g_ema", "g"])
def test_a_recorded_mean_style_is_used_whatever_its_form(file, key, kind, shape):
    mean = np.full(shape, 3.0, dtype=np.float32)
    saved(file, {key: state(CONVERTED, "g_ema"), "latent_avg": kind(mean)})
    conversion = convert_with_account(file)
    assert (conversion.module.mapping.w_avg == 3).all() and "mapping.w_avg" not in conversion.made


def test_the_mean_of_the_moving_average_is_not_given_to_the_raw_generator(file):
    weights = state(CONVERTED, "g_ema")
    saved(file, {"g": weights, "g_ema": weights, "latent_avg": torch.full([32], 3.0)})
    conversion = convert_with_account(file, "generator")
    assert "mapping.w_avg" in conversion.made
    assert conversion.dropped["latent_avg"] == "another network of the file: --part generator_ema"


def test_a_teacher_without_a_student_is_found(file):
    whole = state(DISTILLER, "state_dict")
    saved(file, {"state_dict": {n: t for n, t in whole.items() if not n.startswith("student.")}})
    assert weights_digest(ganzoo.convert(file)) == weights_digest(ganzoo.convert(DISTILLER, "teacher"))


def test_another_module_is_named(file):
    from snapshots import Module, write_nvidia

    write_nvidia(file, G_ema=Module("TriPlaneGenerator", modules={"backbone": Module("Backbone")}))
    with pytest.raises(ValueError, match="TriPlaneGenerator"):
        ganzoo.convert(file)


@pytest.mark.parametrize("spelling", ["g_ema", "G_ema"])
def test_a_part_may_be_spelled_as_in_the_file(spelling):
    assert weights_digest(ganzoo.convert(TRAINED, spelling)) == weights_digest(ganzoo.convert(TRAINED))


@pytest.mark.parametrize("form", [str, lambda p: p, lambda p: [p], lambda p: iter([str(p)])])
def test_a_path_may_have_any_usual_form(form):
    assert isinstance(ganzoo.convert(form(SNAPSHOT)), ganzoo.Generator)


@pytest.mark.parametrize("path", [5, b"a.pkl", None])
def test_what_is_no_path_is_a_misuse(path):
    with pytest.raises(TypeError, match="given by its path"):
        ganzoo.convert(path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="no regular file"):
        ganzoo.convert(tmp_path / "pipe")


def test_an_address_is_told_from_a_path():
    with pytest.raises(ValueError, match="download the file first"):
        ganzoo.convert("https://example.org/a.pkl")


def test_weights_that_overflow_are_refused(file):
    weights = state(DISTILLER, "state_dict")
    huge = {n: torch.full_like(t, 3e38) if n.endswith("modulation.weight") else t for n, t in weights.items()}
    saved(file, {"state_dict": huge})
    with pytest.raises(ValueError, match="infinite or NaN"):
        ganzoo.convert(file)


def test_a_mean_style_that_is_not_a_number_is_refused(file):
    weights = state(CONVERTED, "g_ema")
    saved(file, {n: torch.full_like(t, 3e38) if n.startswith("style.") else t for n, t in weights.items()})
    with pytest.raises(ValueError, match="infinite or NaN"):
        ganzoo.convert(file)


def test_the_surroundings_do_not_matter():
    expected = weights_digest(ganzoo.convert(TRAINED))
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
            generator = ganzoo.convert(TRAINED)
    finally:
        torch.set_default_dtype(torch.float32)
    assert weights_digest(generator) == expected and torch.equal(torch.get_rng_state(), before)
    assert not any(parameter.is_inference() for parameter in generator.parameters())


def test_half_of_a_download_is_told_from_a_stranger(file):
    file.write_bytes(TRAINED.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="cut off"):
        ganzoo.convert(file)


@pytest.mark.parametrize("contents", [b"hello, world\n", b"# Faces\n", b"\x00" * 100, b"ELF and so on" * 9])
def test_what_is_no_checkpoint_at_all_is_called_so(file, contents):
    file.write_bytes(contents)
    with pytest.raises(ValueError, match=r"neither a file of torch\.save nor a pickle"):
        ganzoo.convert(file)


def test_a_label_that_is_no_tensor_is_a_misuse():
    generator = ganzoo.convert(SNAPSHOT)
    with pytest.raises(TypeError, match="one-hot"):
        generator(generator.sample_z(1), "3")
