"""Files and constants that are refused: missing, damaged, hostile, or of another network."""

import random
import tracemalloc

import numpy as np
import pytest
from ir_edits import (
    IR,
    MAPPING,
    SECONDS,
    SYNTHESIS,
    edited,
    layer,
    refusal,
    replaced,
    with_data,
    within,
)
from ir_fixtures import IR_FILES

from ganzoo.converters.openvino import from_openvino


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
