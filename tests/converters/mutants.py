"""Files that are almost those of the golden networks."""

import contextlib
import io
import math
import pickletools
import random
import struct
import zipfile
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = ["nvidia_pkl/*.pkl", "stylegan3/*.pkl", "rosinality/*.pt", "mobilestylegan/*.ckpt", "stylegan1/*.pth"]
KINDS += ["stylegan1/*.model", "biggan/aj_biggan_32/*.pth"]
FIXTURES = sorted(path for kind in KINDS for path in GOLDEN.glob(kind))


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
