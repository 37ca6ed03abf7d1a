"""Weights of the face networks: from packages of public registries, then from the cache.

facenet-pytorch (MIT) has the three networks of MTCNN, @vladmandic/face-api (MIT) those of age, gender,
expressions, landmarks and identity. Neither says which images they were trained on.
"""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.models.entries import NpmSource, WheelSource
from ganzoo.models.npm import npm_files
from ganzoo.models.sources import default_cache_dir, source_files, stored_tensors, writable_cache
from ganzoo.system.files import replacing
from ganzoo.system.kinds import kind_of, read_tensors
from ganzoo.system.paths import user_path

MTCNN = WheelSource(
    distribution="facenet-pytorch",
    version="2.6.0",
    sha256="ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca",
    bytes=1881930,
    format="torch",
    files={
        "facenet_pytorch/data/pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        "facenet_pytorch/data/rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
        "facenet_pytorch/data/onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
    },
)
FACE_API = NpmSource(
    package="@vladmandic/face-api",
    version="1.7.15",
    sha256="0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
    bytes=12677476,
    files={
        "package/model/age_gender_model.bin": (
            "49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa"
        ),
        "package/model/age_gender_model-weights_manifest.json": (
            "74b60bf3ebf981bf4e661e9cca3a185614e10b25d797118b62e2a68d3ff2569f"
        ),
        "package/model/face_expression_model.bin": (
            "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d"
        ),
        "package/model/face_expression_model-weights_manifest.json": (
            "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8"
        ),
        "package/model/face_landmark_68_model.bin": (
            "4611ef65c87d836d03d684b30eec4d195d8b219fa1dd58fc58945831c6b9299b"
        ),
        "package/model/face_landmark_68_model-weights_manifest.json": (
            "ca4886639f86e99b39fed0c155f81b63317225773bd9616716e887b0153389c9"
        ),
        "package/model/face_recognition_model.bin": (
            "b413e420d6840b2775fba32008db6f3cddb07d485967fb42cfcf379c16a8c589"
        ),
        "package/model/face_recognition_model-weights_manifest.json": (
            "cbaffa501b0b9275a12b63357a6843e7e30c054e1c9151e1a5f879b26e32986b"
        ),
    },
)
_MANIFEST = "_model-weights_manifest.json"


def mtcnn_weights(cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """The tensors of MTCNN's networks: `pnet.00` is the first one in the file `pnet.pt`.

    Raises:
        SourceError: if the package cannot be had.
    """
    return _cached(f"mtcnn-{MTCNN.sha256[:12]}", _read_mtcnn, cache_dir)


def face_api_weights(network: str, cache_dir: str | os.PathLike[str] | None = None) -> dict[str, Tensor]:
    """The tensors of one network of face-api, as PyTorch lays them out.

    Args:
        network: "age_gender", "face_expression", "face_landmark_68" or "face_recognition".
        cache_dir: Folder of the cache; by default `~/.cache/ganzoo`.

    Raises:
        SourceError: if the package cannot be had.
    """
    tensors = _cached(f"face_api-{FACE_API.sha256[:12]}", _read_face_api, cache_dir)
    start = f"{network}/"
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _cached(
    name: str, read: Callable[[], dict[str, Tensor]], cache_dir: str | os.PathLike[str] | None
) -> dict[str, Tensor]:
    from safetensors.torch import save_file

    folder = user_path(cache_dir) if cache_dir is not None else default_cache_dir()
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        writable_cache(path.parent)
        tensors = read()
        with replacing(path) as temporary:
            save_file({key: value.contiguous() for key, value in tensors.items()}, temporary)
    try:
        return read_tensors(path)
    except (ValueError, RuntimeError) as error:
        told = f" It is {kind}." if (kind := kind_of(path)) else ""
        raise OSError(f"{path} is damaged: delete it, and it is fetched again.{told}") from error


def _read_mtcnn() -> dict[str, Tensor]:
    found = {}
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        for path, data in source_files(MTCNN).items():
            file = Path(folder, PurePosixPath(path).name)
            file.write_bytes(data)
            for number, tensor in enumerate(stored_tensors(file)):
                found[f"{file.stem}.{number:02}"] = tensor
    return found


def _read_face_api() -> dict[str, Tensor]:
    files = {PurePosixPath(path).name: data for path, data in npm_files(FACE_API).items()}
    found: dict[str, Tensor] = {}
    for file in files:
        if file.endswith(_MANIFEST):
            network = file.removesuffix(_MANIFEST)
            [group] = json.loads(files[file])
            tensors = read_shard(group["weights"], files[f"{network}_model.bin"])
            found |= {f"{network}/{name}": value for name, value in tensors.items()}
    return found


def read_shard(weights: list[dict[str, Any]], data: bytes) -> dict[str, Tensor]:
    """The tensors of a shard of TensorFlow.js, in PyTorch's layout.

    A tensor is bytes that stand for `byte * scale + min`, or plain float32. Filters `[kh, kw, in, out]`
    become `[out, in, kh, kw]`, those of depthwise convolutions `[in, 1, kh, kw]`, matrices are transposed.

    Args:
        weights: What the manifest says of each tensor, in the shard's order.
        data: The shard.

    Raises:
        ValueError: for numbers of another kind, or a shard of another length.
    """
    found, at = {}, 0
    for entry in weights:
        coded = entry.get("quantization")
        kind = coded["dtype"] if coded else entry["dtype"]
        if kind not in ("uint8", "float32"):
            raise ValueError(f"{entry['name']} is of {kind!r}; only uint8 and float32 are read.")
        shape = entry["shape"]
        count = int(np.prod(shape))
        start, at = at, at + count * np.dtype(kind).itemsize
        if at > len(data):
            raise ValueError(f"The shard has {len(data)} bytes, and ends within {entry['name']}.")
        numbers = np.frombuffer(data, np.dtype(kind), count, start).astype(np.float32)
        if coded:
            numbers = numbers * np.float32(coded["scale"]) + np.float32(coded["min"])
        value = torch.from_numpy(numbers).view(shape)
        if value.ndim == 4:
            depthwise = entry["name"].endswith("depthwise_filter")
            value = value.permute(2, 3, 0, 1) if depthwise else value.permute(3, 2, 0, 1)
        elif value.ndim == 2:
            value = value.T
        found[entry["name"]] = value.contiguous()
    if at != len(data):
        raise ValueError(f"The shard has {len(data)} bytes, and its manifest tells of {at}.")
    return found
