"""Things of classes that nobody here knows, beside a network and in it: never made, and named if needed."""

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import pickle  # noqa: TID251 - files are written, none is read
import random
import sys
import types
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from covering import thinned
from test_safe_pickle import text, zipped

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.converters.unknown import Unknown
from ganzoo.models.weights import weights_digest

GOLDEN = Path(__file__).parents[1] / "golden"
TRAINED = GOLDEN / "rosinality" / "ros_train_32.pt"
SNAPSHOT = GOLDEN / "nvidia_pkl" / "ada_cond_skip_32.pkl"


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Options:
    rate: float
    path: object = None


class Slots:
    __slots__ = ("a", "b")


class SlotsAndMore(Slots):
    pass


class WithKeywords:
    def __new__(cls, *, rate):
        return super().__new__(cls)

    def __getnewargs_ex__(self):
        return (), {"rate": 1}


class Dict(dict):
    pass


class List(list):
    pass


class Ring:
    """An object that is held by what it holds."""

    def __init__(self):
        self.parts = [self]


class Raw:
    """Pickles as these opcodes, which leave one object on the stack."""

    def __init__(self, opcodes):
        self.opcodes = opcodes


def slotted(cls):
    item = cls()
    item.a, item.b = 1, torch.zeros(2)
    return item


def named_function(value):
    return value


def hooked():
    return torch.nn.utils.spectral_norm(torch.nn.Conv2d(1, 1, 1))


def string(value):
    return text(value.encode())


def called(module, name, arguments=b")"):
    return Raw(f"c{module}\n{name}\n".encode() + arguments + b"R")


def posix(module, *parts):
    return called(module, "PosixPath", b"(" + b"".join(map(string, parts)) + b"t")


STRANGERS = {
    "a path": lambda: pathlib.PurePosixPath("/data/faces"),
    "a path of this system": lambda: Path("/data/faces"),
    "a path of Windows": lambda: pathlib.PureWindowsPath("C:/faces"),
    "a path of Python 3.10": lambda: posix("pathlib", "/", "data", "faces"),
    "a path of Python 3.12": lambda: posix("pathlib", "/data/faces"),
    "a path of Python 3.13": lambda: posix("pathlib._local", "/data", "faces"),
    "a path of Windows, of Python 3.13": lambda: called("pathlib._local", "WindowsPath"),
    "a date": lambda: datetime.date(2020, 2, 3),
    "a time": lambda: datetime.datetime(2020, 2, 3, 4, tzinfo=datetime.timezone.utc),
    "a duration": lambda: datetime.timedelta(hours=3),
    "a counter": lambda: collections.Counter("abca"),
    "a defaultdict of functions": lambda: collections.defaultdict(named_function, {"a": 1}),
    "a deque": lambda: collections.deque([1, 2], maxlen=3),
    "a set": lambda: {1, "a", (2, 3), datetime.date(2020, 1, 1)},
    "a frozenset": lambda: frozenset([1, frozenset([2])]),
    "a random state": lambda: np.random.RandomState(0),
    "a random generator": lambda: np.random.default_rng(0),
    "a state of numpy's": lambda: np.random.get_state(),
    "a state of Python's": lambda: random.Random(0).getstate(),
    "Python's generator": lambda: random.Random(0),
    "a state of PyTorch's": lambda: torch.get_rng_state(),
    "an array of texts": lambda: np.array(["ann", "bob"]),
    "an array of bytes": lambda: np.array([b"ann"]),
    "an array of objects": lambda: np.array([{"a": 1}, None], dtype=object),
    "an array of dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "an array of records": lambda: np.zeros(2, dtype=[("a", "f4"), ("b", "i8")]),
    "an array of complex numbers": lambda: np.zeros(2, np.complex64),
    "a masked array": lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
    "a text of numpy's": lambda: np.str_("a"),
    "a date of numpy's": lambda: np.datetime64("2020-01-01"),
    "a complex number of numpy's": lambda: np.complex128(1j),
    "a number of numpy's": lambda: np.int64(3),
    "a function": lambda: named_function,
    "a function of functions": lambda: functools.partial(named_function, 1, base=2),
    "a method": lambda: "abc".upper,
    "a function without a name": lambda: Raw(b"c__main__\n<lambda>\n"),
    "a class": lambda: Options,
    "a member of an enum": lambda: Color.RED,
    "a dtype": lambda: torch.float16,
    "a device": lambda: torch.device("cuda", 1),
    "a size": lambda: torch.Size([2, 3]),
    "a size that is asked for": lambda: torch.Size([-1, 3]),
    "a complex number": lambda: 1j,
    "a decimal": lambda: decimal.Decimal("1.5"),
    "a fraction": lambda: fractions.Fraction(1, 3),
    "a range": lambda: range(3),
    "a slice": lambda: slice(1, 2),
    "an identity": lambda: uuid.UUID(int=5),
    "bytes that change": lambda: bytearray(b"abc" * 20),
    "a dataclass": lambda: Options(0.1, Path("a")),
    "a namespace": lambda: types.SimpleNamespace(a=1),
    "slots": lambda: slotted(Slots),
    "slots and attributes": lambda: slotted(SlotsAndMore),
    "keywords of __new__": lambda: WithKeywords(rate=1),
    "a dict of another class": lambda: Dict(a=1),
    "a list of another class": lambda: List([1, 2]),
    "a ring": Ring,
    "a module": lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.BatchNorm2d(1)),
    "a module with hooks": hooked,
    "a buffer with attributes": lambda: torch.nn.Buffer(torch.zeros(2)),
    "an optimiser": lambda: torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]),
    "a complex tensor": lambda: torch.zeros(2, dtype=torch.complex64),
    "a tensor of few bits": lambda: torch.zeros(2, dtype=torch.float8_e4m3fn),
    "an unsigned tensor": lambda: torch.zeros(2, dtype=torch.uint16),
    "a sparse tensor": lambda: torch.eye(2).to_sparse(),
    "a quantised tensor": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "a dict with odd keys": lambda: {
        Color.RED: 1, ((1, 2), 3): 2, frozenset([4]): 3, (torch.float32, 5): 4, 1j: 5, "two\nlines": 6,
        "x" * 1000: 7, 2**70: 8, Path("a"): 9, b"b" * 40: 10,
    },
    "many keys that are numbers": lambda: {i / 7: i for i in range(5_000)},
    "an extension of copyreg": lambda: Raw(b"\x82\x07"),
    "a call of an extension": lambda: Raw(b"\x83\x07\x01)\x81"),
    "an instance of Python 2": lambda: Raw(b"(K\x01ievil\nThing\n}K\x01K\x02sb"),
    "another instance of Python 2": lambda: Raw(b"(cevil\nThing\nK\x01o"),
    "a global that is given a state": lambda: Raw(b"cos\nenviron\n}K\x01K\x02sb"),
    "a call of what was called": lambda: Raw(b"cevil\nmake\n)R)R"),
    "a text in an odd encoding": lambda: called("_codecs", "encode", b"(" + text(b"a") + text(b"bz2") + b"t"),
    "a command": lambda: called("os", "system", b"(" + text(b"touch /tmp/ganzoo-was-here") + b"t"),
}  # fmt: skip


def with_raw(data, raws):
    """A pickle with opcodes in the place of the texts that stand for them."""
    for mark, raw in raws.items():
        found = [
            form
            for form in (b"\x8c" + bytes([len(mark)]) + mark, b"X" + len(mark).to_bytes(4, "little") + mark)
            if data.count(form) == 1
        ]
        assert len(found) == 1
        data = data.replace(found[0], raw)
    return data


def without_raw(contents):
    """The contents with a text in the place of each `Raw`, and the opcodes by these texts."""
    raws = {f"<raw {key}>".encode(): value.opcodes for key, value in contents.items() if type(value) is Raw}
    return {k: f"<raw {k}>" if type(v) is Raw else v for k, v in contents.items()}, raws


def bare(contents, path, protocol):
    contents, raws = without_raw(contents)
    path.write_bytes(with_raw(pickle.dumps(contents, protocol), raws))


def as_zip(contents, path, protocol):
    contents, raws = without_raw(contents)
    torch.save(contents, path, pickle_protocol=protocol)
    if raws:
        import zipfile

        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        [name] = [name for name in members if name.endswith("data.pkl")]
        folder = name.partition("/")[0]
        rest = {n.partition("/")[2]: data for n, data in members.items() if n != name}
        path.write_bytes(zipped(with_raw(members[name], raws), rest, folder=folder))


def as_stream(contents, path, protocol):
    contents, raws = without_raw(contents)
    torch.save(contents, path, pickle_protocol=protocol, _use_new_zipfile_serialization=False)
    path.write_bytes(with_raw(path.read_bytes(), raws))


ROUTES = {
    f"{route.__name__}, protocol {protocol}": (route, protocol)
    for route in (bare, as_zip, as_stream)
    for protocol in (2, 3, 4, 5)
    if protocol != 3 or route is bare
}


def networks():
    """The networks of a training file as tensors of PyTorch."""
    contents = open_checkpoint(TRAINED)
    return {
        part: {name: torch.from_numpy(ref.array()) for name, ref in contents[part].items()}
        for part in ("g", "d", "g_ema")
    }


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pt"


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_nobody_knows_does_not_hide_what_is_beside_it(stranger, file, recwarn):
    for route, protocol in ((bare, 2), (bare, 4), (as_zip, 2), (as_stream, 2)):
        route(
            {"before": {"t": torch.ones(3)}, "x": STRANGERS[stranger](), "g": torch.arange(3.0)},
            file,
            protocol,
        )
        found = open_checkpoint(file)
        assert list(found) == ["before", "x", "g"]
        assert found["g"].array().tolist() == [0, 1, 2] and found["before"]["t"].array().tolist() == [1] * 3


# Every route and protocol; the rest of the product is slow.
ALWAYS = ["bare, protocol 3", "bare, protocol 5", "as_zip, protocol 2", "as_stream, protocol 4"]


@pytest.mark.parametrize("route", thinned(ROUTES, ALWAYS))
def test_a_network_among_strangers_is_the_one_that_it_is_alone(route, file, recwarn):
    write, protocol = ROUTES[route]
    strangers = {name: make() for name, make in STRANGERS.items()}
    write({**dict(list(strangers.items())[::2]), **networks(), **strangers}, file, protocol)
    conversion = convert_with_account(file)
    assert conversion.part == "generator_ema" and len(conversion.parts) == 3
    assert weights_digest(conversion.module) == weights_digest(ganzoo.convert(TRAINED))


@pytest.mark.parametrize("protocol", [0, 1])
def test_a_bare_pickle_of_the_oldest_protocols_is_read_past_strangers(protocol, file):
    contents = {"a": Options(1.0), "b": Color.RED, "c": datetime.date(2020, 1, 1), "d": Dict(e=1), "z": 7}
    file.write_bytes(pickle.dumps(contents, protocol))
    found = open_checkpoint(file)
    assert list(found) == list(contents) and found["z"] == 7
    assert all(type(found[key]) is Unknown for key in "abcd")


def test_a_config_of_omegaconf_is_a_stranger_like_others(file):
    omegaconf = pytest.importorskip("omegaconf")
    torch.save({"config": omegaconf.OmegaConf.create({"a": {"b": [1]}}), **networks()}, file)
    assert weights_digest(ganzoo.convert(file)) == weights_digest(ganzoo.convert(TRAINED))


def test_networks_in_a_dict_of_another_package_are_found(file):
    torch.save(Dict({key: Dict(state) for key, state in networks().items()}), file)
    assert weights_digest(ganzoo.convert(file)) == weights_digest(ganzoo.convert(TRAINED))


def test_an_extension_that_was_registered_is_a_stranger(file):
    copyreg.add_extension(Options.__module__, "Options", 240)
    try:
        data = pickle.dumps({"a": Options(1.0), "b": 2}, 2)
    finally:
        copyreg.remove_extension(Options.__module__, "Options", 240)
    assert b"\x82\xf0" in data
    file.write_bytes(data)
    found = open_checkpoint(file)
    assert type(found["a"]) is Unknown and found["b"] == 2


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_lies_outside_of_a_pickle_is_a_stranger(protocol, file):
    class Writer(pickle.Pickler):
        def persistent_id(self, item):
            return "shared memory" if isinstance(item, Options) else None

    with file.open("wb") as out:
        Writer(out, protocol).dump({"a": Options(1.0), "b": 2})
    found = open_checkpoint(file)
    assert str(found["a"]) == "a persistent id" and found["b"] == 2


def test_nothing_of_a_stranger_is_imported(file, tmp_path, monkeypatch):
    (tmp_path / "evil_package.py").write_text("open('was-here', 'w').write('imported')\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    bare({"x": called("evil_package", "Thing"), **networks()}, file, 4)
    ganzoo.convert(file)
    assert "evil_package" not in sys.modules and not Path("was-here").exists()
