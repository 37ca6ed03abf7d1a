"""Graphs that are refused: well-formed XML, but not the network's layers and edges."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from helpers import styled_layers
from ir_edits import (
    MAPPING,
    SECONDS,
    SYNTHESIS,
    Net,
    consumer,
    edge,
    edited,
    layer,
    of_type,
    refusal,
    replaced,
    source,
    within,
)
from ir_fixtures import tiny_generator, write_ir

from ganzoo.converters.openvino import from_openvino


@pytest.mark.parametrize("attribute", ["id", "name", "type"])
def test_a_layer_without_an_attribute_is_refused(attribute):
    files = edited(SYNTHESIS, lambda net: layer(net, "m.conv1.bias").attrib.pop(attribute))
    assert attribute in refusal(files)


@pytest.mark.parametrize("attribute", ["from-layer", "to-layer", "to-port"])
def test_an_edge_without_an_attribute_is_refused(attribute):
    assert attribute in refusal(edited(SYNTHESIS, lambda net: next(net.iter("edge")).attrib.pop(attribute)))


def test_an_edge_to_a_port_that_is_no_number_is_refused():
    refusal(edited(SYNTHESIS, lambda net: next(net.iter("edge")).set("to-port", "first")))


def test_two_layers_of_one_id_are_refused():
    files = edited(SYNTHESIS, lambda net: layer(net, "m.conv1.bias").set("id", "0"))
    assert "'0'" in refusal(files)


@pytest.mark.parametrize("end", ["from-layer", "to-layer"])
def test_an_edge_to_a_layer_that_does_not_exist_is_refused(end):
    assert "12345" in refusal(edited(MAPPING, lambda net: next(net.iter("edge")).set(end, "12345")))


@pytest.mark.parametrize(
    "name",
    [
        "m.input.input",
        "m.conv1.bias",
        "m.conv1.conv.modulation.weight",
        "m.layers.0.up.modulation.bias",
        "m.layers.1.conv2.bias",
        "m.layers.1.to_img.conv.weight",
        "m.layers.1.to_img.bias",
    ],
)
def test_a_missing_constant_is_named(name):
    assert name in refusal(edited(SYNTHESIS, lambda net: layer(net, name).set("name", "1234")))


def test_a_missing_level_is_refused():
    refusal(replaced(SYNTHESIS, b'"m.layers.0.conv1.bias"', b'"m.layers.7.conv1.bias"'))


def test_a_constant_left_unused_is_refused():
    def add(net: Net) -> None:
        extra = ET.fromstring(ET.tostring(layer(net, "m.layers.1.to_img.bias")))
        extra.attrib.update(id="99999", name="m.layers.0.to_img.bias")
        net.find("layers").append(extra)
        ET.SubElement(net.find("edges"), "edge", {"from-layer": "99999", "to-layer": "0", "to-port": "0"})

    assert "m.layers.0.to_img.bias" in refusal(edited(SYNTHESIS, add))


@pytest.mark.parametrize("file", [MAPPING, SYNTHESIS])
def test_a_graph_that_feeds_itself_is_refused(file):
    def tie(net: Net) -> None:
        first = next(x for x in net.iter("layer") if x.get("type") in ("MatMul", "Convolution"))
        last = of_type(net, "PReLU")[-1]
        edge(net, first, 0).set("from-layer", last.get("id"))

    with within(SECONDS):
        try:
            from_openvino(edited(file, tie))
        except ValueError:
            return
    assert file == SYNTHESIS, "a mapping network without a beginning was read"


def test_a_layer_that_feeds_itself_is_refused():
    def tie(net: Net) -> None:
        product = of_type(net, "MatMul")[-1]
        edge(net, product, 0).set("from-layer", product.get("id"))

    refusal(edited(MAPPING, tie))


@pytest.mark.parametrize("results", [0, 2])
def test_a_mapping_network_with_another_number_of_results_is_refused(results):
    def change(net: Net) -> None:
        if results == 0:
            of_type(net, "Result")[0].set("type", "Sigmoid")
        else:
            of_type(net, "PReLU")[0].set("type", "Result")

    assert "unpack" not in refusal(edited(MAPPING, change))


def test_a_result_that_nothing_feeds_is_refused():
    def cut(net: Net) -> None:
        net.find("edges").remove(edge(net, of_type(net, "Result")[0], 0))

    refusal(edited(MAPPING, cut))


def test_a_mapping_network_that_starts_at_a_constant_is_refused():
    refusal(edited(MAPPING, lambda net: of_type(net, "Parameter")[0].set("type", "Const")))


def test_a_fully_connected_layer_without_weights_is_refused():
    def cut(net: Net) -> None:
        net.find("edges").remove(edge(net, of_type(net, "MatMul")[1], 1))

    refusal(edited(MAPPING, cut))


def test_a_fully_connected_layer_without_bias_is_refused():
    def cut(net: Net) -> None:
        total = next(x for x in of_type(net, "Add") if source(net, x, 1).get("type") == "Reshape")
        source(net, total, 1).set("type", "Squeeze")

    refusal(edited(MAPPING, cut))


@pytest.mark.parametrize("shape", ["48", "6, 8", "2, 3, 8", "48, 1"])
def test_fully_connected_weights_of_another_shape_are_refused(shape):
    def change(net: Net) -> None:
        source(net, of_type(net, "MatMul")[0], 1).find("data").set("shape", shape)

    refusal(edited(MAPPING, change))


@pytest.mark.parametrize(
    "name",
    ["m.layers.0.conv1.conv.weight_dw", "m.layers.0.up.modulation.weight", "m.layers.1.to_img.conv.weight"],
)
def test_flattened_weights_are_refused(name):
    def flatten(net: Net) -> None:
        data = layer(net, name).find("data")
        data.set("shape", str(np.prod([int(n) for n in data.get("shape").split(",")])))

    refusal(edited(SYNTHESIS, flatten))


def noise_of(net: Net, name: str) -> Net:
    """The noise behind a layer's bias."""
    return source(net, source(net, consumer(net, name), 0), 1)


@pytest.mark.parametrize("shape", ["16", "4, 4", "1, 16, 1, 1", "1, 1, 2, 8", "16, 1, 1, 1"])
def test_noise_that_is_no_image_is_refused(shape):
    files = edited(SYNTHESIS, lambda net: noise_of(net, "m.conv1.bias").find("data").set("shape", shape))
    refusal(files)


def test_noise_that_is_the_same_everywhere_is_refused():
    generator = tiny_generator()
    styled_layers(generator)[2].noise.strength.data.zero_()
    assert "m.layers.0.conv2" in refusal(write_ir(generator))


def test_noise_that_is_not_a_number_is_refused():
    generator = tiny_generator()
    styled_layers(generator)[2].noise.strength.data.fill_(float("nan"))
    assert "infinite or NaN" in refusal(write_ir(generator))


def test_noise_that_is_no_constant_is_refused():
    def draw(net: Net) -> None:
        noise = noise_of(net, "m.conv1.bias")
        noise.set("type", "RandomUniform")
        noise.find("data").attrib.clear()

    refusal(edited(SYNTHESIS, draw))


def test_a_bias_that_feeds_two_layers_is_refused_by_name():
    def tie(net: Net) -> None:
        bias = layer(net, "m.conv1.bias").get("id")
        ET.SubElement(net.find("edges"), "edge", {"from-layer": bias, "to-layer": "0", "to-port": "0"})

    assert "m.conv1.bias" in refusal(edited(SYNTHESIS, tie))


def test_a_bias_that_feeds_nothing_is_refused_by_name():
    def cut(net: Net) -> None:
        net.find("edges").remove(edge(net, consumer(net, "m.conv1.bias"), 1))

    assert "m.conv1.bias" in refusal(edited(SYNTHESIS, cut))


@pytest.mark.parametrize("port", [0, 1])
def test_a_sum_that_lost_an_input_is_refused(port):
    def cut(net: Net) -> None:
        add_noise = source(net, consumer(net, "m.conv1.bias"), 0)
        net.find("edges").remove(edge(net, add_noise, port))

    refusal(edited(SYNTHESIS, cut))


def test_a_bias_added_to_nothing_is_refused():
    def cut(net: Net) -> None:
        net.find("edges").remove(edge(net, consumer(net, "m.conv1.bias"), 0))

    refusal(edited(SYNTHESIS, cut))


@pytest.mark.parametrize("port", [0, 1])
def test_a_convolution_that_lost_an_input_is_refused(port):
    def cut(net: Net) -> None:
        convolution = source(net, source(net, consumer(net, "m.layers.0.conv2.bias"), 0), 0)
        net.find("edges").remove(edge(net, convolution, port))

    refusal(edited(SYNTHESIS, cut))
