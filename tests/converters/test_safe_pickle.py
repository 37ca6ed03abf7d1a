"""Hostile pickles: nothing is imported or called, nothing grows or hangs, every one ends in one line."""

import io
import pickle  # noqa: TID251 - to write files, never to read them
import random
import resource
import signal
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import ganzoo
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.unknown import Name, Unknown

GOLDEN = Path(__file__).parents[1] / "golden"
SECONDS = 20


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def call(module, name, argument=b"V/tmp/ganzoo-was-here\n", opcode=b"R"):
    """A pickle that calls `module.name` with one text."""
    return b"\x80\x02c" + module + b"\n" + name + b"\n(" + argument + b"t" + opcode + b"."


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value


def storage(numel, kind=b"FloatStorage", key=b"0"):
    """A persistent storage, as the protocol of torch.save spells it."""
    return (
        b"("
        + text(b"storage")
        + b"ctorch\n"
        + kind
        + b"\n"
        + text(key)
        + text(b"cpu")
        + b"J"
        + struct.pack("<i", numel)
        + b"tQ"
    )


def tensor(numel=4, offset=0, shape=(4,), stride=(1,)):
    def numbers(values):
        return b"(" + b"".join(b"\x8a\x09" + v.to_bytes(9, "little", signed=True) for v in values) + b"t"

    arguments = storage(numel) + numbers([offset])[1:-1] + numbers(shape) + numbers(stride)
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89}tR."


def zipped(data_pkl, members=None, *, compression=zipfile.ZIP_STORED, folder="a"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{folder}/data.pkl", data_pkl)
        for name, data in (members or {"data/0": bytes(16)}).items():
            archive.writestr(f"{folder}/{name}", data, compression)
    return file.getvalue()


def nested(depth):
    """Streams within streams, by the call that torch uses for storages."""
    data = b"\x80\x02N."
    for _ in range(depth):
        data = b"\x80\x03ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(data)) + data + b"tR."
    return data


CALLS = {
    "os.system": call(b"os", b"system"),
    "posix.system": call(b"posix", b"system"),
    "subprocess.Popen": call(b"subprocess", b"Popen"),
    "builtins.eval": call(b"builtins", b"eval"),
    "builtins.exec": call(b"__builtin__", b"exec"),
    "builtins.open": call(b"builtins", b"open"),
    "builtins.getattr": call(b"builtins", b"getattr"),
    "importlib": call(b"importlib", b"import_module"),
    "runpy": call(b"runpy", b"run_path"),
    "torch.load": call(b"torch.serialization", b"load"),
    "torch.hub": call(b"torch.hub", b"load"),
    "pickle.loads": call(b"_pickle", b"loads"),
    "numpy.load": call(b"numpy", b"load"),
    "hydra": call(b"hydra.utils", b"instantiate"),
    "a package of the file's own": call(b"evil", b"run"),
    "a class by NEWOBJ": call(b"subprocess", b"Popen", opcode=b"\x81"),
    "a class by INST": b"(ios\nsystem\n.",
    "a class by OBJ": b"(cos\nsystem\nV/tmp/x\no.",
    "by STACK_GLOBAL": b"\x80\x04" + text(b"os") + text(b"system") + b"\x93(V/tmp/x\ntR.",
    "a name with dots": b"\x80\x04" + text(b"torch") + text(b"os.system") + b"\x93)R.",
    "a stand-in's attribute": b"\x80\x04" + text(b"collections") + text(b"OrderedDict.__init__") + b"\x93)R.",
    "a string": b"\x80\x02V1\n)R.",
    "an extension": b"\x80\x02\x82\x01.",
    "a number by NEWOBJ_EX": b"\x80\x04K\x01)}\x92.",
    "keywords": b"\x80\x04ccollections\nOrderedDict\n)}V__class__\nV1\ns\x92.",
    "an out-of-band buffer": b"\x80\x05\x97.",
    "inside a stream": b"\x80\x03ctorch.storage\n_load_from_bytes\n(B"
    + struct.pack("<I", len(call(b"os", b"system"))) + call(b"os", b"system") + b"tR.",
    "inside a zip file": zipped(call(b"os", b"system")),
    "a state with side effects": b"\x80\x02cos\nenviron\n}V/tmp/x\nV1\nsb.",
    "written by pickle": pickle.dumps(Call(print, "hello")),
}  # fmt: skip

LIES = {
    "nothing": b"\x80\x02",
    "an empty stack": b"\x80\x02.",
    "a popped stack": b"\x80\x020.",
    "no mark": b"\x80\x02t.",
    "a memo that was never set": b"\x80\x02h\x05.",
    "no such opcode": b"\x80\x02\xff.",
    "a text longer than the file": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "bytes longer than any memory": b"\x80\x04\x8e" + b"\xff" * 8 + b"abc.",
    "a number of a gigabyte": b"\x80\x02\x8b\x00\x00\x00\x40abc.",
    "a number of many digits": b"L" + b"9" * 100_000 + b"L\n.",
    "a line without an end": b"\x80\x02V" + b"a" * 3_000_000,
    "items for a number": b"\x80\x02K\x01K\x02a.",
    "items for a tuple": b"\x80\x02)K\x01K\x02s.",
    "a list as a key": b"\x80\x02}]K\x01s.",
    "a key without a value": b"\x80\x02}(K\x01u.",
    "a text of broken bytes": b"\x80\x02X\x02\x00\x00\x00\xff\xff.",
    "a tensor larger than its storage": zipped(tensor(shape=(5,))),
    "a tensor that starts behind its storage": zipped(tensor(offset=4, shape=(1,))),
    "a tensor that starts before it": zipped(tensor(offset=-1)),
    "a tensor of negative size": zipped(tensor(shape=(-4,))),
    "a tensor that repeats one number": zipped(tensor(shape=(10**12,), stride=(0,))),
    "a tensor that overlaps itself": zipped(tensor(shape=(2, 2, 2), stride=(1, 1, 1))),
    "a tensor of many dimensions": zipped(tensor(shape=(1,) * 30, stride=(1,) * 30)),
    "a tensor of sizes beyond 64 bits": zipped(tensor(shape=(2**70,), stride=(0,))),
    "a tensor without as many strides": zipped(tensor(shape=(2, 2), stride=(1,))),
    "a storage larger than its bytes": zipped(tensor(numel=5)),
    "a storage larger than the file": zipped(tensor(numel=10**9, shape=(10**9,))),
    "a storage that is missing": zipped(tensor(), {"data/1": bytes(16)}),
    "a persistent id outside of a zip": b"\x80\x02" + storage(4) + b".",
    "a zip bomb": zipped(tensor(), {"data/0": bytes(10**6)}, compression=zipfile.ZIP_DEFLATED),
    "a zip without a pickle": zipped(b"", folder="a/b"),
    "a zip of the other byte order": zipped(tensor(), {"data/0": bytes(16), "byteorder": b"big"}),
    "a path that leaves the zip": zipped(tensor().replace(b"\x01\x00\x00\x000", b"\x07\x00\x00\x00../../0")),
    "streams within streams": nested(30),
    "an array larger than its bytes": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R(K\x01"
    b"(J\xff\xff\xff\x7ftcnumpy\ndtype\n(Vf4\ntRI00\nC\x04aaaatb.",
}  # fmt: skip


def open_bytes(data, folder):
    path = folder / "file"
    path.write_bytes(data)

    def stop(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return open_checkpoint(path)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def refusal(data, folder):
    with pytest.raises(ValueError) as caught:
        open_bytes(data, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def audited(tmp_path):
    """The events of the interpreter that running something would raise, while the test runs."""
    events = []
    open_bytes(b"Vtext\n.", tmp_path)  # imports a codec of Python's when it is first used
    for data in (LIES["no mark"], LIES["a zip bomb"], zipped(LIES["no mark"])):
        refusal(data, tmp_path)  # what the reader itself, and zipfile, import when they are first used
    _AUDITED.append(events)
    yield events
    _AUDITED.remove(events)


_AUDITED = []
_EVENTS = ("import", "exec", "compile", "os.system", "os.exec", "subprocess.Popen", "pickle.find_class")
sys.addaudithook(lambda event, _: [e.append(event) for e in _AUDITED] if event in _EVENTS else None)


@pytest.mark.parametrize("case", CALLS)
def test_a_call_never_runs(case, tmp_path, audited, capsys):
    path = tmp_path / "file"
    path.write_bytes(CALLS[case])
    audited.clear()
    message = None
    try:
        contents = open_checkpoint(path)
    except ValueError as error:
        message = str(error)
    happened = list(audited)
    assert "\n" not in message if message else type(contents) in (Name, Unknown)
    assert happened == [] and capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"no network|malformed|NEXT_BUFFER"):
        ganzoo.convert(path)


def test_the_audit_would_notice(tmp_path, audited):
    audited.clear()
    pickle.loads(pickle.dumps(Call(print, "hello")))
    assert "pickle.find_class" in audited


def test_the_refusal_names_what_was_asked_for(tmp_path):
    (tmp_path / "file").write_bytes(CALLS["os.system"])
    with pytest.raises(ValueError, match=r"The file holds what os\.system would make, and no network"):
        ganzoo.convert(tmp_path / "file")


@pytest.mark.parametrize("case", LIES)
def test_a_lie_is_refused_in_one_line(case, tmp_path):
    refusal(LIES[case], tmp_path)


def test_a_name_that_is_never_called_is_only_a_name(tmp_path):
    found = open_bytes(b"\x80\x02}cpytorch_lightning.callbacks\nModelCheckpoint\nK\x01s.", tmp_path)
    assert [str(key) for key in found] == ["pytorch_lightning.callbacks.ModelCheckpoint"]


def test_a_list_that_holds_itself_is_refused(tmp_path):
    assert "contain themselves" in refusal(b"\x80\x02]q\x00h\x00a.", tmp_path)


def doubled(times, opcode=b"\x86"):
    """A pair of a pair of a pair, each of them one object twice."""
    return b"K\x01q\x00" + b"".join(b"h%c" % i + b"h%c" % i + opcode + b"q%c" % (i + 1) for i in range(times))


def test_tuples_that_share_their_parts_are_read_until_they_unfold_to_a_forest(tmp_path):
    assert open_bytes(b"\x80\x02" + doubled(3) + b".", tmp_path) == (((1, 1),) * 2,) * 2
    assert "too large" in refusal(b"\x80\x02" + doubled(60) + b".", tmp_path)
    [key] = open_bytes(b"\x80\x02" + doubled(60) + b"}h\x3cK\x01s.", tmp_path)
    assert str(key) == "a tuple"


def test_opcodes_are_counted(tmp_path):
    assert "opcodes" in refusal(b"\x80\x02" + b"]" * 600_000 + b".", tmp_path)


def test_nesting_in_the_data_is_no_recursion_here(tmp_path):
    assert "too deep" in refusal(b"\x80\x02" + b"]" * 40_000 + b"a" * 39_999 + b".", tmp_path)


def test_tensors_that_share_one_storage_are_limited_by_the_files_size(tmp_path):
    one = tensor(numel=100_000, shape=(100_000,))[2:-1]
    for times, shared in ((60, one), (1, b"](" + one + b"q\x00" + b"h\x00" * 60 + b"e")):
        data = b"\x80\x02](" + shared * times + b"e."
        assert "larger than the file" in refusal(zipped(data, {"data/0": bytes(400_000)}), tmp_path)


def test_a_large_file_is_not_copied(tmp_path):
    torch.save({"a": torch.zeros(64 << 20)}, tmp_path / "large")  # 256 MiB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert open_checkpoint(tmp_path / "large")["a"].shape == (64 << 20,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def mutated(data, rng):
    """The data with some bytes changed, cut out or said twice; more often near the opcodes at the start."""
    result = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place = min(int(rng.random() ** 2 * len(result)), len(result) - 1)
        kind = rng.randrange(3)
        if kind == 0:
            result[place] = rng.randrange(256)
        elif kind == 1:
            del result[place : place + rng.choice([1, 4, 100])]
        else:
            result[place:place] = result[place : place + rng.choice([1, 4, 100])]
    return bytes(result)


@pytest.mark.parametrize(
    "name",
    [
        "nvidia_pkl/ada_uncond_skip_32.pkl",
        "rosinality/ros_convert_64_cm1.pt",
        "mobilestylegan/msg_32_mapping.ckpt",
    ],
)
def test_damaged_files_are_read_or_refused_but_never_worse(name, tmp_path):
    data = (GOLDEN / name).read_bytes()
    rng = random.Random(0)
    outcomes = set()
    for _ in range(30):
        try:
            open_bytes(mutated(data, rng), tmp_path)
        except ValueError as error:
            outcomes.add("\n" in str(error))
    assert outcomes <= {False}


def test_a_files_numbers_do_not_depend_on_other_files(tmp_path):
    path = GOLDEN / "rosinality" / "ros_train_32.pt"
    first, second = (open_checkpoint(path)["g_ema"]["input.input"].array() for _ in range(2))
    first += 1
    assert np.array_equal(open_checkpoint(path)["g_ema"]["input.input"].array(), second)
