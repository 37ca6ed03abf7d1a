import bz2
import hashlib
import json
import multiprocessing
import os
import struct
import zipfile
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from image_helpers import encoded, make_image, pixels, raw_png, write_folder, write_zip
from PIL import Image

from ganzoo.data import ImageSet

PNG = encoded(make_image())
FILES = {
    "b.png": PNG,
    "a/2.JPG": encoded(make_image(seed=1), "JPEG"),
    "a/10.webp": encoded(make_image(seed=2), "WEBP"),
    "a.tif": encoded(make_image(seed=3), "TIFF"),
    "Z.gif": encoded(make_image(seed=4), "GIF"),
    "c/d/e.bmp": encoded(make_image(seed=5), "BMP"),
}
OTHERS = {
    "notes.txt": b"",
    "a/b.png.part": b"",
    ".hidden.png": PNG,
    ".git/x.png": PNG,
    "__MACOSX/._b.png": b"x",
}


@pytest.fixture(params=["folder", "zip", "deflated zip"])
def source(request, tmp_path):
    files = {**FILES, **OTHERS}
    if request.param == "folder":
        return write_folder(tmp_path / "set", files)
    method = zipfile.ZIP_DEFLATED if "deflated" in request.param else zipfile.ZIP_STORED
    return write_zip(tmp_path / "set.zip", files, method)


def reason(path, **options):
    """The error of reading the only image of a set: one line with its name."""
    images = ImageSet(path, **options)
    with pytest.raises(ValueError) as error:
        images.read(0)
    assert images.names[0] in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def test_images_are_found_in_all_folders_and_sorted_by_path(source):
    images = ImageSet(source)
    assert len(images) == len(FILES)
    assert images.names == ["Z.gif", "a.tif", "a/10.webp", "a/2.JPG", "b.png", "c/d/e.bmp"]


def test_they_are_read_in_colour_or_in_greyscale(source):
    assert {ImageSet(source).read(i).mode for i in range(len(FILES))} == {"RGB"}
    assert {ImageSet(source, channels=1).read(i).mode for i in range(len(FILES))} == {"L"}
    assert (pixels(ImageSet(source).read(4)) == pixels(make_image())).all()


def test_the_hash_is_that_of_sha256sum_over_names_and_files(source):
    lines = b"".join(
        hashlib.sha256(FILES[name]).hexdigest().encode() + b"  " + name.encode() + b"\0"
        for name in sorted(FILES)
    )
    assert ImageSet(source).sha256 == hashlib.sha256(lines).hexdigest()


@pytest.mark.parametrize("change", ["another name", "another byte", "one more"])
def test_the_hash_tells_sets_apart(tmp_path, change):
    files = dict(FILES)
    if change == "another name":
        files["bb.png"] = files.pop("b.png")
    elif change == "another byte":
        files["b.png"] += b"\0"
    else:
        files["f.png"] = PNG
    one, other = write_zip(tmp_path / "1.zip", FILES), write_zip(tmp_path / "2.zip", files)
    assert ImageSet(one).sha256 != ImageSet(other).sha256
    assert ImageSet(one).fingerprint() != ImageSet(other).fingerprint()


def test_a_set_can_be_pickled(source):
    images = ImageSet(source)
    images.read(0)
    copy = ForkingPickler.loads(ForkingPickler.dumps(images))
    assert copy.names == images.names and pixels(copy.read(1)).tolist() == pixels(images.read(1)).tolist()


def test_forked_processes_read_at_once_from_a_zip_that_was_open(tmp_path):
    files = {f"{i}.png": encoded(make_image(64, 64, seed=i)) for i in range(50)}
    images = ImageSet(write_zip(tmp_path / "set.zip", files))
    expected = [pixels(images.read(i)).sum() for i in range(50)]
    with multiprocessing.get_context("fork").Pool(3) as pool:
        got = [pixels(image).sum() for image in pool.map(images.read, range(50), chunksize=1)]
    assert got == expected


def test_a_set_without_images_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", write_zip(tmp_path / "empty.zip", {"a.txt": b""})):
        with pytest.raises(ValueError, match=r"holds no image.*: no PNG, JPEG or other"):
            ImageSet(source)


def test_what_is_no_set_is_refused(tmp_path):
    (tmp_path / "text.zip").write_text("PK")
    for source in (tmp_path / "text.zip", "/dev/null"):
        with pytest.raises(ValueError, match="neither a folder nor a zip"):
            ImageSet(source)
    with pytest.raises(ValueError, match="does not exist"):
        ImageSet(tmp_path / "nowhere")


def test_a_name_that_stands_twice_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", PNG)
        archive.writestr("a.png", PNG)
    with pytest.raises(ValueError, match=r"'a\.png' twice"):
        ImageSet(path)


def test_pipes_are_not_waited_for_and_dangling_links_are_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert ImageSet(tmp_path).names == ["link.png"]
    assert "No such file" in reason(tmp_path)


def test_a_damaged_image_is_told_by_name(tmp_path):
    assert "truncated" in reason(write_folder(tmp_path, {"x/a.png": PNG[:60]}))


def test_a_image_that_cannot_be_read_tells_how_to_go_on_without_it(tmp_path):
    folder = write_folder(tmp_path / "my faces", {"a.png": PNG[:60]})
    (folder / "b.png").symlink_to("gone.png")
    images = ImageSet(folder)
    for refused in (lambda: images.read(0), lambda: images.read(1), lambda: images.sha256):
        with pytest.raises(ValueError, match=r"OUT\.zip --resolution N leaves broken images out") as error:
            refused()
        assert f"ganzoo data prepare '{folder}' OUT.zip" in str(error.value)


def test_a_file_longer_than_any_image_is_not_read(tmp_path):
    path = write_folder(tmp_path, {"a.png": PNG}) / "a.png"
    os.truncate(path, 2**25)
    assert "longer than" in reason(tmp_path, max_pixels=256)


def test_nothing_of_a_zip_is_extracted(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"../../up.png": PNG, "/tmp/ganzoo-abs.png": PNG})
    images = ImageSet(path)
    assert [images.read(i).size for i in range(len(images))] == [(16, 16)] * len(images)
    assert list(tmp_path.iterdir()) == [path]


def patched(path, offset, form, value):
    """The zip of one member with a field of its entry in the central directory overwritten."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.rindex(b"PK\x01\x02") + offset, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [10, 20_000, 2**31])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path, size):
    path = write_zip(tmp_path / "set.zip", {"a.png": bytes(5000)}, zipfile.ZIP_DEFLATED)
    assert reason(patched(path, 24, "<I", size))


def test_a_member_that_declares_more_than_deflate_can_hold_is_not_opened(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a.png": PNG}, zipfile.ZIP_DEFLATED)
    assert "no deflate reaches" in reason(patched(path, 24, "<I", 2**31))


def test_a_member_of_zeros_without_end_takes_no_more_than_the_bound(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a.png": bytes(2**25)}, zipfile.ZIP_DEFLATED)
    assert "longer than" in reason(path, max_pixels=256)


def test_an_encrypted_member_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a.png": PNG})
    assert "encrypted" in reason(patched(path, 8, "<H", 1))


def test_a_member_of_another_compression_is_refused(tmp_path):
    assert len(bz2.compress(b"")) > 0  # it is there: the refusal is ours
    path = write_zip(tmp_path / "set.zip", {"a.png": PNG}, zipfile.ZIP_BZIP2)
    assert "compression method 12" in reason(path)


def test_a_member_with_a_wrong_checksum_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a.png": PNG})
    assert "CRC" in reason(patched(path, 16, "<I", 1))


def test_a_bomb_in_a_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a.png": raw_png(60_000, 60_000, 8, 2)})
    assert "more than 100,000,000 pixels" in reason(path)


def with_labels(tmp_path, text, kind="zip"):
    files = {"0/a.png": PNG, "1/b.png": PNG, "dataset.json": text.encode()}
    if kind == "zip":
        return ImageSet(write_zip(tmp_path / "set.zip", files))
    return ImageSet(write_folder(tmp_path / "set", files))


@pytest.mark.parametrize("kind", ["zip", "folder"])
@pytest.mark.parametrize("labels", [[3, 0], [[0.5, 1], [2, 3]]])
def test_labels_come_in_the_order_of_the_names(tmp_path, labels, kind):
    pairs = [["1/b.png", labels[1]], ["gone.png", labels[0]], ["0/a.png", labels[0]]]
    assert with_labels(tmp_path, json.dumps({"labels": pairs}), kind).labels == labels


def test_a_set_may_have_no_labels(tmp_path):
    assert with_labels(tmp_path, '{"labels": null}').labels is None
    assert ImageSet(write_folder(tmp_path / "bare", {"a.png": PNG})).labels is None


BAD_LABELS = {
    "no JSON": "labels",
    "another JSON": '{"annotations": []}',
    "no pairs": '{"labels": [1, 2]}',
    "one is missing": '{"labels": [["0/a.png", 1]]}',
    "a negative one": '{"labels": [["0/a.png", -1], ["1/b.png", 1]]}',
    "kinds mixed": '{"labels": [["0/a.png", [1]], ["1/b.png", 1]]}',
    "lengths mixed": '{"labels": [["0/a.png", [1]], ["1/b.png", [1, 2]]]}',
    "words": '{"labels": [["0/a.png", "cat"], ["1/b.png", "dog"]]}',
    "brackets without end": "[" * 100_000,
}


@pytest.mark.parametrize("bad", BAD_LABELS)
def test_wrong_labels_are_refused_when_they_are_asked_for(tmp_path, bad):
    images = with_labels(tmp_path, BAD_LABELS[bad])
    assert np.asarray(images.read(0)).shape == (16, 16, 3)
    with pytest.raises(ValueError, match=r"dataset\.json"):
        _ = images.labels


def test_a_file_with_alpha_is_told_by_its_header(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    files = {
        "a.png": encoded(make_image().convert("RGBA")),
        "b.gif": encoded(palette, "GIF", transparency=1),
        "c.png": encoded(make_image()),
        "d.png": b"no image",
    }
    images = ImageSet(write_folder(tmp_path, files))
    assert [images.has_alpha(i) for i in range(4)] == [True, True, False, False]
