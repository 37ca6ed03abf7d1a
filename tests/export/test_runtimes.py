"""A generator in another engine is called like the generator, and gives its images."""

import copy
import faulthandler
import functools
import gc
import itertools
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from export_helpers import close, small, written
from helpers import assert_one_line
from PIL import Image, ImageChops
from processes import started

import ganzoo
from ganzoo import runtimes
from ganzoo.generators import generator as module

RUNTIMES = ["openvino", "onnxruntime", "torch"]


@pytest.fixture(scope="module", params=RUNTIMES)
def engine(request, folder, session_cache):
    return runtimes.load(str(folder), request.param, cache_dir=session_cache / "ganzoo")


def test_a_runtime_gives_the_generators_styles_and_images(engine, generator):
    z = generator.sample_z(3, seed=5)
    assert torch.equal(engine.sample_z(3, seed=5), z)
    for truncation in ({}, {"truncation_psi": 0.5}, {"truncation_psi": 0.5, "truncation_cutoff": 2}):
        close(engine.mapping(z, **truncation), generator.mapping(z, **truncation))
    close(engine(z, truncation_psi=0.7), generator(z, truncation_psi=0.7))
    w = torch.randn(2, generator.num_ws, generator.w_dim)
    close(engine.synthesis(w).image, generator.synthesis(w).image)


def test_a_image_stays_what_it_is_when_the_next_one_is_made(engine, generator):
    first, second = torch.randn(2, 1, generator.num_ws, generator.w_dim)
    image = engine.synthesis(first).image
    engine.synthesis(second)
    close(image, generator.synthesis(first).image)


# OpenVINO's files without noise are made and run on the same way as those of ONNX, which take long.
NOISES = [
    pytest.param(*row, marks=pytest.mark.slow if row == ("onnxruntime", "none") else ())
    for row in itertools.product(RUNTIMES, ["none", "random", "list"])
]


@pytest.mark.parametrize(("engine", "noise"), NOISES, indirect=["engine"])
def test_a_runtime_takes_the_generators_noise(engine, generator, noise):
    w = torch.randn(2, generator.num_ws, generator.w_dim)
    expected = generator.synthesis(
        w, "random" if noise == "list" else noise, torch.Generator().manual_seed(3)
    )
    given = expected.noise if noise == "list" else noise
    got = engine.synthesis(w, given, torch.Generator().manual_seed(3))
    close(got.image, expected.image)
    assert len(got.noise) == len(expected.noise)
    assert all(torch.equal(a, b) for a, b in zip(got.noise, expected.noise, strict=True))


def test_a_runtime_refuses_what_a_generator_refuses(engine):
    with pytest.raises(ValueError, match="w has shape"):
        engine.synthesis(torch.zeros(1, 2, 8))
    with pytest.raises(ValueError, match="z has shape"):
        engine.mapping(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="const, random, none"):
        engine.synthesis(torch.zeros(1, engine.num_ws, engine.w_dim), noise="loud")
    with pytest.raises(ValueError, match="needs generator="):
        engine.synthesis(torch.zeros(1, engine.num_ws, engine.w_dim), noise="random")


def test_no_image_is_an_empty_batch(engine):
    assert engine.synthesis(torch.zeros(0, engine.num_ws, engine.w_dim)).image.shape == (0, 3, 16, 16)


def test_files_are_exported_once(folder, tmp_path, monkeypatch):
    told = []
    runtimes.load(str(folder), "openvino", cache_dir=tmp_path, report=told.append)
    assert len(told) == 1 and "once" in told[0]
    monkeypatch.setattr(runtimes, "export", None)
    runtimes.load(str(folder), "openvino", "bf16", cache_dir=tmp_path, report=told.append)
    assert len(told) == 1


def test_other_weights_are_other_files(folder, generator, filled_cache, tmp_path):
    changed = small()
    with torch.no_grad():
        changed.synthesis.levels[0].const.add_(1)
    shutil.copytree(folder, tmp_path / "model")
    ganzoo.save(changed, tmp_path / "model")
    engine = runtimes.load(str(tmp_path / "model"), "openvino", cache_dir=filled_cache)
    z = generator.sample_z(1)
    close(engine(z), changed(z))


def test_a_changed_file_is_not_run(folder, filled_cache):
    for weights in filled_cache.rglob("synthesis.bin"):
        data = bytearray(weights.read_bytes())
        data[40] ^= 1
        weights.write_bytes(data)
    engine = runtimes.load(str(folder), "openvino", cache_dir=filled_cache)
    with pytest.raises(ValueError, match=r"synthesis\.bin is not as it was written"):
        engine(engine.sample_z(1))


def test_a_batch_is_cut_up_and_filled_up(folder, generator, tmp_path):
    engine = runtimes.load(str(folder), "openvino", batch=2, cache_dir=tmp_path)
    z = generator.sample_z(5)
    close(engine(z), generator(z))


def test_a_folder_of_exported_files_runs(exported, generator):
    z = generator.sample_z(2)
    for runtime in ("openvino", "onnxruntime", "torch"):
        engine = runtimes.load(str(exported), runtime)
        close(engine(z), generator(z))
        with pytest.raises(ValueError, match="--noise given"):
            engine(z, noise="none")


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_files_without_noise_draw_without_noise(runtime, tmp_path):
    generator = small("wavelet")
    written(generator, tmp_path, [runtimes.TARGET_OF[runtime]], noise="none")
    engine = runtimes.load(str(tmp_path), runtime)
    w = generator.mapping(generator.sample_z(2))
    close(engine.synthesis(w, noise="none").image, generator.synthesis(w, noise="none").image)
    with pytest.raises(ValueError, match="constant noise needs --noise const"):
        engine.synthesis(w)


def test_threads_get_the_images_of_their_own_w(exported, generator):
    engine = runtimes.load(str(exported), "openvino", threads=1)
    w = generator.mapping(generator.sample_z(2))
    own = [engine.synthesis(x).image for x in w.split(1)]

    def draws(number):
        return [torch.equal(engine.synthesis(w[number : number + 1]).image, own[number]) for _ in range(25)]

    with ThreadPoolExecutor(2) as threads:
        assert all(itertools.chain.from_iterable(threads.map(draws, range(2))))
    assert torch.equal(copy.deepcopy(engine).synthesis(w[:1]).image, own[0])


def test_a_folder_of_files_with_one_style_and_two_images_runs(tmp_path):
    generator = small("pixel", label_dim=3)
    written(generator, tmp_path, space="w", batch=2)
    engine = runtimes.load(str(tmp_path))
    z, label = generator.sample_z(3), torch.eye(3)
    close(engine(z, label), generator(z, label))
    with pytest.raises(ValueError, match="rows differ"):
        engine.synthesis(torch.randn(1, engine.num_ws, engine.w_dim))


@pytest.mark.parametrize(("batch", "at_once"), [(None, [3, 3, 1]), (2, [7])])
def test_files_of_a_free_batch_are_run_for_a_few_images_at_a_time(batch, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE_BYTES", 4 * 5 * 16 * 8 * 8 * 3)  # room for three
    generator = small(channel_base=2**14, channel_max=16)
    written(generator, tmp_path, ["torch"], batch=batch, verify=False)
    engine = runtimes.load(str(tmp_path), "torch")
    sizes = []
    engine.synthesis.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    z = generator.sample_z(7)
    close(engine(z), generator(z))
    assert sizes == at_once


def test_a_folder_without_the_runtimes_files_is_told(generator, tmp_path):
    written(generator, tmp_path)
    with pytest.raises(ValueError, match="no mapping for onnx in fp32"):
        runtimes.load(str(tmp_path), "onnxruntime")


def test_auto_takes_files_that_are_there(tmp_path, generator):
    written(generator, tmp_path, ["torch"], verify=False)
    engine = runtimes.load(str(tmp_path), "auto")
    assert engine.form == "torch, fp32"


def test_auto_takes_the_fastest_that_is_installed(monkeypatch):
    assert runtimes.fastest() == "openvino" and runtimes.fastest("cuda") == "torch"
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert runtimes.fastest() == "onnxruntime"
    for package in ("onnxruntime", "ai_edge_litert", "executorch"):
        monkeypatch.setitem(sys.modules, package, None)
    assert runtimes.fastest() == "torch"


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime", "auto"])
def test_generate_makes_the_same_images_in_a_runtime(run, folder, runtime, tmp_path):
    run("generate", folder, "--seeds=3", "--out", tmp_path / "torch")
    status, out, _ = run("generate", folder, "--seeds=3", "--runtime", runtime, "--out", tmp_path / runtime)
    assert status == 0 and f"{'openvino' if runtime == 'auto' else runtime} 2"[:8] in out and "fp32)." in out
    one, other = (Image.open(tmp_path / name / "seed0003.png") for name in ("torch", runtime))
    assert max(high for _, high in ImageChops.difference(one, other).getextrema()) <= 1


def test_generate_runs_exported_files(run, exported, tmp_path):
    status, out, _ = run("generate", exported, "--seeds=3", "--runtime=auto", "--out", tmp_path)
    assert status == 0 and "openvino" in out


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_generate_takes_a_precision_of_pytorch(run, folder, precision, tmp_path):
    status, out, _ = run("generate", folder, "--seeds=3", "--precision", precision, "--out", tmp_path)
    assert status == 0 and f"torch {torch.__version__.partition('+')[0]}, {precision})." in out


@pytest.mark.slow
def test_generate_compiles(run, folder, tmp_path):
    torch.compiler.reset()
    run("generate", folder, "--seeds=3", "--out", tmp_path / "torch")
    status, out, _ = run(
        "generate", folder, "--seeds=3", "--runtime=compiled", "--out", tmp_path / "compiled"
    )
    assert status == 0 and ", compiled, fp32)." in out
    one, other = (Image.open(tmp_path / name / "seed0003.png") for name in ("torch", "compiled"))
    assert max(high for _, high in ImageChops.difference(one, other).getextrema()) <= 1


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_an_engine_computes_on_the_cpu(folder, runtime):
    with pytest.raises(ValueError, match="computes on the CPU"):
        runtimes.load(str(folder), runtime, device="cuda")


def test_exported_files_are_not_compiled(exported):
    with pytest.raises(ValueError, match="takes a model"):
        runtimes.load(str(exported), "compiled")


MISTAKES = {
    "an unknown runtime": (["--runtime", "openvno"], ["Did you mean 'openvino'"]),
    "an unknown precision": (["--precision", "fp8", "--runtime", "openvino"], ["precision", "fp16"]),
    "bf16 elsewhere": (["--runtime=onnxruntime", "--precision=bf16"], ["OpenVINO's"]),
    "a precision of PyTorch": (["--precision=int8"], ["fp32"]),
    "another device": (["--runtime=openvino", "--device=cuda"], ["cuda"]),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_with_a_runtime_gets_one_line(run, case, folder, tmp_path):
    arguments, parts = MISTAKES[case]
    assert_one_line(run("generate", folder, *arguments, "--out", tmp_path / "out"), *parts)


def test_a_missing_runtime_is_told_with_its_extra(run, folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = run("generate", folder, "--runtime=onnxruntime", "--out", tmp_path / "out")
    assert_one_line(result, "onnxruntime", 'pip install ".[onnx]"')


def interrupted_after_two_models(folder, cache):
    """As in a notebook, whose kernel handles signals on a stack of its own: two models, then Ctrl-C."""
    faulthandler.enable()
    models = [runtimes.load(folder, "openvino", cache_dir=cache) for _ in range(2)]
    while models:
        models.pop(0)
        gc.collect()
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("interrupted")


@pytest.mark.processes
def test_ctrl_c_is_an_interrupt_after_models_have_come_and_gone(folder, session_cache, tmp_path):
    pytest.importorskip("openvino")
    call = functools.partial(interrupted_after_two_models, str(folder), session_cache / "ganzoo")
    with started(tmp_path, call) as process:
        assert process.finish() == (0, "interrupted\n", "")
