"""A set that is decoded once: the same pixels as a prepared zip, through kills, full disks and damage."""

import resource
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from image_helpers import encoded, grey16_png, make_image, write_folder, write_zip
from PIL import Image

from ganzoo.data import ImageSet, prepare
from ganzoo.data.conversion import Settings
from ganzoo.data.decoded import DecodedImages

COUNT, DONE = 12, 5


def settings(resolution=16, **changes):
    plain = {"crop": "center", "channels": 3, "labels": "none", "upscale": False, "max_pixels": 10**6}
    return Settings(resolution=resolution, **{**plain, **changes})


def decoded(source, root, resolution=16, **changes):
    found = settings(resolution, **changes)
    return DecodedImages(ImageSet(source, channels=found.channels), found, root)


def filled(source, root, resolution=16, workers=1, **changes):
    images = decoded(source, root, resolution, **changes)
    images.fill(workers=workers)
    return images


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    files = {f"{i:02d}.png": encoded(make_image(20 + i, 24, seed=i)) for i in range(COUNT)}
    return write_folder(tmp_path_factory.mktemp("decoded") / "src", files)


def rows(images):
    return images.rows(images.usable)


FILL_SLOWLY = f"""
import sys, time
from pathlib import Path
from ganzoo.data import ImageSet, decoded
from ganzoo.data.conversion import Settings
decoded._SECONDS = -1.0  # all is on the disk after every image
settings = Settings(resolution=16, crop="center", channels=3, labels="none", upscale=False, max_pixels=10**6)
images = decoded.DecodedImages(ImageSet(sys.argv[1]), settings, Path(sys.argv[2]))
def wait(done):
    print(done, flush=True)
    if done == {DONE}:
        time.sleep(float(sys.argv[4]))
try:
    images.fill(workers=int(sys.argv[3]), report=wait)
except OSError as error:
    sys.exit(str(error))
"""


def slowly(source, root, workers=1, seconds=600.0, **options):
    command = [sys.executable, "-c", FILL_SLOWLY, str(source), str(root), str(workers), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("crop", ["center", "none"])
def test_pixels_are_those_of_a_prepared_zip(source, tmp_path, channels, crop):
    out = tmp_path / "out.zip"
    prepare(source, out, resolution=16, crop=crop, channels=channels, workers=1)
    zipped = ImageSet(out, channels=channels)
    expected = [np.asarray(zipped.read(i)).reshape(16, 16, channels) for i in range(COUNT)]
    found = rows(filled(source, tmp_path, channels=channels, crop=crop))
    assert np.array_equal(found.transpose(0, 2, 3, 1), expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_fill_goes_on(source, tmp_path, workers):
    process = slowly(source, tmp_path, workers)
    try:
        for _ in range(DONE):
            process.stdout.readline()
    finally:
        process.kill()
        process.communicate()
    images = decoded(source, tmp_path)
    assert images.missing == COUNT - DONE
    told = []
    images.fill(workers=1, report=told.append)
    assert told == [*range(DONE + 1, COUNT + 1)]
    assert np.array_equal(rows(images), rows(filled(source, tmp_path / "anew")))


def test_an_interrupted_fill_keeps_what_is_done(source, tmp_path):
    def stop(done):
        if done == DONE:
            raise KeyboardInterrupt

    images = decoded(source, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        images.fill(workers=1, report=stop)
    assert images.missing == COUNT - DONE


@pytest.mark.processes
def test_two_processes_fill_at_once_and_each_image_is_decoded_once(source, tmp_path):
    both = [slowly(source, tmp_path, seconds=1.0) for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    told = [out.split() for out, _ in ends]
    assert sorted(map(len, told)) == [0, COUNT]
    assert sum("Another run decodes the same images" in err for _, err in ends) == 1
    assert np.array_equal(rows(decoded(source, tmp_path)), rows(filled(source, tmp_path / "anew")))


def test_whoever_waits_goes_on_when_the_other_is_killed(source, tmp_path):
    first = slowly(source, tmp_path)
    for _ in range(DONE):
        first.stdout.readline()
    second = slowly(source, tmp_path, seconds=0.0)
    assert "waiting for it" in second.stderr.readline()
    first.kill()
    first.communicate()
    out, _ = second.communicate(timeout=60)
    assert out.split() == [str(i) for i in range(DONE + 1, COUNT + 1)]


def test_a_full_disk_is_one_line_and_what_is_decoded_is_kept(source, tmp_path):
    images = filled(source, tmp_path)
    size = (images.folder / "images.npy").stat().st_size
    rows_file = images.folder / "rows.npy"
    kept = np.load(rows_file)
    kept["kind"][DONE:] = 0  # as if a run had been stopped there
    np.save(rows_file, kept)
    limit = size - 3 * 16 * 16 * 2  # two images do not fit any more
    process = slowly(
        source, tmp_path, seconds=0.0,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )  # fmt: skip
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and err.count("\n") == 1
    assert "12 decoded images take" in err and "do not fit on the disk" in err and "is kept." in err
    assert decoded(source, tmp_path).missing == 2


def test_a_set_that_the_disk_cannot_hold_is_refused_before_it_is_decoded(source, tmp_path):
    images = decoded(source, tmp_path)
    images.shape = (COUNT, 3, 2**19, 2**19)  # a file may be as long, with holes
    with pytest.raises(
        OSError, match=r"^12 decoded images take 9\.22e\+03 GiB, which do not fit on the disk"
    ):
        images.fill(workers=1, report=pytest.fail)
    assert not [path.name for path in images.folder.iterdir() if path.name != "lock"]


DAMAGES = {
    "images gone": ("images.npy", None),
    "images short": ("images.npy", lambda data: data[:-1]),
    "rows gone": ("rows.npy", None),
    "rows empty": ("rows.npy", lambda data: b""),
    "rows of another set": ("rows.npy", lambda data: data.replace(b"(12,)", b"(11,)")),
}


@pytest.mark.parametrize("name, damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_made_again(source, tmp_path, name, damage):
    expected = rows(filled(source, tmp_path))
    path = decoded(source, tmp_path).folder / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    again = decoded(source, tmp_path)
    assert again.missing == COUNT
    with pytest.raises(OSError, match="gone, damaged or unfinished: run the same command again"):
        rows(again)
    again.fill(workers=1)
    assert np.array_equal(rows(again), expected)


def test_a_whole_set_is_read_without_writing(source, tmp_path):
    filled(source, tmp_path)
    images = decoded(source, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in images.folder.iterdir()}
    images.fill(workers=1, report=pytest.fail)
    assert len(rows(images)) == COUNT
    assert {path: path.stat().st_mtime_ns for path in images.folder.iterdir()} == before


OTHERS = {"resolution": {"resolution": 8}, "channels": {"channels": 1}, "crop": {"crop": "none"}}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_other_pixels_lie_elsewhere(source, tmp_path, changes):
    assert decoded(source, tmp_path, **changes).folder != decoded(source, tmp_path).folder


def test_another_set_lies_elsewhere_and_other_labels_do_not(source, tmp_path):
    changed = write_folder(tmp_path / "src", {"00.png": encoded(make_image(20, 24, seed=99))})
    assert decoded(changed, tmp_path).folder != decoded(source, tmp_path).folder
    assert decoded(source, tmp_path, labels="keep").folder == decoded(source, tmp_path).folder


def test_the_hash_is_that_of_the_set(source, tmp_path):
    assert filled(source, tmp_path).sha256 == ImageSet(source).sha256


@pytest.fixture
def mixed(tmp_path):
    """Eight images, of which two cannot be used and one is small."""
    whole = encoded(make_image(32, 32), "JPEG")
    clear = make_image(16, 16).convert("RGBA")
    clear.putalpha(0)
    files = {
        "a.jpg": whole,
        "b.jpg": whole[: len(whole) // 2],
        "c.png": b"no image at all",
        "d.png": encoded(make_image(8, 8)),
        "e.png": encoded(clear),
        "f.png": grey16_png(np.full((16, 16), 4095, np.uint16)),
        "g.png": encoded(make_image(16, 48)),
        "h.png": encoded(make_image(16, 16).convert("L")),
    }
    return write_zip(tmp_path / "mixed.zip", files)


def test_faults_are_told_by_kind_and_name(mixed, tmp_path):
    images = filled(mixed, tmp_path)
    assert images.unusable == {"corrupt": [1, 2], "too small": [3]}
    assert images.usable.tolist() == [0, 4, 5, 6, 7]
    assert "truncated" in images.fault(1).lower()
    assert images.fault(2) == "it is no image"
    assert images.fault(3) == "8 x 8 is smaller than 16"


def test_small_images_are_enlarged_where_that_is_allowed_without_decoding_again(mixed, tmp_path):
    small = filled(mixed, tmp_path)
    enlarged = decoded(mixed, tmp_path, upscale=True)
    assert enlarged.missing == 0
    assert enlarged.unusable == {"corrupt": [1, 2]} and 3 in enlarged.usable
    assert small.oddities["upscaled"] == 0 and enlarged.oddities["upscaled"] == 1


def test_conversions_are_counted(mixed, tmp_path):
    found = filled(mixed, tmp_path).oddities
    assert +found == Counter({"transparent": 1, "16-bit": 1, "dark 16-bit": 1, "not square": 1})


def test_what_is_clear_is_white_without_alpha_and_keeps_it_with_it(mixed, tmp_path):
    assert (filled(mixed, tmp_path).rows(np.array([4])) == 255).all()
    assert (filled(mixed, tmp_path, channels=4).rows(np.array([4]))[:, 3] == 0).all()
    assert (filled(mixed, tmp_path, channels=4).rows(np.array([0]))[:, 3] == 255).all()


def test_a_file_that_cannot_be_read_is_tried_again(tmp_path):
    source = write_folder(tmp_path / "src", {"a.png": encoded(make_image(16, 16))})
    (source / "b.png").symlink_to(tmp_path / "elsewhere.png")
    images = filled(source, tmp_path / "cache")
    assert images.unusable == {"corrupt": [1]} and images.sha256 is None
    Image.open(source / "a.png").save(tmp_path / "elsewhere.png")
    assert images.missing == 1
    images.fill(workers=1)
    assert images.usable.tolist() == [0, 1] and images.sha256 is not None
