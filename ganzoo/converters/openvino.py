"""OpenVINO's intermediate representation of a MobileStyleGAN (the random-face package) to a generator.

An IR is an XML graph beside a file of raw constants. It is read here with an XML parser that refuses
declarations of entities, and numpy; no OpenVINO is needed. Constants that kept their names are found by name.
The others - a folded demodulation, noise times strength - are found by walking the graph from a named
neighbour, never by number.
"""

import math
import re
import xml.parsers.expat
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganzoo.converters.keymap import MAPPING_LR_MULTIPLIER, Tensors, fill
from ganzoo.generators.config import GeneratorConfig
from ganzoo.generators.empty import empty
from ganzoo.generators.generator import Generator
from ganzoo.generators.stylegan2.names import CONST, bias_name, conv_name, layer_name

_NETWORKS = ("Mapping", "Synthesis")
FILES = tuple(f"{name}Network.{suffix}" for name in _NETWORKS for suffix in ("xml", "bin"))
MAX_XML_BYTES = 16 << 20
MAX_DEPTH = 32
MAX_DIMENSIONS = 8
_DTYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "u8": "u1", "boolean": "?"}


@dataclass
class Layer:
    """A node of the graph."""

    name: str
    type: str
    data: dict[str, str] = field(default_factory=dict)


@dataclass
class Graph:
    """An IR: its layers, who feeds whom, and the constants."""

    layers: dict[str, Layer]
    inputs: dict[str, list[str]]  # layer id: ids of the layers that feed its ports, in the ports' order
    weights: bytes
    read: set[str] = field(default_factory=set)  # ids of the constants that were read

    def input(self, layer_id: str, port: int) -> str:
        """Id of the layer that feeds a port.

        Raises:
            ValueError: if nothing does.
        """
        sources = self.inputs.get(layer_id, [])
        if port >= len(sources):
            raise ValueError(f"The layer {self.layers[layer_id].name!r} lacks input {port}.")
        return sources[port]

    def constant(self, layer_id: str) -> NDArray[Any]:
        """The array of a Const layer.

        Raises:
            ValueError: if its place or size does not fit the file of weights.
        """
        layer = self.layers[layer_id]
        data = layer.data
        self.read.add(layer_id)
        try:
            dtype = np.dtype(_DTYPES[data["element_type"]])
            shape = [int(n) for n in data["shape"].split(",") if n.strip()]
            offset, size = int(data["offset"]), int(data["size"])
        except (KeyError, ValueError) as error:
            raise ValueError(f"Constant {layer.name!r} is malformed: {error}.") from error
        if len(shape) > MAX_DIMENSIONS or not all(0 < n <= len(self.weights) for n in shape):
            raise ValueError(f"Constant {layer.name!r} has an impossible shape {shape}.")
        if offset < 0 or size != math.prod(shape) * dtype.itemsize or offset + size > len(self.weights):
            raise ValueError(
                f"Constant {layer.name!r} of shape {shape} does not fit: bytes {offset} to {offset + size} "
                f"of {len(self.weights)}."
            )
        array = np.frombuffer(self.weights, dtype, math.prod(shape), offset).reshape(shape)
        if dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"Constant {layer.name!r} holds numbers that are infinite or NaN.")
        return array


def read_ir(xml_bytes: bytes, weights: bytes) -> Graph:
    """The graph of an IR.

    Raises:
        ValueError: for XML that is malformed, too large or too deep, or declares a document type or entities.
    """
    if len(xml_bytes) > MAX_XML_BYTES:
        raise ValueError(f"The graph has {len(xml_bytes)} bytes; at most {MAX_XML_BYTES} are read.")
    layers: dict[str, Layer] = {}
    edges: dict[str, dict[int, str]] = {}
    path: list[str] = []
    current: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        path.append(tag)
        if len(path) > MAX_DEPTH:
            raise ValueError("The graph's XML is nested too deep.")
        if path[1:] == ["layers", "layer"]:
            current[:] = [attributes["id"]]
            if attributes["id"] in layers:
                raise ValueError(f"The graph has two layers of id {attributes['id']!r}.")
            layers[attributes["id"]] = Layer(attributes["name"], attributes["type"])
        elif path[1:] == ["layers", "layer", "data"]:
            layers[current[0]].data = attributes
        elif path[1:] == ["edges", "edge"]:
            ports = edges.setdefault(attributes["to-layer"], {})
            ports[int(attributes["to-port"])] = attributes["from-layer"]

    def refuse(*_: object) -> None:
        raise ValueError("The graph's XML declares a document type or an entity, which no IR does.")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml_bytes, True)
    except KeyError as error:
        raise ValueError(f"The graph's XML lacks an attribute: {error}.") from error
    except (xml.parsers.expat.ExpatError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"The graph is not whole XML: {error}.") from error
    inputs = {to: [ports[p] for p in sorted(ports)] for to, ports in edges.items()}
    for to, sources in inputs.items():
        if missing := [i for i in [to, *sources] if i not in layers]:
            raise ValueError(f"The graph has an edge to a layer that does not exist: {missing[0]!r}.")
    return Graph(layers, inputs, weights)


def from_openvino(files: Mapping[str, bytes], account: Tensors | None = None) -> Generator:
    """The generator of a random-face package, with the mean w estimated from its mapping network.

    Args:
        files: Contents of `MappingNetwork.xml`, `MappingNetwork.bin`, `SynthesisNetwork.xml`,
            `SynthesisNetwork.bin`.
        account: Account that notes used and dropped constants.

    Raises:
        ValueError: if the files are not an IR of that network, or a constant is left unused.
    """
    if missing := [name for name in FILES if name not in files]:
        raise ValueError(f"The network lacks {', '.join(missing)}.")
    graphs = {name: read_ir(files[f"{name}Network.xml"], files[f"{name}Network.bin"]) for name in _NETWORKS}
    mapping = _read_mapping(graphs["Mapping"])
    synthesis = _SynthesisReader(graphs["Synthesis"]).read()
    tensors = {**mapping, **synthesis}
    widths = takewhile(lambda name: name in synthesis, map(bias_name, count()))
    channels = [synthesis[name].size for name in widths]
    config = GeneratorConfig.from_dict(
        {
            "resolution": 2 ** (len(channels) + 2),
            "channels": channels,
            "output": "wavelet",
            "z_dim": mapping["mapping.layers.0.weight"].shape[1],
            "w_dim": mapping["mapping.layers.0.weight"].shape[0],
            "img_channels": synthesis[f"synthesis.head.to_image.{len(channels) - 1}.bias"].size // 4,
            "mapping": {"name": "mlp", "depth": len(mapping) // 2, "lr_multiplier": MAPPING_LR_MULTIPLIER},
            "upsampler": "idwt",
            "conv": "depthwise",
            "demodulation": "none",
            "head": "single",
            "activation_gain": 1.0,
        }
    )
    account = Tensors({}) if account is None else account
    arrays = {name: np.array(array, dtype=np.float32) for name, array in tensors.items()}
    try:
        generator = fill(empty(config), arrays, account)
    except ValueError as error:
        raise ValueError(f"The constants do not fit a MobileStyleGAN: {error}") from error
    for network, graph in graphs.items():
        for layer_id, layer in graph.layers.items():
            name = f"{network}Network/{layer.name}"
            if layer_id in graph.read:
                account.used[name] = None
            elif layer.type == "Const":
                account.dropped[name] = "an index, a shape or a fixed factor of the graph"
    return generator


def _read_mapping(graph: Graph) -> dict[str, NDArray[Any]]:
    """Weights of the fully connected layers, from w back to the latent."""
    results = [i for i, layer in graph.layers.items() if layer.type == "Result"]
    if len(results) != 1:
        raise ValueError(f"The mapping network has {len(results)} results instead of 1.")
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    node, seen = results[0], set(results)
    while graph.layers[node].type != "Parameter":
        layer = graph.layers[node]
        if layer.type == "MatMul":
            weights.append(graph.constant(graph.input(node, 1)))
        elif layer.type == "Add" and graph.layers[graph.input(node, 1)].type == "Reshape":
            biases.append(graph.constant(graph.input(graph.input(node, 1), 0)))
        node = graph.input(node, 0)
        if node in seen:
            raise ValueError(f"The mapping network feeds itself at {graph.layers[node].name!r}.")
        seen.add(node)
    if not weights or len(weights) != len(biases) or any(weight.ndim != 2 for weight in weights):
        raise ValueError("The mapping network is not a chain of fully connected layers.")
    tensors = {}
    for i, (weight, bias) in enumerate(zip(reversed(weights), reversed(biases), strict=True)):
        # The IR holds effective weights; ours are stored before the scale of equalised learning rate.
        tensors[f"mapping.layers.{i}.weight"] = weight * (math.sqrt(weight.shape[1]) / MAPPING_LR_MULTIPLIER)
        tensors[f"mapping.layers.{i}.bias"] = bias / MAPPING_LR_MULTIPLIER
    return tensors


class _SynthesisReader:
    """Reads the synthesis network: named constants by name, their nameless neighbours through the graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ids = {layer.name: i for i, layer in graph.layers.items()}
        self.consumers: dict[str, list[str]] = {}
        for to, sources in graph.inputs.items():
            for source in sources:
                self.consumers.setdefault(source, []).append(to)
        self.tensors: dict[str, NDArray[Any]] = {}
        self.used: set[str] = set()

    def read(self) -> dict[str, NDArray[Any]]:
        names = [re.fullmatch(r"m\.layers\.(\d+)\.conv1\.bias", name) for name in self.ids]
        blocks = sorted(int(match[1]) for match in names if match)
        if blocks != list(range(len(blocks))) or not blocks:
            raise ValueError(
                "The synthesis network is not a MobileStyleGAN: its layers are not named as expected."
            )
        self.tensors[CONST] = self.named("m.input.input")
        self.styled("m.conv1", 0)
        for i in blocks:
            self.modulation(f"m.layers.{i}.up", f"{layer_name(2 * i + 1)}.conv")
            self.styled(f"m.layers.{i}.conv1", 2 * i + 1)
            self.styled(f"m.layers.{i}.conv2", 2 * i + 2)
        head = f"synthesis.head.to_image.{len(blocks)}"
        self.modulation(f"m.layers.{blocks[-1]}.to_img.conv", f"{head}.conv")
        self.tensors[f"{head}.conv.weight"] = self.named(f"m.layers.{blocks[-1]}.to_img.conv.weight")
        self.tensors[f"{head}.bias"] = self.named(f"m.layers.{blocks[-1]}.to_img.bias").reshape(-1)
        named = {layer.name for layer in self.graph.layers.values() if layer.type == "Const"}
        if unused := sorted(name for name in named - self.used if name.startswith("m.")):
            raise ValueError(f"Constants are left unused: {', '.join(unused)}.")
        return self.tensors

    def named(self, name: str) -> NDArray[Any]:
        """The constant of that name."""
        if name not in self.ids:
            raise ValueError(f"The graph lacks the constant {name!r}.")
        self.used.add(name)
        return self.graph.constant(self.ids[name])

    def modulation(self, source: str, target: str) -> None:
        """Weights of a style's linear layer, brought before the scale of equalised learning rate."""
        weight = self.named(f"{source}.modulation.weight")
        if weight.ndim != 2:
            raise ValueError(f"The modulation of {source!r} is not a matrix: {list(weight.shape)}.")
        self.tensors[f"{target}.modulation.weight"] = weight * math.sqrt(weight.shape[1])
        self.tensors[f"{target}.modulation.bias"] = self.named(f"{source}.modulation.bias").reshape(-1)

    def styled(self, source: str, row: int) -> None:
        """One styled layer: convolution, noise and bias.

        In the graph: bias + (noise + convolution), where the last convolution holds the folded demodulation.
        """
        target, conv = layer_name(row), conv_name(row)
        self.tensors[f"{target}.bias"] = self.named(f"{source}.bias").reshape(-1)
        add_noise = self.other_input(self.consumer(self.ids[f"{source}.bias"]), self.ids[f"{source}.bias"])
        convolution, noise = self.graph.input(add_noise, 0), self.graph.input(add_noise, 1)
        scaled_noise = self.graph.constant(noise)
        # In double precision, so that every machine rounds to the same float32.
        strength = np.asarray(scaled_noise.std(dtype=np.float64), dtype=np.float32)
        if scaled_noise.ndim != 4 or not strength > 0:
            raise ValueError(f"The noise of {source!r} is not an image.")
        # The product alone is stored: a standard deviation of 1 splits it into noise and strength.
        self.tensors[f"{target}.noise.const"] = scaled_noise / strength
        self.tensors[f"{target}.noise.strength"] = strength
        weight = self.graph.input(convolution, 1)
        if f"{source}.conv.weight_dw" in self.ids:
            depthwise = self.named(f"{source}.conv.weight_dw")  # [in, 1, 1, k, k]: a group a channel
            if depthwise.ndim != 5:
                raise ValueError(
                    f"The depthwise weights of {source!r} have the shape {list(depthwise.shape)}."
                )
            self.tensors[f"{conv}.weight_dw"] = depthwise[:, 0]
            self.tensors[f"{conv}.weight_pw"] = self.graph.constant(weight)
        else:
            self.tensors[f"{conv}.weight"] = self.graph.constant(weight)
        self.modulation(f"{source}.conv", conv)

    def consumer(self, layer_id: str) -> str:
        """The only layer that a layer feeds."""
        consumers = self.consumers.get(layer_id, [])
        if len(consumers) != 1:
            raise ValueError(
                f"{self.graph.layers[layer_id].name!r} feeds {len(consumers)} layers instead of 1."
            )
        return consumers[0]

    def other_input(self, layer_id: str, known: str) -> str:
        """The input of a sum that is not the known one."""
        others = [i for i in self.graph.inputs[layer_id] if i != known]
        if len(others) != 1:
            raise ValueError(f"{self.graph.layers[layer_id].name!r} is not a sum of two.")
        return others[0]
