import io
import json
import zipfile
from collections import Counter

import numpy as np
import PIL
import pytest
from image_helpers import encoded, grey16_png, make_image, pixels, raw_png, write_folder, write_zip
from PIL import Image

import ganzoo
from ganzoo.data import RESIZER, ImageSet, prepare, resize, to_uint8


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


ODD = {
    "01-plain.png": encoded(make_image()),
    "02-copy.webp": encoded(make_image(), "WEBP", lossless=True),
    "03-cut.png": encoded(make_image())[:60],
    "04-text.jpg": b"<html>",
    "05-small.png": encoded(make_image(7, 20)),
    "06-bomb.png": raw_png(60_000, 60_000, 8, 2),
    "07-clear.png": encoded(make_image(seed=1).convert("RGBA").rotate(45)),
    "08-cmyk.jpg": encoded(make_image(seed=2).convert("CMYK"), "JPEG"),
    "09-deep.png": grey16_png(np.arange(256, dtype=np.uint16).reshape(16, 16) * 257),
    "10-turned.png": encoded(make_image(seed=3), exif=turned(6)),
    "11-turned-copy.png": encoded(make_image(seed=3).rotate(-90)),
    "12-wide.png": encoded(make_image(40, 20)),
    "13-moving.gif": encoded(make_image(seed=5), "GIF", save_all=True, append_images=[make_image(seed=6)]),
}


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def record(path):
    return json.loads(members(path)["ganzoo.json"])


def read_as_stylegan_does(path):
    """Images `[N, C, H, W]` and labels, in the steps of NVIDIA's training code."""
    with zipfile.ZipFile(path) as archive:
        Image.init()
        names = sorted(n for n in archive.namelist() if "." + n.rsplit(".")[-1].lower() in Image.EXTENSION)
        images = []
        for name in names:
            array = np.array(Image.open(io.BytesIO(archive.read(name))))
            images.append((array[:, :, np.newaxis] if array.ndim == 2 else array).transpose(2, 0, 1))
        labels = json.loads(archive.read("dataset.json"))["labels"]
    if labels is not None:
        labels = np.array([dict(labels)[name] for name in names])
    return np.stack(images), labels


@pytest.fixture
def source(tmp_path):
    """Five images of 24 x 24."""
    return write_folder(tmp_path / "src", {f"{i}.png": encoded(make_image(24, 24, seed=i)) for i in range(5)})


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.zip"


def test_stylegan_reads_the_zip(source, out):
    prepare(source, out, resolution=8, workers=1)
    images, labels = read_as_stylegan_does(out)
    assert images.shape == (5, 3, 8, 8) and images.dtype == np.uint8 and labels is None
    for i, image in enumerate(images):
        assert (image.transpose(1, 2, 0) == to_uint8(resize(make_image(24, 24, seed=i), 8))).all()


def test_the_zip_is_stored_sound_and_in_order(source, out):
    prepare(source, out, resolution=8, workers=1)
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        pngs = [f"00000/img{i:08d}.png" for i in range(5)]
        assert archive.namelist() == [*pngs, "dataset.json", "ganzoo.json"]


def test_a_folder_of_the_zip_takes_a_thousand(tmp_path, out):
    files = {
        f"{i:04d}.bmp": encoded(Image.new("RGB", (4, 4), (i % 256, i // 256, 0)), "BMP") for i in range(1002)
    }
    prepare(write_zip(tmp_path / "src.zip", files), out, resolution=4, workers=1)
    assert [n for n in members(out) if n.startswith("00001/")] == [
        "00001/img00001000.png",
        "00001/img00001001.png",
    ]


def test_every_oddity_is_counted(tmp_path, out):
    report = prepare(write_folder(tmp_path / "src", ODD), out, resolution=8, workers=1)
    assert report.counts == {
        "written": 7,
        "transparent": 1,
        "cmyk": 1,
        "16-bit": 1,
        "dark 16-bit": 0,
        "above white": 0,
        "rotated": 1,
        "animated": 1,
        "not square": 1,
        "upscaled": 0,
        "unsupported": 0,
        "corrupt": 2,
        "too large": 1,
        "too small": 1,
        "duplicate": 2,
        "duplicate, other label": 0,
    }
    assert len(ImageSet(out)) == 7


def test_what_was_skipped_is_named_with_the_reason(tmp_path, out):
    report = prepare(write_folder(tmp_path / "src", ODD), out, resolution=8, workers=1)
    found = {name: (kind, reason) for name, kind, reason in report.skipped}
    assert found["02-copy.webp"] == ("duplicate", "it shows the same as 01-plain.png")
    assert found["11-turned-copy.png"] == ("duplicate", "it shows the same as 10-turned.png")
    assert found["05-small.png"] == ("too small", "7 x 20 is smaller than 8")
    assert "truncated" in found["03-cut.png"][1] and "no image" in found["04-text.jpg"][1]
    assert found["06-bomb.png"][0] == "too large"
    assert record(out)["skipped"] == [list(line) for line in report.skipped]


def test_the_record_tells_how_the_set_was_made(source, out):
    report = prepare(source, out, resolution=8, crop="none", workers=1)
    told = record(out)
    assert told["settings"] == {
        "resolution": 8, "crop": "none", "channels": 3, "labels": "keep", "upscale": False,
        "max_pixels": 100_000_000, "white": 65535,
    }  # fmt: skip
    assert told["resizer"] == RESIZER and told["counts"] == report.counts
    assert told["versions"] == {
        "ganzoo": ganzoo.__version__, "pillow": PIL.__version__, "numpy": np.__version__,
    }  # fmt: skip
    assert told["source_sha256"] == report.source_sha256 == ImageSet(source).sha256
    assert told["dataset_sha256"] == report.dataset_sha256 == ImageSet(out).sha256


@pytest.mark.parametrize("kind", [pytest.param("folder", marks=pytest.mark.slow), "zip"])
def test_the_bytes_depend_on_neither_place_nor_number_of_workers(tmp_path, kind):
    zips = []
    for workers in (1, 2):
        place = tmp_path / f"place {workers}"
        place.mkdir()
        source = write_zip(place / "src.zip", ODD) if kind == "zip" else write_folder(place / "src", ODD)
        prepare(source, place / "out.zip", resolution=8, workers=workers)
        zips.append((place / "out.zip").read_bytes())
    assert zips[0] == zips[1]


def test_a_file_that_cannot_be_read_leaves_the_source_without_a_hash(source, out):
    (source / "gone.png").symlink_to(source / "nowhere.png")
    report = prepare(source, out, resolution=8, workers=1)
    assert report.source_sha256 is None and report.counts["corrupt"] == 1


def test_the_square_in_the_middle_is_taken(tmp_path, out):
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 200
    prepare(
        write_folder(tmp_path / "src", {"a.png": encoded(Image.fromarray(wide))}),
        out,
        resolution=8,
        workers=1,
    )
    assert (pixels(ImageSet(out).read(0)) == 200).all()


def test_without_a_crop_the_whole_image_is_squeezed(tmp_path, out):
    source = write_folder(tmp_path / "src", {"a.png": encoded(make_image(48, 16))})
    report = prepare(source, out, resolution=8, crop="none", workers=1)
    assert report.counts["not square"] == 1
    assert (pixels(ImageSet(out).read(0)) == to_uint8(resize(make_image(48, 16), 8))).all()


def test_small_images_are_enlarged_when_asked(tmp_path, out):
    source = write_folder(
        tmp_path / "src", {"a.png": encoded(make_image(5, 5)), "b.png": encoded(make_image())}
    )
    report = prepare(source, out, resolution=16, upscale=True, workers=1)
    assert (report.counts["written"], report.counts["upscaled"], report.counts["too small"]) == (2, 1, 0)


def test_a_set_can_be_grey(source, out):
    prepare(source, out, resolution=8, channels=1, workers=1)
    images, _ = read_as_stylegan_does(out)
    assert images.shape == (5, 1, 8, 8)


@pytest.mark.parametrize("labels", [[4, 0, 2], [[0.5, 1.0], [1.0, 0.0], [0.0, 0.0]]])
def test_labels_are_carried_over_to_what_was_written(tmp_path, out, labels):
    files = {"a.png": encoded(make_image()), "b.png": b"bad", "c.png": encoded(make_image(seed=1))}
    table = {"labels": [list(pair) for pair in zip(files, labels, strict=True)]}
    source = write_zip(tmp_path / "src.zip", {**files, "dataset.json": json.dumps(table).encode()})
    prepare(source, out, resolution=8, workers=1)
    assert (read_as_stylegan_does(out)[1] == np.array([labels[0], labels[2]])).all()


def test_labels_can_be_left_behind(tmp_path, out):
    files = {"a.png": encoded(make_image()), "dataset.json": b'{"labels": [["a.png", 1]]}'}
    prepare(write_zip(tmp_path / "src.zip", files), out, resolution=8, labels="none", workers=1)
    assert read_as_stylegan_does(out)[1] is None


def test_folders_become_classes(tmp_path, out):
    names = ["dog/1.png", "cat/deep/2.png", "cat/1.png"]
    files = {name: encoded(make_image(seed=i)) for i, name in enumerate(names)}
    report = prepare(write_folder(tmp_path / "src", files), out, resolution=8, labels="folders", workers=1)
    assert report.classes == ("cat", "dog") and record(out)["classes"] == ["cat", "dog"]
    assert read_as_stylegan_does(out)[1].tolist() == [0, 0, 1]


def nested(names, top, table=None):
    """Images below one folder, with a stray text beside it, and labels in the folder."""
    files = {f"{top}{name}": encoded(make_image(seed=i)) for i, name in enumerate(names)}
    files |= {"README.txt": b"", "__MACOSX/._x": b""}
    return files | ({f"{top}dataset.json": json.dumps(table).encode()} if table else {})


@pytest.mark.parametrize("top", ["", "faces/", "my/own/faces/"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_folders_become_classes_below_a_folder_that_holds_all(tmp_path, out, top, kind):
    files = nested(["dog/1.png", "cat/deep/2.png", "cat/1.png"], top)
    write = write_zip if kind == "zip" else write_folder
    source = write(tmp_path / ("src.zip" if kind == "zip" else "src"), files)
    report = prepare(source, out, resolution=8, labels="folders", workers=1)
    assert report.classes == ("cat", "dog") and report.class_counts == {0: 2, 1: 1}
    assert read_as_stylegan_does(out)[1].tolist() == [0, 0, 1]


def test_one_folder_of_images_is_one_class(tmp_path, out):
    source = write_folder(tmp_path / "src", nested(["cat/1.png", "cat/2.png"], ""))
    report = prepare(source, out, resolution=8, labels="folders", workers=1)
    assert report.classes == ("cat",) and report.class_counts == {0: 2}


def test_a_image_beside_the_folders_below_the_top_is_named(tmp_path, out):
    source = write_folder(tmp_path / "src", nested(["cat/1.png", "2.png"], "faces/"))
    with pytest.raises(ValueError, match=r"'faces/2\.png' lies in no folder"):
        prepare(source, out, resolution=8, labels="folders", workers=1)


@pytest.mark.parametrize("top", ["faces/", "my/own/faces/"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_labels_are_kept_below_a_folder_that_holds_all(tmp_path, out, top, kind):
    table = {"labels": [["0/a.png", 1], ["0/b.png", 0]]}
    files = nested(["0/a.png", "0/b.png"], top, table)
    write = write_zip if kind == "zip" else write_folder
    source = write(tmp_path / ("src.zip" if kind == "zip" else "src"), files)
    report = prepare(source, out, resolution=8, workers=1)
    assert read_as_stylegan_does(out)[1].tolist() == [1, 0]
    assert report.labels == f"of {top}dataset.json" and report.class_counts == {0: 1, 1: 1}


def test_labels_of_a_part_of_the_images_are_not_dropped_in_silence(tmp_path, out):
    files = {**nested(["1.png"], "a/", {"labels": [["1.png", 0]]}), "b/2.png": encoded(make_image(seed=7))}
    with pytest.raises(ValueError, match=r"'a/dataset\.json', which cannot label images of other"):
        prepare(write_folder(tmp_path / "src", files), out, resolution=8, workers=1)
    assert prepare(tmp_path / "src", out, resolution=8, labels="none", workers=1).labels == "none, as asked"


def test_two_tables_of_the_same_images_are_refused(tmp_path, out):
    files = nested(["1.png"], "a/", {"labels": [["1.png", 0]]})
    files["dataset.json"] = b'{"labels": [["a/1.png", 1]]}'
    with pytest.raises(ValueError, match=r"a/dataset\.json and dataset\.json: which one counts"):
        prepare(write_folder(tmp_path / "src", files), out, resolution=8, workers=1)


@pytest.mark.parametrize("labels", [(3, 1), ([0.0, 1.0], [1.0, 0.0])])
def test_two_labels_for_one_image_are_refused_by_its_name(tmp_path, out, labels):
    table = [["b.png", labels[0]], ["a.png", labels[0]], ["a.png", labels[1]]]
    files = {"a.png": encoded(make_image()), "b.png": encoded(make_image(seed=1))}
    files["dataset.json"] = json.dumps({"labels": table}).encode()
    with pytest.raises(ValueError, match=r"dataset\.json has two labels for 'a\.png'"):
        prepare(write_zip(tmp_path / "src.zip", files), out, resolution=8, workers=1)
    assert not out.exists()


def test_the_same_label_twice_is_one_label(tmp_path, out):
    files = {"a.png": encoded(make_image()), "dataset.json": b'{"labels": [["a.png", 1], ["a.png", 1]]}'}
    prepare(write_zip(tmp_path / "src.zip", files), out, resolution=8, workers=1)
    assert read_as_stylegan_does(out)[1].tolist() == [1]


def test_one_image_in_two_classes_is_told_with_both(tmp_path, out):
    files = {name: encoded(make_image()) for name in ("cat/1.png", "cat/2.png", "dog/1.png")}
    report = prepare(write_folder(tmp_path / "src", files), out, resolution=8, labels="folders", workers=1)
    assert report.counts["duplicate"] == 1 and report.counts["duplicate, other label"] == 1
    assert report.skipped[-1][2] == "it shows the same as cat/1.png, which has the label 0 (cat), not 1 (dog)"


def test_names_of_classes_outlive_a_second_preparation(tmp_path, out):
    source = write_folder(tmp_path / "src", nested(["dog/1.png", "cat/1.png"], ""))
    prepare(source, out, resolution=8, labels="folders", workers=1)
    again = prepare(out, tmp_path / "again.zip", resolution=4, workers=1)
    assert again.classes == ("cat", "dog") and again.class_counts == {0: 1, 1: 1} and again.not_images == ()


def test_a_prepared_set_prepared_again_is_the_same_set(source, out, tmp_path):
    first = prepare(source, out, resolution=8, workers=1)
    again = prepare(out, tmp_path / "again.zip", resolution=8, workers=1)
    assert again.dataset_sha256 == first.dataset_sha256 == again.source_sha256


def test_progress_counts_from_nothing_to_all(source, out):
    calls = []
    prepare(source, out, resolution=8, workers=1, progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(6)]


def test_nothing_but_the_zip_stays(source, out, tmp_path):
    prepare(source, out, resolution=8, workers=1)
    assert Counter(path.name for path in tmp_path.iterdir()) == {"src": 1, "out.zip": 1}


def test_an_existing_zip_is_replaced_only_when_allowed(source, out):
    out.write_bytes(b"mine")
    with pytest.raises(ValueError, match="exists: choose another name"):
        prepare(source, out, resolution=8, workers=1)
    assert out.read_bytes() == b"mine"
    prepare(source, out, resolution=8, workers=1, overwrite=True)
    assert len(ImageSet(out)) == 5


def test_a_set_of_which_nothing_is_left_is_refused(tmp_path, out):
    files = {"a.png": b"bad", "b.png": encoded(make_image(4, 4))}
    with pytest.raises(
        ValueError, match=r"None of the 2 images .* 1 corrupt, 1 too small. The first, a.png: it is"
    ):
        prepare(write_folder(tmp_path / "src", files), out, resolution=8, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


WRONG = {
    "resolution": ({"resolution": 100}, "power of two from 4 to 2048; got 100"),
    "a resolution too large": ({"resolution": 4096}, "power of two"),
    "crop": ({"crop": "middle"}, "center or none; got 'middle'"),
    "labels": ({"labels": "file"}, "keep, folders or none; got 'file'"),
    "channels": ({"channels": 2}, "1 .*3 .*or 4"),
    "max_pixels": ({"max_pixels": 0}, "max_pixels"),
    "white": ({"white": 70_000}, "white is 256 to 65535"),
    "workers": ({"workers": 0}, "workers is at least 1"),
    "folders that are none": ({"labels": "folders"}, "'0.png' lies in no folder"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_settings_are_refused_before_work(source, out, tmp_path, wrong):
    settings, message = WRONG[wrong]
    with pytest.raises(ValueError, match=message):
        prepare(source, out, **{"resolution": 8, "workers": 1, **settings})
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_the_name_of_a_zip_ends_in_zip(source, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.zip"):
        prepare(source, tmp_path / "out", resolution=8, workers=1)


def test_the_source_is_never_replaced(source, out):
    prepare(source, out, resolution=8, workers=1)
    with pytest.raises(ValueError, match="is the source"):
        prepare(out, out, resolution=8, workers=1, overwrite=True)
