"""What a Hub on the loopback interface keeps: repositories in memory, contents of files on the disk."""

import hashlib
import itertools
import json
import re
import shutil
import struct
import tempfile
import threading
from pathlib import Path

import yaml

LFS_SUFFIXES = (".safetensors", ".onnx", ".jpg", ".png")


class Fault(Exception):
    """An answer that is an error; the client finds its code in a header."""

    def __init__(self, status, message, code=None):
        super().__init__(message)
        self.status, self.code = status, code


def metadata(readme):
    """The YAML at the top of a card."""
    match = re.match(r"\A---\r?\n(.*?)\r?\n---", readme, re.DOTALL)
    data = yaml.load(match[1], yaml.SafeLoader) if match else {}
    if not isinstance(data, dict):
        raise Fault(400, "model card metadata must be a mapping")
    return data


class Store:
    """Repositories in memory, the contents of their files on the disk."""

    def __init__(self, root):
        self.objects, self.cas = root / "objects", root / "cas"
        self.objects.mkdir(parents=True)
        self.cas.mkdir()
        self.repos = {}
        self.lock = threading.RLock()
        self.counter = itertools.count()

    def put(self, data):
        sha256 = hashlib.sha256(data).hexdigest()
        (self.objects / sha256).write_bytes(data)
        return sha256

    def repo(self, name):
        if name not in self.repos:
            raise Fault(404, "Repository not found", "RepoNotFound")
        return self.repos[name]

    def create(self, name, private=False, gated=False):
        if name in self.repos:
            raise Fault(409, "You already created this model repo")
        self.repos[name] = {"private": private, "gated": gated, "refs": {}, "commits": {}}
        self.commit(name, "main", {".gitattributes": self.regular(b"*.safetensors filter=lfs\n")})

    def resolve(self, name, revision):
        repo = self.repo(name)
        commit = repo["refs"].get(revision, revision)
        if commit not in repo["commits"]:
            raise Fault(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def commit(self, name, ref, files):
        with self.lock:
            text = json.dumps([next(self.counter), name, ref, sorted(files)])
            commit = hashlib.sha1(text.encode()).hexdigest()
            self.repos[name]["commits"][commit] = files
            self.repos[name]["refs"][ref] = commit
            return commit

    def add(self, name, files, ref="main"):
        """A commit made behind the client's back: bytes by their paths, on top of what is there."""
        if name not in self.repos:
            self.create(name)
        new = {
            path: (self.lfs if path.endswith(LFS_SUFFIXES) else self.regular)(data)
            for path, data in files.items()
        }
        return self.commit(name, ref, {**self.repos[name]["commits"][self.resolve(name, "main")], **new})

    def regular(self, data):
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return {"size": len(data), "oid": oid, "sha256": self.put(data), "lfs": False, "xet": None}

    def lfs(self, data):
        return self.large(self.put(data), len(data))

    def large(self, sha256, size):
        note = self.cas / f"{sha256}.xet"  # which Xet file holds these bytes
        xet = note.read_text() if note.is_file() else xet_hash(self.cas, sha256)
        if xet:
            note.write_text(xet)
        elif not (self.objects / sha256).is_file():
            raise Fault(400, f"LFS object {sha256} was never uploaded")
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        oid = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
        return {"size": size, "oid": oid, "sha256": sha256, "lfs": True, "xet": xet}

    def content(self, file):
        """Bytes of a committed file; of one that came by Xet they are put together on first use."""
        path = self.objects / file["sha256"]
        with self.lock:
            if not path.is_file():
                xet_materialize(self.cas, file["xet"], file["size"], path)
        return path.read_bytes()

    def files(self, name, revision="main"):
        """Contents of a commit's files by their paths."""
        committed = self.repos[name]["commits"][self.resolve(name, revision)]
        return {path: self.content(file) for path, file in committed.items() if path != ".gitattributes"}


def _hex(raw):
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))


def xet_hash(cas, sha256):
    """The Xet hash that the shards of a storage folder record for a file.

    A file's record: a header of 48 bytes (hash, flags, number of segments), the segments, as many
    verification records if flag 31 is set, and the sha256 if flag 30 is.
    """
    for shard in cas.rglob("*.mdb"):
        data, position = shard.read_bytes(), 48
        while position + 48 <= len(data):
            raw, flags, count = struct.unpack_from("<32sII", data, position)
            if raw == b"\xff" * 32:
                break
            position += 48 * (1 + count * (2 if flags >> 31 & 1 else 1))
            if flags >> 30 & 1:
                if _hex(data[position : position + 32]) == sha256:
                    return _hex(raw)
                position += 48
    return None


def xet_materialize(cas, xet, size, target):
    """Put a file together from a copy of the storage folder: a client may still hold its lock."""
    import hf_xet

    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(cas, Path(folder) / "cas")
        with hf_xet.XetSession().new_file_download_group(endpoint=f"local://{copy}") as group:
            group.start_download_file(hf_xet.XetFileInfo(xet, size), str(target))
