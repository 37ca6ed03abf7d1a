"""Files of torch.save that were unpacked, or packed again by another program."""

import os
import shutil
import zipfile
import zlib
from functools import cache

import pytest
from covering import crossed
from golden_helpers import GOLDEN
from test_safe_pickle import tensor, zipped

import ganzoo
from ganzoo.converters.archive import MAX_INFLATED
from ganzoo.converters.checkpoint import open_checkpoint
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest

TRAINED = GOLDEN / "rosinality" / "ros_train_32.pt"
TEACHER = [
    GOLDEN / "mobilestylegan" / f"msg_teacher_from_ros_train_32_{n}.ckpt" for n in ("mapping", "synthesis")
]
DISTILLER = GOLDEN / "mobilestylegan" / "msg_32_distiller.ckpt"


@cache
def digest(path):
    """The digest of the weights of a golden file."""
    return weights_digest(ganzoo.convert(path))


def members(path):
    """The members of a file of torch.save by their names below the top folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def packed(source, path, top, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members(source).items():
            archive.writestr(f"{top}{name}", data)
    return path


def case_name(case):
    source, *rest = case
    return "-".join(map(str, [source.name, *rest]))


def unpacked(source, folder):
    for name, data in members(source).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


TOPS, METHODS = ["archive/", "", "some/where/", "./"], [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


@pytest.mark.parametrize("case", crossed([DISTILLER, TRAINED], TOPS, METHODS, t=1), ids=case_name)
def test_a_file_that_was_packed_again_is_read(case, tmp_path):
    source, top, method = case
    path = packed(source, tmp_path / "a.zip", top, method)
    assert weights_digest(ganzoo.convert(path)) == digest(source)


GIVEN = ["", "archive", "archive/data.pkl"]


@pytest.mark.parametrize("case", crossed([DISTILLER, TRAINED], GIVEN, t=1), ids=case_name)
def test_a_file_that_was_unpacked_is_read(case, tmp_path):
    source, given = case
    unpacked(source, tmp_path / "a" / "archive")
    conversion = convert_with_account(tmp_path / "a" / given)
    assert weights_digest(conversion.module) == digest(source)
    assert conversion.files[0].name == "archive"
    assert conversion.files[0].bytes == sum(map(len, members(source).values()))


def test_two_halves_that_were_unpacked_are_read(tmp_path):
    folders = [unpacked(path, tmp_path / path.stem) for path in TEACHER]
    assert weights_digest(ganzoo.convert(folders)) == weights_digest(ganzoo.convert(TEACHER))


def test_what_a_macs_archiver_adds_does_not_matter(tmp_path):
    path = packed(TRAINED, tmp_path / "a.zip", "archive/", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/archive/._data.pkl", b"Mac OS X")
        archive.writestr("archive/data/", b"")
    assert ganzoo.convert(path).resolution == 32


@pytest.mark.parametrize("place", ["alone", "beside an empty folder"])
def test_a_pickle_without_its_numbers_says_so(place, tmp_path):
    (tmp_path / "data.pkl").write_bytes(members(TRAINED)["data.pkl"])
    if place == "alone":
        with pytest.raises(ValueError, match=r"data\.pkl out of a file of torch\.save, without the folder"):
            ganzoo.convert(tmp_path / "data.pkl")
        return
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match="lacks the storage"):
        ganzoo.convert(tmp_path / "data.pkl")


@pytest.mark.parametrize("name", ["network.pkl", "folder/best.pt"])
def test_a_zip_that_holds_a_checkpoint_says_to_unpack_it(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(TRAINED, name)
    with pytest.raises(ValueError, match=rf"It holds {name}: unpack it first\."):
        ganzoo.convert(tmp_path / "a.zip")


def test_a_folder_of_something_else_says_what_a_folder_may_be(tmp_path):
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(OSError, match=r"OpenVINO files, or data\.pkl and data of an unpacked file"):
        ganzoo.convert(tmp_path)


def test_a_member_that_was_changed_is_noticed(tmp_path):
    path = packed(TRAINED, tmp_path / "a.zip", "a/", zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = max(archive.infolist(), key=lambda m: m.file_size if "/data/" in m.filename else 0)
    data[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        for part in ("generator_ema", "generator", "discriminator"):
            ganzoo.convert(path, part)


@pytest.mark.parametrize("key", ["../0", "/etc/passwd", "."])
def test_a_path_that_leaves_the_folder_is_refused(key, tmp_path):
    folder = tmp_path / "a"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "a" / "0").write_bytes(bytes(16))
    spelled = len(key).to_bytes(4, "little") + key.encode()
    (folder / "data.pkl").write_bytes(tensor().replace(b"\x01\x00\x00\x000", spelled))
    with pytest.raises(ValueError, match="lacks the storage"):
        open_checkpoint(folder)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    unpacked(TRAINED, tmp_path)
    for path in (tmp_path / "data").iterdir():
        path.unlink()
        os.mkfifo(path)
    with pytest.raises(ValueError, match="lacks the storage"):
        ganzoo.convert(tmp_path)


def test_compressed_members_are_bounded(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(tensor(), {"data/0": bytes(1 << 20)}, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="more than twice its size: unpack it, and give the folder"):
        open_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", tensor())
        archive.writestr("a/filler", os.urandom(MAX_INFLATED + (1 << 20)))
        archive.writestr("a/data/0", bytes(MAX_INFLATED + 1), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="too large to be read compressed"):
        open_checkpoint(path)


def test_a_compressed_member_is_not_inflated_again_and_again(tmp_path):
    one = tensor(numel=1 << 16, shape=(2,))[2:-1]
    many = b"\x80\x02](" + one * 3_000 + b"e."
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", many)
        archive.writestr("a/data/0", os.urandom(1 << 18))
    found = open_checkpoint(path)
    with pytest.raises(ValueError, match="read too often"):
        for ref in found:
            ref.array()


def test_another_method_of_compression_says_what_to_do(tmp_path):
    path = packed(TRAINED, tmp_path / "a.zip", "a/", zipfile.ZIP_LZMA)
    with pytest.raises(ValueError, match="of a rare method: unpack it, and give the folder"):
        ganzoo.convert(path)


def test_two_checkpoints_in_one_folder_are_not_mixed(tmp_path):
    unpacked(TRAINED, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(OSError, match="a folder to convert holds"):
        ganzoo.convert(tmp_path)


def test_a_lie_about_the_size_of_a_compressed_member_is_noticed(tmp_path):
    data = bytes(range(256)) * 4
    file = bytearray(
        zipped(tensor(numel=256, shape=(256,)), {"data/0": data}, compression=zipfile.ZIP_DEFLATED)
    )
    size = len(data).to_bytes(4, "little")
    place = file.rindex(zlib.crc32(data).to_bytes(4, "little")) + 8
    assert file[place : place + 4] == size
    file[place : place + 4] = (len(data) + 8).to_bytes(4, "little")
    (tmp_path / "a").write_bytes(file)
    with pytest.raises(ValueError, match="damaged"):
        open_checkpoint(tmp_path / "a").array()
