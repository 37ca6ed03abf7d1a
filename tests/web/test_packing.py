"""Packed weights come back as they were, within a step, in Python and in JavaScript; seeds are NumPy's."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from ganzoo.export.packing import from_bits, read_packed, to_bits, write_packed
from ganzoo.web.site import PACKAGE

node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


def run_js(code):
    """What a module beside ganzoo.js prints, as JSON."""
    command = ["node", "--input-type=module", "-e", f"process.chdir({json.dumps(str(PACKAGE))});{code}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def module(name):
    return json.dumps((PACKAGE / name).as_uri())


@pytest.fixture
def weights():
    random = np.random.RandomState(0)
    shapes = {"matrix": (5, 67), "deep": (4, 9, 3, 3), "noise": (1, 1, 40, 40), "depthwise": (120, 1, 3, 3)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("bits", [4, 7, 9, 10, 12])
def test_numbers_of_any_bits_come_back(bits):
    whole = np.random.RandomState(0).randint(0, 1 << bits, 1001)
    stream = to_bits(whole, bits)
    assert stream.nbytes == -(-1001 * bits // 8)
    assert np.array_equal(from_bits(stream, bits, 1001), whole)


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 1 / 254), (10, 1 / 1022), (16, 2**-11), (32, 0)])
def test_weights_come_back_within_half_a_step(tmp_path, weights, bits, tolerance):
    write_packed(tmp_path / "w", weights, bits, {"graph": np.arange(3, dtype=np.uint8)})
    read, more = read_packed(tmp_path / "w")
    assert list(read) == list(weights) and np.array_equal(more["graph"], [0, 1, 2])
    for name, value in weights.items():
        assert np.abs(read[name] - value.ravel()).max() <= 1.01 * tolerance * np.abs(value).max()


def test_a_row_of_zeros_is_packed(tmp_path):
    write_packed(tmp_path / "w", {"zero": np.zeros((2, 64), np.float32)}, 8, {})
    assert not read_packed(tmp_path / "w")[0]["zero"].any()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "w").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="w is not a whole safetensors file"):
        read_packed(tmp_path / "w")


@node
@pytest.mark.parametrize("bits", [8, 9, 10, 16, 32])
def test_javascript_reads_the_same_weights(tmp_path, weights, bits):
    path = tmp_path / "w"
    write_packed(path, weights, bits, {"graph.onnx": np.arange(3, dtype=np.uint8)})
    got = run_js(f"""
      const {{ readNetwork }} = await import({module("weights.js")});
      const {{ readFileSync }} = await import("fs");
      const {{ weights }} = readNetwork(new Uint8Array(readFileSync({json.dumps(str(path))})), "w");
      console.log(JSON.stringify([...new Float32Array(weights.buffer)]));
    """)
    expected = np.concatenate(list(read_packed(path)[0].values()))
    np.testing.assert_allclose(np.array(got, np.float32), expected, rtol=1e-6, atol=0)


@node
@pytest.mark.parametrize("seed", [0, 42, 2**31, 2**32 - 1])
def test_javascript_draws_numpy_s_numbers(seed):
    code = f"""
      const {{ randn }} = await import({module("numpy.js")});
      console.log(JSON.stringify([...randn({seed}, 1501)]));
    """
    expected = np.random.RandomState(seed).randn(1501).astype(np.float32)
    got = np.array(run_js(code), np.float32)
    assert (np.abs(got - expected) <= np.spacing(np.abs(expected))).all()  # a logarithm's last bit may differ
    assert (got == expected).mean() > 0.999
