"""Reads files of strangers in a process of its own, and says how that went.

`Judge` starts this file as a program: it loads ganzoo once and forks for every job, so that time and memory
are those of one conversion, and whatever happens to a child happens to it alone.
"""

import codecs
import contextlib
import io
import json
import math
import os
import pickle  # noqa: TID251 - files are written, none is read
import pickletools
import random
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import time
import types
import zipfile
from collections import Counter
from pathlib import Path

SPARE = 200 << 20  # bytes of memory that a conversion may take beyond twice the file
MAX_MESSAGE = 600
GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = ["nvidia_pkl/*.pkl", "stylegan3/*.pkl", "rosinality/*.pt", "mobilestylegan/*.ckpt", "stylegan1/*.pth"]
KINDS += ["stylegan1/*.model", "biggan/aj_biggan_32/*.pth"]
FIXTURES = sorted(path for kind in KINDS for path in GOLDEN.glob(kind))
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN = {"import", "exec", "compile", "pickle.find_class", "code.__new__", "ctypes.dlopen"}
_FORBIDDEN |= {
    f"os.{name}" for name in ("system", "exec", "spawn", "posix_spawn", "fork", "remove", "rename", "mkdir")
}


class Judge:
    """The process; `judge(paths)` gives what became of a conversion, which has so many seconds of a core."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *paths, seconds=20, part=None):
        return self.asked({"paths": list(map(str, paths)), "seconds": seconds, "part": part})

    def fuzz(self, seed, count, folder):
        """What became of that many mutants, which are read one after another."""
        return self.asked({"fuzz": [seed, count, str(folder)], "seconds": 120 + count})

    def asked(self, job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def complaint(result, size):
    """What is wrong with how a file of that size was judged; None if nothing is."""
    message = result["message"]
    if result["outcome"] not in ("converted", "refused"):
        return f"{result['outcome']}: {message}"
    if result["events"]:
        return f"the file had {result['events']} happen"
    if not message.isprintable() or len(message) > MAX_MESSAGE:
        return f"no message of one line: {message[:2000]!r}"
    if result["grown"] > 2 * size + SPARE:
        return f"{result['grown'] >> 20} MiB of memory for {size >> 20} MiB of file"
    return None


class Watch:
    """What the interpreter's audit events tell that reading data never needs."""

    def __init__(self):
        self.events = None
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.events is None:
            return
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
        if opens or event.startswith(("socket.", "subprocess.", "shutil.")) or event in _FORBIDDEN:
            self.events.append(f"{event} {str(arguments[:1])[:80]}")


def attempt(read, watch):
    """Outcome, message and forbidden events of reading something."""
    watch.events = events = []
    try:
        read()
        result = ("converted", "")
    except (ValueError, OSError) as error:
        result = ("refused", str(error))
    except BaseException as error:
        result = ("crashed", f"{type(error).__name__}: {error}")
    watch.events = None
    return *result, events


def warm_up(convert_with_account):
    """Read a fixture of each kind, so that nothing is left to be imported, and the codecs that files name."""
    for codec in ("cp437", "raw_unicode_escape", "ascii", "latin-1"):
        codecs.lookup(codec)
    for path in {(path.parent, path.suffix): path for path in FIXTURES}.values():
        for part in (None, "discriminator", *(("student", "nonsense") if path.suffix == ".ckpt" else ())):
            attempt(lambda p=path, q=part: convert_with_account(p, q), Watch.quiet)
    teachers = [path for path in FIXTURES if path.name.startswith("msg_teacher")]
    attempt(lambda: convert_with_account(teachers), Watch.quiet)


Watch.quiet = types.SimpleNamespace(events=None)


def serve():
    """Judge the jobs on stdin."""
    import torch

    from ganzoo.converters.conversion import convert_with_account

    torch.set_num_threads(1)
    watch = Watch()
    warm_up(convert_with_account)
    for line in sys.stdin:
        job = json.loads(line)
        reader, writer = os.pipe()
        started = time.monotonic()
        if (child := os.fork()) == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (job["seconds"], job["seconds"]))
            result = fuzz(*job["fuzz"], watch) if "fuzz" in job else judged(job, watch)
            os.write(writer, json.dumps(result).encode())
            os._exit(0)
        os.close(writer)
        late = not select.select([reader], [], [], 10 * job["seconds"])[0]  # where others want the cores
        if late:
            os.kill(child, signal.SIGKILL)
        text = os.read(reader, 1 << 20)
        os.close(reader)
        _, status = os.waitpid(child, 0)
        result = {"outcome": f"late, or ended with {status}", "message": "", "events": [], "grown": 0}
        if text:
            result = json.loads(text)
        result["seconds"] = time.monotonic() - started
        print(json.dumps(result), flush=True)


def judged(job, watch):
    """What became of a conversion in this process."""
    from ganzoo.converters.conversion import convert_with_account

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome, message, events = attempt(lambda: convert_with_account(job["paths"], job["part"]), watch)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return {"outcome": outcome, "message": message[:5000], "events": events[:5], "grown": grown}


def dump_tree(contents, source="", protocol=4):
    """The bytes of a snapshot: what `open_checkpoint` gives, edited, as NVIDIA's code would have written it.

    Args:
        contents: containers, `Record`, `TensorRef` and tensors.
        source: the Python that the file says its modules are made of.
        protocol: of the pickle.
    """
    import torch

    from ganzoo.converters.contents import ArrayRef, Record, TensorRef

    module = types.ModuleType("torch_utils.persistence")
    exec("def _reconstruct_persistent_obj(meta): raise NotImplementedError", module.__dict__)

    class Writer(pickle.Pickler):
        def reducer_override(self, item):
            if isinstance(item, Record):
                meta = {"type": "class", "version": 6, "module_src": source, "class_name": item.cls}
                return module._reconstruct_persistent_obj, ({**meta, "state": item.state},)
            if isinstance(item, TensorRef | ArrayRef):
                return torch.from_numpy(item.array()).__reduce_ex__(protocol)
            return NotImplemented

    sys.modules.update({"torch_utils": types.ModuleType("torch_utils"), module.__name__: module})
    try:
        file = io.BytesIO()
        Writer(file, protocol).dump(contents)
        return file.getvalue()
    finally:
        del sys.modules["torch_utils"], sys.modules[module.__name__]


class Mutator:
    """Files that are almost those of the fixtures, from a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.files = {path.name: path.read_bytes() for path in FIXTURES}
        self.pickles = {name: _pickle_of(data) for name, data in self.files.items()}
        self.opcodes = {name: _opcodes(data) for name, data in self.pickles.items()}

    def __call__(self):
        """Name of a fixture and of what was done to it, and the bytes."""
        name = self.random.choice(sorted(self.files))
        kind = self.random.choice(["bytes", "cut", "swap", "splice", "opcodes", "opcodes", "opcodes", "head"])
        if kind == "opcodes":
            changed = b"".join(self.changed_opcodes(name))
        else:
            inner = self.random.random() < 0.7
            data = bytearray(self.pickles[name] if inner else self.files[name])
            getattr(self, f"_{kind}")(data, self.random.randrange(1, 9))
            if not inner:
                return name, f"{kind} of the file", bytes(data)
            changed = bytes(data)
        method = self.random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
        return name, f"{kind} of the pickle", _with_pickle(self.files[name], changed, method)

    def _bytes(self, data, times):
        for _ in range(times):
            data[self.random.randrange(len(data))] = self.random.randrange(256)

    def _head(self, data, times):
        for _ in range(times):
            data[self.random.randrange(min(2000, len(data)))] ^= 1 << self.random.randrange(8)

    def _cut(self, data, times):
        place = self.random.randrange(len(data))
        del data[place : self.random.choice([len(data), place + times, place + 100 * times])]

    def _swap(self, data, times):
        size = self.random.choice([1, 4, 64, 1024]) * times
        first, second = (self.random.randrange(len(data)) for _ in range(2))
        data[first : first + size], data[second : second + size] = (
            data[second : second + size],
            data[first : first + size],
        )

    def _splice(self, data, times):
        other = self.pickles[self.random.choice(sorted(self.pickles))]
        start, place = self.random.randrange(len(other)), self.random.randrange(len(data))
        data[place : place + 50 * times] = other[start : start + 60 * times]

    def changed_opcodes(self, name):
        """The opcodes of a fixture's pickle, one to four of them removed, said twice, moved or replaced."""
        codes = list(self.opcodes[name])
        for _ in range(self.random.randrange(1, 5)):
            place, other = (self.random.randrange(len(codes) - 1) for _ in range(2))
            stranger = self.opcodes[self.random.choice(sorted(self.opcodes))]
            match self.random.randrange(8):
                case 0:
                    del codes[place : place + self.random.choice([1, 2, 10])]
                case 1:
                    codes[place:place] = codes[place : place + self.random.choice([1, 5, 500])]
                case 2:
                    codes[place], codes[other] = codes[other], codes[place]
                case 3:
                    codes[place] = self.random.choice(stranger)
                case 4:
                    codes[place] = self.random.choice(SNIPPETS)
                case 5:
                    codes[place] = self.stranger()
                case 6:  # in the place of what was pushed, or beside it
                    codes[place:place] = [
                        self.stranger(),
                        self.random.choice([b"0", b"\x86", b"b", b"s", b""]),
                    ]
                case 7:
                    start = self.random.randrange(len(stranger))
                    codes[place : place + 20] = stranger[start : start + 20]
        return codes

    def stranger(self, depth=2):
        """Opcodes that make something of an unknown class, in one of the ways that a pickle has."""
        pick = self.random.choice
        name = pick([b"pathlib\nPosixPath\n", b"evil\nThing\n", b"os\nsystem\n", b"numpy\nfloat64\n"])
        value = self.stranger(depth - 1) if depth and self.random.random() < 0.5 else pick(SNIPPETS)
        made = pick(STRANGE_CALLS).replace(b"NAME", name).replace(b"VALUE", value)
        if self.random.random() < 0.3:
            made += pick(STRANGE_STATES).replace(b"VALUE", value)
        return made


# how an object of an unknown class is made, and what it may be given
STRANGE_CALLS = [b"cNAME)R", b"cNAME(VALUEtR", b"cNAME)\x81", b"cNAME)}\x92", b"cNAME(VALUEt}VALUEVALUEs\x92"]
STRANGE_CALLS += [b"(VALUEiNAME", b"(cNAMEVALUEo", b"\x82\x07", b"\x83\x07\x00)R", b"Pid\n", b"VALUEQ"]
STRANGE_CALLS += [b"ccopyreg\n_reconstructor\n(cNAMEcbuiltins\nobject\nNtR", b"cNAME)R)R", b"cNAME"]
STRANGE_STATES = [
    b"VALUEb",
    b"}VALUEVALUEsb",
    b"N}\x86b",
    b"VALUEVALUEs",
    b"(VALUEVALUEu",
    b"VALUEa",
    b"(VALUEe",
]
STRANGE_STATES += [
    b"(VALUE\x90",
    b"}(V_parameters\n}V_buffers\n}V_modules\n}VALUEVALUEsub",
    b"q\x02h\x02h\x02s",
]

SNIPPETS = [
    *(bytes([code]) for code in b"()]}N0123tlduseabR\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94Q."),
    *(b"K" + bytes([n]) for n in (0, 1, 2, 4, 32, 255)),
    *(b"J" + n.to_bytes(4, "little", signed=True) for n in (-1, -(2**31), 2**31 - 1, 65536)),
    *(b"\x8a" + bytes([n]) + b"\xff" * (n - 1) + b"\x7f" for n in (8, 20, 64)),
    *(b"G" + struct.pack(">d", x) for x in (math.nan, math.inf, -1e300, 0.5, 1e-320)),
    *(b"h" + bytes([n]) for n in (0, 1, 2, 3, 40, 200)),
    *(b"q" + bytes([n]) for n in (0, 1, 2, 3, 40, 200)),
    *(
        b"X" + len(t).to_bytes(4, "little") + t
        for t in (b"", b"state", b"class_name", b"\x1b[0m", b"_modules")
    ),
    b"cos\nsystem\n",
    b"ccollections\nOrderedDict\n",
    b"cbuiltins\nset\n",
    b"c_codecs\nencode\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch.storage\n_load_from_bytes\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n",
    b"cdnnlib.tflib.network\nNetwork\n",
    b"cnumpy\ndtype\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"cpathlib\nPosixPath\n",
    b"cevil\nThing\n)\x81",
    b"cevil\nDict\n)R",
    b"ccopyreg\n_reconstructor\n",
    b"ctorch\nMagicStorage\n",
    b"ievil\nThing\n",
    b"o",
    b"\x82\x01",
    b"Pid\n",
    *(
        b"X" + len(t).to_bytes(4, "little") + t
        for t in (b"_parameters", b"_buffers", b"storage", b"g_ema", b"G_ema")
    ),
]


def _pickle_of(data):
    """The pickle of a file, which may be a zip."""
    if not data.startswith(b"PK"):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(next(n for n in archive.namelist() if n.endswith("/data.pkl")))


def _with_pickle(data, changed, method):
    """The file with another pickle; checksums are right."""
    if not data.startswith(b"PK"):
        return changed
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(file, "w", method) as copy:
        for name in archive.namelist():
            copy.writestr(name, changed if name.endswith("/data.pkl") else archive.read(name))
    return file.getvalue()


def _opcodes(data):
    """The opcodes of all pickles with which a file begins, what follows at the last of them."""
    stream, places = io.BytesIO(data), []
    with contextlib.suppress(ValueError):  # the end, or numbers
        while True:
            places += [place for _, _, place in pickletools.genops(stream)]
    return [data[start:stop] for start, stop in zip(places, [*places[1:], len(data)], strict=True)]


def fuzz(seed, count, folder, watch):
    """Read that many mutants in this process, and count what happened."""
    from ganzoo.converters.conversion import PARTS, convert_with_account

    def late(*_):
        raise BaseException("more than 30 s of a core")

    signal.signal(signal.SIGPROF, late)
    mutator, path = Mutator(seed), Path(folder) / "mutant"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes, messages, faults, largest, slowest, grown = Counter(), set(), [], 0, 0.0, 0
    for _ in range(count):
        name, kind, data = mutator()
        path.write_bytes(data)
        part = mutator.random.choice([None, None, *PARTS])
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, 30)
        outcome, message, events = attempt(lambda p=part: convert_with_account(path, p), watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest, largest = max(slowest, time.monotonic() - started), max(largest, len(data))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        result = {"outcome": outcome, "message": message, "events": events, "grown": grown}
        outcomes[outcome] += 1
        messages.add(re.sub("[0-9]+", "0", message.removeprefix(str(path)))[:60])
        if (fault := complaint(result, largest)) and len(faults) < 20:
            path.rename(path.with_name(f"fault{len(faults)}"))
            faults.append(f"{name}, {kind}: {fault}")
    told = {"kinds of message": len(messages), "slowest": slowest, "grown MiB": grown >> 20}
    return {**outcomes, **told, "faults": faults}


if __name__ == "__main__":
    serve()
