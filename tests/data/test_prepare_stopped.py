"""Runs that are killed, that meet a full disk, that meet each other, and that meet large images."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import zipfile

import pytest
from image_helpers import encoded, make_image, write_folder
from PIL import Image
from processes import started

from ganzoo.data import ImageSet, partial, prepare

pytestmark = pytest.mark.processes

COUNT, DONE = 40, 9


def prepare_some():
    """In a group of processes of its own, and never more than nine images."""
    os.setsid()
    partial._SECONDS = 0.0  # all is on the disk after every image

    def wait(done, total):
        if done == DONE:
            time.sleep(600)

    source, out, workers = sys.argv[1:]
    prepare(source, out, resolution=64, workers=int(workers), progress=wait)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Forty images, and a duplicate of the first as the last."""
    files = {f"{i:02d}.bmp": encoded(make_image(70, 70, seed=i), "BMP") for i in range(COUNT)}
    files[f"{COUNT}.bmp"] = files["00.bmp"]
    return write_folder(tmp_path_factory.mktemp("stopped") / "src", files)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The zip of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out.zip"
    prepare(source, out, resolution=64, workers=1)
    return out.read_bytes()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.zip"


def journal(out):
    path = out.with_name(f"{out.name}.partial") / "journal.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


def children(process):
    """Number of processes of the group that the run leads: itself and its workers."""
    listing = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return sum(pgid == str(process.pid) and not state.startswith("Z") for pgid, state in rows)


def killed(source, out, workers=2):
    """Kill a run after nine images, by a signal that it cannot see."""
    with started(source.parent / "said", prepare_some, source, out, workers) as run:
        deadline = time.monotonic() + 60
        while len(journal(out)) < DONE and time.monotonic() < deadline:
            time.sleep(0.005)
    return run.process


ONE_OR_TWO = [pytest.param(1, marks=pytest.mark.slow), 2]  # whether they are killed or meet a full disk


@pytest.mark.parametrize("workers", ONE_OR_TWO)
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(source, whole, out, workers):
    killed(source, out, workers)
    assert not out.exists()
    assert len(journal(out)) == DONE
    report = prepare(source, out, resolution=64, workers=3 - workers)
    assert report.resumed == DONE and report.counts["duplicate"] == 1
    assert out.read_bytes() == whole
    assert [path.name for path in out.parent.iterdir()] == ["out.zip"]


def test_the_workers_of_a_killed_run_end_with_it(source, out):
    process = killed(source, out)
    deadline = time.monotonic() + 20
    while children(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert children(process) == 0


def test_what_the_journal_does_not_tell_of_is_made_again(source, whole, out):
    killed(source, out)
    folder = out.with_name("out.zip.partial")
    with (folder / "images.zip").open("ab") as images, (folder / "journal.jsonl").open("ab") as lines:
        images.write(b"half an image")
        lines.write(b'{"name": "half a li')
    prepare(source, out, resolution=64, workers=1)
    assert out.read_bytes() == whole
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None


OTHER = {
    "resolution": {"resolution": 32},
    "crop": {"crop": "none"},
    "channels": {"channels": 1},
    "upscale": {"upscale": True},
    "max_pixels": {"max_pixels": 10**6},
}


@pytest.fixture(scope="module")
def unfinished(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("unfinished") / "out.zip"
    killed(source, out, workers=1)
    return out


@pytest.mark.parametrize("setting", OTHER)
def test_a_run_with_other_settings_is_not_continued(source, unfinished, setting):
    before = journal(unfinished)
    with pytest.raises(ValueError, match=f"unfinished run with another {setting}: delete .*--overwrite"):
        prepare(source, unfinished, **{"resolution": 64, "workers": 1, **OTHER[setting]})
    assert journal(unfinished) == before


def test_a_run_of_another_source_is_not_continued(unfinished, tmp_path):
    other = write_folder(tmp_path / "src", {"a.png": encoded(make_image(64, 64))})
    with pytest.raises(ValueError, match="another source"):
        prepare(other, unfinished, resolution=64, workers=1)


@pytest.fixture
def copied(unfinished, out):
    """The folder beside `out` of what another run left."""
    return shutil.copytree(unfinished.with_name("out.zip.partial"), out.with_name("out.zip.partial"))


def test_it_starts_over_when_allowed(source, out, copied):
    report = prepare(source, out, resolution=32, workers=1, overwrite=True)
    assert report.resumed == 0 and report.counts["written"] == COUNT
    assert ImageSet(out).read(0).size == (32, 32)


@pytest.mark.parametrize("damage", ["images.zip", "settings.json"])
def test_a_damaged_folder_is_not_continued(source, out, copied, damage):
    (copied / damage).write_bytes(b"")
    with pytest.raises(ValueError, match="damaged: delete"):
        prepare(source, out, resolution=64, workers=1)


def test_somebody_elses_folder_is_left_alone(source, out):
    folder = write_folder(out.with_name("out.zip.partial"), {"thesis.txt": b"all of it"})
    with pytest.raises(ValueError, match="not ours: move them"):
        prepare(source, out, resolution=64, workers=1, overwrite=True)
    assert (folder / "thesis.txt").read_bytes() == b"all of it"


def test_two_runs_do_not_write_one_zip(source, out):
    def second(done, total):
        if done == 1:
            with pytest.raises(ValueError, match="in use by another run"):
                prepare(source, out, resolution=64, workers=1, overwrite=True)

    prepare(source, out, resolution=64, workers=1, progress=second)
    assert len(ImageSet(out)) == COUNT


def test_an_interrupted_run_keeps_what_is_done(source, whole, out):
    def stop(done, total):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, out, resolution=64, workers=2, progress=stop)
    assert len(journal(out)) == 7 and json.loads(journal(out)[6])["name"] == "06.bmp"
    assert prepare(source, out, resolution=64, workers=1).resumed == 7
    assert out.read_bytes() == whole


def prepare_on_a_full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    source, out, workers = sys.argv[1:]
    try:
        prepare(source, out, resolution=64, workers=int(workers))
    except OSError as error:
        sys.exit(str(error))


@pytest.mark.parametrize("workers", ONE_OR_TWO)
def test_a_full_disk_is_one_error_and_what_is_done_is_kept(source, whole, out, workers):
    with started(source.parent / "said", prepare_on_a_full_disk, source, out, workers) as run:
        status, _, err = run.finish()
    assert status == 1
    assert err.count("\n") == 1 and "out.zip.partial: File too large. What is done" in err
    assert not out.exists()
    prepare(source, out, resolution=64, workers=1)
    assert out.read_bytes() == whole


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_error(source, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"out\.zip\.partial: Permission denied\.$"):
        prepare(source, tmp_path / "out.zip", resolution=64, workers=1)


MEASURE = """
import resource, sys
from ganzoo.data import prepare
prepare(sys.argv[1], sys.argv[2], resolution=256, workers=2)
largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + 2 * largest)
"""


def test_images_of_4k_take_less_than_a_gibibyte_with_two_workers(tmp_path):
    files = {}
    for i in range(2):
        image = Image.new("RGBA", (4096, 4096), (i, 0, 0, 255))
        image.putpixel((0, 0), (0, 0, 0, 0))  # a transparent image costs most
        files[f"{i}.png"] = encoded(image, compress_level=1)
    source = write_folder(tmp_path / "src", files)
    # By a shell: a process that this one starts itself inherits the high-water mark of its memory.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", MEASURE, source, tmp_path / "out.zip"]
    kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert 2**17 < kib < 2**20
