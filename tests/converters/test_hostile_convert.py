"""Hostile files through `ganzoo.convert`: one line of error, soon, in little memory, and nothing runs.

`test_safe_pickle.py` attacks the reader of opcodes; here are bombs, lies, and networks that are absurd.
"""

import io
import random
import struct
import zipfile

import numpy as np
import pytest
import torch
from covering import thinned
from fuzz_helpers import complaint, dump_tree
from mutants import FIXTURES
from test_safe_pickle import call, doubled, storage, tensor, text, zipped

from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.contents import Record

ADA, CONDITIONAL = (
    next(p for p in FIXTURES if p.name == f"ada_{kind}_skip_32.pkl") for kind in ("uncond", "cond")
)
EVIL = "open('was-here', 'w').write('the source of a module ran')\nclass Generator: pass\n"
TUPLES = doubled(60)
GET = b"h\x3c"  # the tuple that unfolds to 2 ** 60 items


def named(module, name):
    return b"c" + module + b"\n" + name + b"\n"


def reduced(module, name, arguments, times=1):
    """A list of calls, all with the same arguments."""
    head = b"]" + named(module, name) + b"q\xfe0" + b"(" + arguments + b"tq\xff0"
    return b"\x80\x03" + head + b"(" + b"h\xfeh\xffR" * times + b"e."


def with_tuples(module, name, arguments):
    """The same, once, behind the pairs of pairs."""
    return b"\x80\x02" + TUPLES + reduced(module, name, arguments)[2:]


def long_list(count, item=b"N"):
    return b"](" + item * count + b"e"


def array(shape=b"K\x02", state=b"(K\x03U\x01<NNNK\x00K\x00K\x00tb", data=b"C\x08" + bytes(8), kind=b"f4"):
    dtype = named(b"numpy", b"dtype") + b"(" + text(kind) + b"tR" + state
    return (
        named(b"numpy.core.multiarray", b"_reconstruct")
        + b"(tR(K\x01("
        + shape
        + b"t"
        + dtype
        + b"\x89"
        + data
        + b"tb"
    )


def module_of(state):
    """A module of NVIDIA's, its state given by opcodes."""
    meta = (
        b"}("
        + text(b"class_name")
        + text(b"A")
        + text(b"state")
        + state
        + text(b"module_src")
        + text(b"1/0")
        + b"u"
    )
    return named(b"torch_utils.persistence", b"_reconstruct_persistent_obj") + b"(" + meta + b"tR"


def tf_network(**state):
    """A network of tflib, its state given by opcodes."""
    items = b"".join(text(k.encode()) + v for k, v in state.items())
    return b"\x80\x03" + TUPLES + named(b"dnnlib.tflib.network", b"Network") + b")\x81}(" + items + b"ub."


def legacy(keys):
    """What torch.save wrote before it wrote zip files: the keys of the storages, given by opcodes."""
    head = (
        b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}"
        + text(b"little_endian")
        + b"\x88s."
    )
    return head + b"\x80\x02}.\x80\x02" + keys + b"."


def zip_directory(count):
    """A zip file of nothing but a directory of members without names."""
    entry = b"PK\x01\x02" + bytes(42)
    size = count * len(entry)
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, size, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return entry * count + end64 + locator + end


def edited(data, old, new):
    assert old in data
    return data.replace(old, new)


def stranger_modules(child):
    """A module of an unknown class that has a child; `h\\x90` is itself."""
    state = text(b"_parameters") + b"}" + text(b"_buffers") + b"}" + text(b"_modules") + b"}"
    return b"\x80\x02" + named(b"a", b"B") + b")\x81q\x90}(" + state + text(b"a") + child + b"sub."


def twice_the_member():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", tensor())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/data.pkl", call(b"os", b"system"))
        archive.writestr("a/data/0", bytes(16))
    return file.getvalue()


def colliding_integers(count):
    prime = 2**61 - 1
    keys = b"".join(b"\x8a\x0a" + (i * prime).to_bytes(10, "little") + b"N" for i in range(1, count))
    return b"\x80\x02}(" + keys + b"u."


def views_of_one_storage(count, size, method=zipfile.ZIP_STORED):
    """Layers of a mapping network that are all views of one large storage, whose checksum takes a while."""
    one = tensor(numel=size // 4, shape=(1, 1), stride=(1, 1))[2:-1]
    items = b"".join(
        text(b"style.%d.%s" % (i, kind)) + one for i in range(1, count) for kind in (b"weight", b"bias")
    )
    state = b"}(" + items + text(b"input.input") + one + b"u"
    data = bytes(size // 2) + random.Random(0).randbytes(size // 2)  # half of it can be compressed
    return zipped(b"\x80\x02}" + text(b"g_ema") + state + b"s.", {"data/0": data}, compression=method)


LETTERS = b"X" + struct.pack("<I", 1 << 20) + b"\xf0\x9f\x8d\x8c" + b"a" * ((1 << 20) - 4)
STREAM = b"\x80\x03" + LETTERS[:1] + struct.pack("<I", 1 << 19) + b"a" * (1 << 19) + b"."
BYTES = b"B" + struct.pack("<I", len(STREAM)) + STREAM
MODULE_STATE = (
    b"}(" + text(b"_parameters") + b"h\x01" + text(b"_buffers") + b"}" + text(b"_modules") + b"}uq\x02"
)
PAIRS = b"](" + b"".join(b"K\x01N\x86" for _ in range(20_000)) + b"e"
ATTRIBUTES = b"}(" + b"".join(text(b"a%d" % i) + b"N" for i in range(20_000)) + b"u"
LONG_KEY = text(b"k" * 400)

FILES = {
    "a printed tuple: a persistent id": lambda: zipped(b"\x80\x02" + TUPLES + GET + b"Q."),
    "a printed tuple: an encoded text": lambda: with_tuples(b"_codecs", b"encode", GET + b"V1\n"),
    "a printed tuple: an encoding": lambda: with_tuples(b"_codecs", b"encode", b"V1\n" + GET),
    "a printed tuple: a device": lambda: with_tuples(b"torch", b"device", GET),
    "a printed tuple: a type": lambda: with_tuples(b"numpy", b"dtype", GET),
    "a printed tuple: a function": lambda: b"\x80\x04" + TUPLES + GET + b")}K\x01K\x01s\x92.",
    "a printed tuple: a class": lambda:
        edited(b"\x80\x03" + TUPLES + module_of(b"}") + b".", text(b"A"), GET),
    "a printed tuple: a version": lambda: tf_network(version=GET, variables=b"]"),
    "a printed tuple: a setting": lambda: tf_network(
        version=b"K\x04", variables=b"]", static_kwargs=b"}" + text(b"nonlinearity") + GET + b"s"
    ),
    "a hashed tuple: a dict of pairs": lambda:
        with_tuples(b"dnnlib.util", b"EasyDict", b"](" + GET + b"N\x86e"),
    "a hashed tuple: the keys of storages": lambda: legacy(TUPLES + b"](" + GET + b"e"),
    "a hashed tuple: a set": lambda: with_tuples(b"builtins", b"set", b"](" + GET + b"e"),
    "keys with one hash": lambda: colliding_integers(40_000),
    "long keys that are compared again and again": lambda: b"\x80\x02}" + b"".join(
        text(b"a" * 500_000) + b"q%cN" % i + b"s" for i in (0, 1)) + b"h\x00Nsh\x01Ns" * 20_000 + b".",
    "a copied list of pairs": lambda: reduced(b"collections", b"OrderedDict", PAIRS, 60_000),
    "a copied tuple": lambda: reduced(b"torch", b"Size", b"(" + b"K\x01" * 50_000 + b"t", 60_000),
    "a copied set": lambda: reduced(b"builtins", b"set", long_list(50_000), 60_000),
    "a copied state": lambda: reduced(b"torch_utils.persistence", b"_reconstruct_persistent_obj",
        b"}(" + text(b"class_name") + text(b"A") + text(b"state") + ATTRIBUTES + b"u", 60_000),
    "a built state": lambda:
        b"\x80\x02" + named(b"argparse", b"Namespace") + b")\x81" + ATTRIBUTES + b"q\x000"
        + b"h\x00b" * 100_000 + b".",
    "a copied text": lambda: reduced(b"_codecs", b"encode", STREAM[2:-1] + text(b"latin1"), 60_000),
    "a stream that is read again and again": lambda:
        reduced(b"torch.storage", b"_load_from_bytes", BYTES, 60_000),
    "a stream of bytes as a shape": lambda:
        zipped(tensor().replace(b"\x8a\x09\x04", BYTES + b"\x8a\x09\x04", 1)),
    "texts of wide letters": lambda: b"\x80\x02](" + LETTERS * 100 + b"e.",
    "short lines before a long file": lambda: b"\x80\x02" + b"ca\nb\n0" * 50_000 + bytes(4 << 20),
    "numbers of many digits": lambda: b"\x80\x02" + (b"L" + b"9" * 100_000 + b"L\n0") * 100 + b".",
    "a number of a million digits": lambda: b"F" + b"1" * 1_000_000 + b"\n.",
    "a place in the memo of many digits": lambda: b"Np" + b"9" * 4_000 + b"\n.",
    "a place in the memo far away": lambda: b"\x80\x02Nr\xff\xff\xff\xffj\xff\xff\xff\xff.",
    "one item many times": lambda: b"\x80\x02](" + b"K\x01" + b"2" * 100_000 + b"e.",
    "many arguments, again and again": lambda: reduced(b"torch", b"device", b"N" * 100_000, 60_000),
    "strangers": lambda: reduced(b"evil", b"Thing", b"", 95_000),
    "strangers of extensions": lambda: b"\x80\x02](" + b"\x82\x01" * 145_000 + b"e.",
    "strangers in strangers":
        lambda: b"\x80\x02" + named(b"evil", b"Thing") + b"(" * 90_000 + b"N" + b"tR" * 10 + b".",
    "strangers as keys": lambda: b"\x80\x02}(" + (b"\x82\x01)RN") * 20_000 + b"u.",
    "keys that are no keys": lambda: b"\x80\x02}((" + b"N" * 50_000 + b"tq\x00N" + b"h\x00N" * 99_999 + b"u.",
    "dicts of strangers in each other": lambda:
        b"\x80\x02" + named(b"evil", b"Dict") + b"q\x00" + (b"h\x00)\x81" + LONG_KEY) * 20_000 + b"N"
        + b"s" * 20_000 + b".",
    "a dict of a stranger that holds itself": lambda:
        b"\x80\x02" + named(b"evil", b"Dict") + b")\x81q\x00(Vg_ema\nh\x00Vg\nh\x00u.",
    "modules of strangers that contain themselves": lambda: stranger_modules(b"h\x90"),
    "modules of strangers that share their parts": lambda: b"\x80\x02"
        + b"}(" + b"".join(text(b"p%d" % i) + b"N" for i in range(8_000)) + b"uq\x01" + MODULE_STATE
        + b"](" + (named(b"a", b"B") + b")\x81h\x02b") * 8_000 + b"e.",
    "a ladder of strangers' modules": lambda: b"\x80\x02" + named(b"a", b"B") + b"q\x00}q\x03"
        + b"".join(b"h\x00)\x81}(" + text(b"_parameters") + b"}" + text(b"_buffers") + b"}"
        + text(b"_modules") + b"}(Va\nh\x03Vb\nh\x03uubq\x03" for _ in range(60)) + b"h\x03.",
    "a storage of a stranger, many times": lambda:
        legacy(b"](" + b"".join(text(b"%d" % i) for i in range(50_000)) + b"e"),
    "sets that are never used": lambda: b"\x80\x04](" + b"\x8f" * 290_000 + b"e.",
    "tuples in tuples": lambda: b"\x80\x02)" + b"\x85" * 80_000 + b".",
    "many calls": lambda: reduced(b"collections", b"OrderedDict", b"", 95_000),
    "objects in objects": lambda:
        b"\x80\x02" + named(b"argparse", b"Namespace") + b"q\x000" + b"h\x00)R}U\x01a" * 30_000
        + b"N" + b"sb" * 30_000 + b".",
    "long names in long names": lambda:
        b"\x80\x02" + LONG_KEY + b"q\x000" + b"}h\x00" * 60 + long_list(100_000)
        + b"s" * 60 + b".",
    "components of components": lambda: tf_network(version=b"K\x04",
        variables=long_list(10_000, text(b"a") + b"N\x86") + b"q\x90",
        components=b"}(" + b"".join(text(b"%d" % i) + named(b"dnnlib.tflib.network", b"Network") + b")\x81}"
        + text(b"variables") + b"h\x90sb" for i in range(8_000)) + b"u"),
    "a list that holds itself": lambda: b"\x80\x02]q\x00h\x00a.",
    "a dict that holds itself": lambda: b"\x80\x02}q\x00(Vg_ema\nh\x00V_modules\nh\x00u.",
    "views of one storage": lambda: views_of_one_storage(2_000, 16 << 20),
    "views of one storage that is compressed": lambda:
        views_of_one_storage(4_000, 32 << 20, zipfile.ZIP_DEFLATED),
    "a directory of a zip and nothing else": lambda: zip_directory(1_500_000),
    "a directory of many names": lambda: zipped(tensor(), {f"{i}": b"" for i in range(60_000)}),
    "two members of one name": twice_the_member,
    "a member that promises more": lambda:
        edited(zipped(tensor()), struct.pack("<II", 16, 16), struct.pack("<II", 1600, 1600)),
    "a member beyond the file": lambda: edited(zipped(tensor()), struct.pack("<II", 16, 16), b"\xff" * 8),
    "a name that is no text": lambda: edited(zipped(tensor()), b"a/data/0", b"a/dat\xff/0"),
    "a zip behind something else": lambda: bytes(1000) + zipped(tensor()),
    "a zip that ends early": lambda: zipped(tensor())[:-30],
    "a name that steers the terminal": lambda:
        b"\x80\x04" + text(b"os\n\x1b[2J") + text(b"system\r") + b"\x93)R.",
    "a name that is turned around": lambda:
        b"\x80\x04" + text("\u202eos".encode()) + text(b"system") + b"\x93)R.",
    "a key that steers the terminal": lambda: b"\x80\x02}" + text(b"\x1b[31m\n\n") + b"Ns.",
    "half of a letter": lambda: b"\x80\x02}" + text(b"\xed\xa0\x80") + b"Ns.",
    "an array of no numbers but of many": lambda:
        b"\x80\x03" + array(b"K\x00" + b"\x8a\x09" + b"\xff" * 8 + b"\x00", data=b"C\x00") + b".",
    "an array of objects": lambda: b"\x80\x03" + array(kind=b"O8") + b".",
    "an array whose type is set to nonsense": lambda: b"\x80\x03" + array(state=b"K\x05b") + b".",
    "an array that is set twice": lambda: edited(b"\x80\x03" + array() + b".", b"tb.", b"tbK\x01b."),
    "a tensor whose shape is a text": lambda:
        zipped(tensor().replace(b"(\x8a\x09\x04" + bytes(8) + b"t", text(b"abcd"), 1)),
    "a storage that is no storage": lambda: zipped(tensor().replace(storage(4), b"K\x01")),
    "source that would run": lambda:
        b"\x80\x03}" + text(b"G_ema") + module_of(b"}" + text(b"_modules") + b"}s") + b"s.",
}  # fmt: skip


def assert_harmless(judge, path, outcomes=("refused",)):
    result = judge(path, seconds=15)
    assert complaint(result, path.stat().st_size) is None, complaint(result, path.stat().st_size)
    assert result["outcome"] in outcomes and result["seconds"] < 15
    assert list(path.parent.iterdir()) == [path]
    return result["message"]


# These take seconds each. Others of their kind run always: things without end, views, crowded directories.
LONG = {
    "sets that are never used", "many calls", "strangers", "strangers of extensions", "keys that are no keys",
    "views of one storage that is compressed", "a directory of many names", "tuples in tuples",
    "components of components", "objects in objects", "modules of strangers that share their parts",
}  # fmt: skip


@pytest.mark.parametrize("case", thinned(FILES, FILES.keys() - LONG))
def test_a_bomb_or_a_lie_ends_in_one_line(case, judge, folder):
    (folder / "file").write_bytes(FILES[case]())
    assert_harmless(judge, folder / "file")


def module(record, path):
    for name in path.split(".") if path else []:
        record = record.state["_modules"][name]
    return record


def with_attribute(path, name, value):
    def edit(generator):
        module(generator, path).state[name] = value

    return edit


def with_tensor(path, name, value, **attributes):
    def edit(generator):
        state = module(generator, path).state
        state["_buffers" if name in state["_buffers"] else "_parameters"][name] = value
        state.update(attributes)

    return edit


def with_modules(path, names, source):
    def edit(generator):
        module(generator, path).state["_modules"].update(dict.fromkeys(names, module(generator, source)))

    return edit


def with_child(child):
    def edit(generator):
        generator.state["_modules"]["child"] = child(generator)

    return edit


def deep(depth):
    record = Record("A", {"_modules": {}, "_buffers": {}, "_parameters": {}})
    for _ in range(depth):
        record = Record("A", {"_modules": {"a": record}, "_buffers": {}, "_parameters": {}})
    return record


LAYER = "synthesis.b8.conv0"
NETWORKS = {
    "an attribute that is NaN": with_attribute(LAYER, "act_gain", float("nan")),
    "an attribute that is infinite": with_attribute("mapping.fc0", "bias_gain", float("inf")),
    "an attribute beyond all numbers": with_attribute(LAYER, "conv_clamp", 10**400),
    "an attribute of a million letters": with_attribute(LAYER, "activation", "x" * 1_000_000),
    "an attribute that steers the terminal": with_attribute(LAYER, "activation", "\x1b[31mred\n" * 5),
    "an attribute that is a truth": with_attribute("mapping.fc0", "weight_gain", True),
    "an attribute that is a list": with_attribute(LAYER, "up", [[[2]]]),
    "a module whose name is two lines": with_modules("mapping", ["a\nb\x1b[31m"], "mapping.fc0"),
    "sixty blocks": with_modules("synthesis", [f"b{4 * 2**i}" for i in range(60)], "synthesis.b32"),
    "blocks up to 2 ** 15":
        with_modules("synthesis", [f"b{4 * 2**i}" for i in range(4, 14)], "synthesis.b32"),
    "thousands of blocks": with_modules("synthesis", [f"b{i}" for i in range(5_000)], "synthesis.b32.torgb"),
    "a mapping network of thousands":
        with_modules("mapping", [f"fc{i}" for i in range(3_000)], "mapping.fc0"),
    "modules that contain themselves": with_child(lambda generator: generator),
    "modules nested without end": with_child(lambda _: deep(60)),
    "a large layer, many times": lambda g: (
        with_tensor("mapping.fc0", "weight", torch.zeros(1024, 1024))(g),
        with_modules("mapping", [f"fc{i}" for i in range(500)], "mapping.fc0")(g),
    ),
    "a filter of 100,000 taps": with_tensor(LAYER, "resample_filter", torch.eye(1, 100_000)[0]),
    "a filter of nothing": with_tensor(LAYER, "resample_filter", torch.zeros(0)),
    "a layer of width 0": with_tensor("mapping.fc0", "weight", torch.zeros(0, 1 << 40)),
    "a layer of width 100,000": with_tensor("synthesis.b4", "const", torch.zeros(100_000, 4, 4)),
    "a label of 10 ** 12": with_tensor("mapping.fc0", "weight", torch.zeros(10**12, 0)),
    "numbers that are NaN": with_tensor("mapping", "w_avg", torch.full([32], torch.nan)),
    "truths as numbers": with_tensor("mapping", "w_avg", torch.ones(32, dtype=torch.bool)),
    "a const of one number": with_tensor("synthesis.b4", "const", torch.zeros(())),
    "a const of eight dimensions": with_tensor("synthesis.b4", "const", torch.zeros([1] * 8)),
}  # fmt: skip


@pytest.mark.parametrize("case", NETWORKS)
def test_an_absurd_network_ends_in_one_line(case, judge, folder):
    generator = open_checkpoint(ADA)["G_ema"]
    NETWORKS[case](generator)
    (folder / "file").write_bytes(dump_tree({"G_ema": generator}, EVIL))
    assert_harmless(judge, folder / "file")


def test_the_source_of_a_network_that_is_converted_does_not_run(judge, folder):
    (folder / "file").write_bytes(dump_tree(open_checkpoint(ADA), EVIL))
    assert_harmless(judge, folder / "file", ["converted"])


def test_the_judge_notices_what_a_file_must_not_do(judge, folder):
    result = {"outcome": "refused", "message": "a", "events": ["exec"], "grown": 0}
    assert "exec" in complaint(result, 0)
    assert "MiB" in complaint({**result, "events": [], "grown": 300 << 20}, 0)
    assert "one line" in complaint({**result, "events": [], "message": "a\nb"}, 0)
    assert "crashed" in complaint({**result, "outcome": "crashed"}, 0)


def test_a_label_of_30_000_classes_takes_no_gigabyte(judge, folder):
    generator = open_checkpoint(CONDITIONAL)["G_ema"]
    embed, first = module(generator, "mapping.embed").state, module(generator, "mapping.fc0").state
    outputs, inputs = first["_parameters"]["weight"].shape
    inputs -= embed["_parameters"]["weight"].shape[0] - 1
    embed["_parameters"].update(weight=torch.zeros(1, 30_000), bias=torch.zeros(1))
    embed["weight_gain"] = 1 / np.sqrt(30_000)
    first["_parameters"]["weight"] = torch.zeros(outputs, inputs)
    first["weight_gain"] = first["bias_gain"] / np.sqrt(inputs)
    del module(generator, "mapping").state["_buffers"]["w_avg"]
    (folder / "file").write_bytes(dump_tree({"G_ema": generator}))
    assert_harmless(judge, folder / "file", ["converted"])
