"""Networks to export, and what their files are run by."""

import numpy as np
import torch
from helpers import tiny, trained

from ganzoo.export.exporting import export
from ganzoo.export.graphs import Options

ENGINES = ["onnx", "openvino", "torch"]  # of the default tests


def small(network="wavelet", **settings):
    return trained(tiny(network, **settings))


def written(generator, out, targets=("openvino",), *, precision="fp32", verify=True, **options):
    return export(
        generator, targets, out, name="small", options=Options(**options), precision=precision, verify=verify
    )


def numpy_of(*tensors):
    return [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]


def close(got, expected, tolerance=2e-5):
    expected = expected.detach()
    assert tuple(got.shape) == tuple(expected.shape)
    error = (torch.as_tensor(np.asarray(got)) - expected).abs().max().item()
    assert error <= tolerance * max(1.0, expected.abs().max().item())
