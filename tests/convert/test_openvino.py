import random
import signal
import time
import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from ir_fixtures import IR_FILES, tiny_generator, write_ir

from ganzoo.convert.openvino import from_openvino, read_ir
from ganzoo.factory import build
from ganzoo.recipes import compose

MAPPING, SYNTHESIS = "MappingNetwork.xml", "SynthesisNetwork.xml"
SECONDS = 2.0  # for one conversion of the tiny network, which takes 0.05
TINY = tiny_generator()
IR = write_ir(TINY)

Net = ET.Element
Edit = Callable[[Net], None]


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail, not hang, when the block takes longer; where there are no signals, only afterwards."""

    def give_up(*_: object) -> None:
        pytest.fail(f"still running after {seconds} s")

    began = time.monotonic()
    if hasattr(signal, "setitimer"):
        before = signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < seconds


def edited(file: str, edit: Edit) -> dict[str, bytes]:
    """The tiny IR with one graph changed."""
    net = ET.fromstring(IR[file])
    edit(net)
    return {**IR, file: ET.tostring(net)}


def replaced(file: str, old: bytes, new: bytes) -> dict[str, bytes]:
    """The tiny IR with the first `old` in a file replaced."""
    assert old in IR[file]
    return {**IR, file: IR[file].replace(old, new, 1)}


def layer(net: Net, name: str) -> Net:
    [found] = [x for x in net.iter("layer") if x.get("name") == name]
    return found


def of_type(net: Net, kind: str) -> list[Net]:
    return [x for x in net.iter("layer") if x.get("type") == kind]


def edge(net: Net, to: Net, port: int) -> Net:
    end = (to.get("id"), str(port))
    [found] = [e for e in net.iter("edge") if (e.get("to-layer"), e.get("to-port")) == end]
    return found


def source(net: Net, to: Net, port: int) -> Net:
    """The layer that feeds a port."""
    number = edge(net, to, port).get("from-layer")
    [found] = [x for x in net.iter("layer") if x.get("id") == number]
    return found


def consumer(net: Net, name: str) -> Net:
    """The layer that a named layer feeds."""
    number = layer(net, name).get("id")
    [found] = [e.get("to-layer") for e in net.iter("edge") if e.get("from-layer") == number]
    return next(x for x in net.iter("layer") if x.get("id") == found)


def with_data(name: str, **attributes: str) -> Edit:
    """Change the place, shape or type of a named constant."""
    return lambda net: layer(net, name).find("data").attrib.update(attributes)  # type: ignore[union-attr]


def refusal(files: dict[str, bytes]) -> str:
    """The message, one line, with which the files are refused in good time."""
    with within(SECONDS), pytest.raises(ValueError) as caught:
        from_openvino(files)
    message = str(caught.value)
    assert message.strip() and "\n" not in message
    return message


def test_a_converted_network_has_the_config_it_was_made_from():
    assert from_openvino(IR).config == TINY.config


@torch.inference_mode()
def test_a_converted_network_gives_the_same_styles():
    z = TINY.sample_z(5, seed=3)
    torch.testing.assert_close(from_openvino(IR).mapping(z), TINY.mapping(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise", ["const", "none"])
@torch.inference_mode()
def test_a_converted_network_gives_the_same_pictures(noise):
    z = TINY.sample_z(3, seed=7)
    torch.testing.assert_close(from_openvino(IR)(z, noise=noise), TINY(z, noise=noise), rtol=0, atol=1e-4)


@torch.inference_mode()
def test_a_converted_network_truncates_towards_its_own_mean_style():
    converted, z = from_openvino(IR), TINY.sample_z(2)
    mean = TINY.mapping.styles(torch.randn(20_000, TINY.z_dim), None).mean(dim=0)
    assert (converted.mapping.w_avg - mean).abs().max() < 0.05
    torch.testing.assert_close(converted.mapping(z, None, 0.0)[0, 0], converted.mapping.w_avg)


@torch.inference_mode()
def test_half_precision_constants_are_read():
    z = TINY.sample_z(2)
    converted = from_openvino(write_ir(TINY, "float16"))
    assert {p.dtype for p in converted.parameters()} == {torch.float32}
    assert (converted(z) - TINY(z)).abs().max() < 0.1


@pytest.mark.parametrize("levels", [2, 4])
def test_depth_and_size_are_read_from_the_graph(levels):
    overrides = {"head": "single", "demodulation": "none", "z_dim": 4, "w_dim": 4, "mapping": {"depth": 1}}
    data = compose("mobilestylegan", {**overrides, "channels": [4] * levels, "resolution": 2 ** (levels + 2)})
    generator = build(type(TINY.config).from_dict(data))
    for name, parameter in generator.named_parameters():
        if name.endswith("strength"):
            parameter.data.fill_(0.5)
    assert from_openvino(write_ir(generator)).config == generator.config


def test_reading_leaves_the_callers_random_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    from_openvino(IR)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "attributes",
    [
        {"offset": "99999999"},
        {"offset": str(len(IR["SynthesisNetwork.bin"]) - 4)},
        {"offset": "-4"},
        {"offset": "9" * 30},
        {"offset": "9" * 5000},
        {"offset": "four"},
        {"size": "4"},
        {"size": "0"},
        {"size": "-32"},
        {"element_type": "f8"},
        {"element_type": "str"},
        {"element_type": "i64"},
        {"shape": "1, 9, 1, 1"},
        {"shape": "7"},
        {"shape": "-8"},
        {"shape": "-1, -8, 1, 1"},
        {"shape": "1, 8.0, 1, 1"},
        {"shape": "0, " + "9" * 30, "size": "0"},
        {"shape": ", ".join("1" * 40) + ", 8"},
        {"shape": "1000000, 1000000", "size": "4000000000000"},
    ],
    ids=lambda a: ", ".join(f"{k} {v[:24]}" for k, v in a.items()),
)
def test_a_constant_that_does_not_fit_its_file_is_refused_by_name(attributes):
    assert "m.conv1.bias" in refusal(edited(SYNTHESIS, with_data("m.conv1.bias", **attributes)))


def test_a_constant_that_fits_its_file_but_not_the_network_is_refused():
    refusal(edited(SYNTHESIS, with_data("m.conv1.bias", shape="", size="4")))


@pytest.mark.parametrize("attribute", ["offset", "size", "shape", "element_type"])
def test_a_constant_without_an_attribute_is_refused_by_name(attribute):
    files = edited(SYNTHESIS, lambda net: layer(net, "m.input.input").find("data").attrib.pop(attribute))
    assert "m.input.input" in refusal(files)


def test_a_constant_too_large_for_memory_is_refused_before_memory_is_taken():
    files = edited(SYNTHESIS, with_data("m.conv1.bias", shape="1, 4000000000", size="16000000000"))
    tracemalloc.start()
    refusal(files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("file", IR_FILES)
def test_a_missing_file_is_named(file):
    assert file in refusal({name: data for name, data in IR.items() if name != file})


@pytest.mark.parametrize("file", IR_FILES)
def test_an_empty_file_is_refused(file):
    refusal({**IR, file: b""})


@pytest.mark.parametrize("file", IR_FILES)
def test_half_a_file_is_refused(file):
    refusal({**IR, file: IR[file][: len(IR[file]) // 2]})


def test_swapped_networks_are_refused():
    mapping, synthesis = IR_FILES[:2], IR_FILES[2:]
    swapped = dict(zip([*synthesis, *mapping], [IR[f] for f in IR_FILES], strict=True))
    refusal(swapped)


def test_another_networks_graph_is_refused():
    refusal({**IR, SYNTHESIS: IR[MAPPING], "SynthesisNetwork.bin": IR["MappingNetwork.bin"]})


@pytest.mark.parametrize(
    "xml",
    [
        b"not XML at all",
        b"\x00\xff\xfe" * 100,
        b"<net>",
        b"<net></layers>",
        b"<net/>",
        b"<net><layers/></net>",
        b"<a/><b/>",
        b'<?xml version="1.0" encoding="no-such-encoding"?><net/>',
        b'<?xml version="1.0" encoding="utf-16"?><net/>',
        b'<?xml version="1.0" encoding="big5"?><net/>',
    ],
)
@pytest.mark.parametrize("file", [MAPPING, SYNTHESIS])
def test_what_is_no_graph_is_refused(file, xml):
    refusal({**IR, file: xml})


@pytest.mark.parametrize(
    "declaration",
    [
        b"<!DOCTYPE net>",
        b'<!DOCTYPE net SYSTEM "file:///etc/hostname">',
        b'<!DOCTYPE net [<!ENTITY a "aaaa">]>',
        b'<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        b'<!DOCTYPE net [<!ENTITY % a SYSTEM "file:///etc/hostname"> %a;]>',
    ],
)
def test_a_document_type_is_refused_as_such(declaration):
    assert "document type" in refusal(replaced(SYNTHESIS, b"<net", declaration + b"<net"))


def test_a_billion_laughs_are_refused_before_they_are_told():
    entities = [b'<!ENTITY l0 "ha">']
    entities += [b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 12)]
    bomb = b"<!DOCTYPE net [" + b"".join(entities) + b"]><net>&l11;</net>"
    tracemalloc.start()
    assert "document type" in refusal({**IR, MAPPING: bomb})
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("depth", [40, 200_000])
def test_a_graph_nested_too_deep_is_refused(depth):
    assert "deep" in refusal({**IR, MAPPING: b"<a>" * depth + b"</a>" * depth})


def test_a_graph_too_large_is_refused_unread():
    assert "at most" in refusal({**IR, MAPPING: b"<net>" + b" " * (16 << 20) + b"</net>"})


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
def test_noise_that_is_no_picture_is_refused(shape):
    files = edited(SYNTHESIS, lambda net: noise_of(net, "m.conv1.bias").find("data").set("shape", shape))
    refusal(files)


def test_noise_that_is_the_same_everywhere_is_refused():
    generator = tiny_generator()
    generator.synthesis.layers[2].noise.strength.data.zero_()
    assert "m.layers.0.conv2" in refusal(write_ir(generator))


def test_noise_that_is_not_a_number_is_refused():
    generator = tiny_generator()
    generator.synthesis.layers[2].noise.strength.data.fill_(float("nan"))
    assert "m.layers.0.conv2" in refusal(write_ir(generator))


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


def test_the_graph_lists_a_layers_inputs_in_the_order_of_its_ports():
    xml = (
        b'<net><layers><layer id="a" name="a" type="X"/><layer id="b" name="b" type="X"/>'
        b'<layer id="c" name="c" type="X"/></layers><edges>'
        b'<edge from-layer="b" to-layer="c" to-port="10"/><edge from-layer="a" to-layer="c" to-port="2"/>'
        b"</edges></net>"
    )
    assert read_ir(xml, b"").inputs == {"c": ["a", "b"]}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with a byte changed, a stretch cut out or said twice, or a number replaced."""
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.choice([1, 1, 8, 60, 400]))
    kind = rng.randrange(4)
    if kind == 0:
        return data[:start] + bytes([rng.randrange(256)]) + data[start + 1 :]
    if kind == 1:
        return data[:start] + data[stop:]
    if kind == 2:
        return data[:stop] + data[start:stop] + data[stop:]
    digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
    place = rng.choice(digits)
    return data[:place] + rng.choice([b"-1", b"0", b"99999999999", b"1", b"x"]) + data[place + 1 :]


def outcome(files: dict[str, bytes]) -> str | None:
    """None if the files were read or refused in good time, else what went wrong."""
    try:
        with within(SECONDS), np.errstate(all="ignore"):
            from_openvino(files)
    except ValueError as error:
        return None if "\n" not in str(error) else f"a message of several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize("file", [MAPPING, SYNTHESIS])
def test_random_damage_to_a_graph_is_read_or_refused_but_never_worse(file):
    rng = random.Random(0)
    outcomes = [outcome({**IR, file: mutated(IR[file], rng)}) for _ in range(200)]
    assert set(outcomes) == {None}


def test_random_truncation_of_weights_is_refused():
    rng = random.Random(1)
    for file in ("MappingNetwork.bin", "SynthesisNetwork.bin"):
        for _ in range(15):
            refusal({**IR, file: IR[file][: rng.randrange(len(IR[file]) - 64)]})
