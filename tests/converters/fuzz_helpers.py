"""Reads files of strangers in a process of its own, and says how that went.

`Judge` starts this file as a program: it loads ganzoo once and forks for every job, so that time and memory
are those of one conversion, and whatever happens to a child happens to it alone.
"""

import codecs
import io
import json
import os
import pickle  # noqa: TID251 - files are written, none is read
import re
import resource
import select
import signal
import subprocess
import sys
import time
import types
from collections import Counter
from pathlib import Path

from mutants import FIXTURES, Mutator

SPARE = 200 << 20  # bytes of memory that a conversion may take beyond twice the file
MAX_MESSAGE = 600
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
