"""The teacher's images on disk: made once, resumed, never those of another teacher, and in a new order."""

import errno
import json
import os
import resource
import signal
from functools import cache

import numpy as np
import pytest
import torch
from training_helpers import forked, make_teacher, run_settings, student_config

import ganzoo.training.cache as module
from ganzoo.training.cache import TeacherCache
from ganzoo.training.latents import HELD_OUT
from ganzoo.training.teacher import Teacher

SHARD = 4


@pytest.fixture(autouse=True)
def short_shards(monkeypatch):
    monkeypatch.setattr(module, "SHARD", SHARD)


UNCHANGED = cache(make_teacher)


def make(folder, count=10, first=0, limit_gib=20.0, teacher=None, student=None, **changes):
    generator = UNCHANGED() if teacher is None else teacher
    found = Teacher(generator, run_settings(student, **changes))
    return TeacherCache(found, count, first=first, folder=str(folder), limit_gib=limit_gib)


def filled(folder, *arguments, **options):
    cache = make(folder, *arguments, **options)
    cache.fill(cache.missing())
    return cache


def by_teacher(cache, numbers):
    w = cache.teacher.w(cache.teacher.latents(numbers))
    return cache.teacher.images(w, cache.teacher.noise(w, numbers))


def counted(cache):
    """How many images its teacher is asked for from now on, in a list."""
    asked, images = [], cache.teacher.images
    cache.teacher.images = lambda w, noise: asked.append(len(w)) or images(w, noise)
    return asked


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"cannot be written.*Choose another: cache\.folder="):
        make(tmp_path / "file" / "cache")


def test_a_whole_cache_is_read_without_writing(tmp_path, monkeypatch):
    numbers = range(4)
    expected = filled(tmp_path).images(numbers)
    monkeypatch.setattr(module, "writable_cache", pytest.fail)
    assert torch.equal(make(tmp_path).images(numbers), expected)


@pytest.mark.parametrize("noise", ["const", "random"])
@pytest.mark.parametrize("first", [0, HELD_OUT])
def test_images_are_the_teachers_within_half_precision(tmp_path, first, noise):
    cache = filled(tmp_path, first=first, noise=noise)
    numbers = [first + i for i in (7, 0, 9, 3)]
    expected = by_teacher(cache, numbers)
    found = cache.images(numbers)
    assert found.dtype == torch.float32 and found.shape == (4, 3, 16, 16)
    assert (found - expected).abs().max() <= 2**-10 * expected.abs().max()


def test_what_is_there_is_not_made_again(tmp_path):
    filled(tmp_path)
    again = make(tmp_path)
    asked = counted(again)
    assert again.missing() == [] and not asked
    again.images(range(10))
    assert not asked


def test_the_number_of_images_made_is_reported(tmp_path):
    cache, told = make(tmp_path), []
    cache.fill(cache.missing(), told.append)
    assert told == list(range(1, 11))
    assert [cache.length(shard) for shard in range(3)] == [4, 4, 2]


def test_a_killed_process_costs_the_shard_it_was_at(tmp_path):
    def work():
        cache = make(tmp_path)
        cache.fill(cache.missing(), lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == 7 else None)

    assert forked(work) == [-signal.SIGKILL]
    cache = make(tmp_path)
    asked = counted(cache)
    assert cache.missing() == [1, 2]
    cache.fill(cache.missing())
    assert sum(asked) == 6 and make(tmp_path).missing() == []
    torch.testing.assert_close(cache.images(range(10)), by_teacher(cache, range(10)), atol=0.01, rtol=1e-3)


def damage(kind, path):
    data = path.read_bytes()
    images = np.load(path)
    if kind == "gone":
        path.unlink()
    elif kind in ("empty", "cut"):
        path.write_bytes(data[: 0 if kind == "empty" else len(data) // 2])
    elif kind == "no numpy":
        path.write_bytes(b"<html>" + data)
    elif kind == "another header":
        path.write_bytes(data.replace(b"'<f2'", b"'<q9'"))
    else:
        changed = {"other kind": images.astype(np.float32), "other size": images[:, :, :8]}
        np.save(path, {**changed, "too few": images[:3], "one number": np.float16(3)}[kind])


KINDS = (
    "gone",
    "empty",
    "cut",
    "no numpy",
    "another header",
    "other kind",
    "other size",
    "too few",
    "one number",
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_shard_is_made_again(tmp_path, kind):
    cache = filled(tmp_path)
    expected = cache.images(range(10))
    damage(kind, cache.folder / "000001.npy")
    again = make(tmp_path)
    with pytest.raises(OSError, match=r"000001\.npy is gone or damaged: run the same command again\.$"):
        again.images([5])
    assert again.missing() == [1]
    again.fill([1])
    assert torch.equal(again.images(range(10)), expected)


def test_no_header_is_read_as_anything_but_images_or_damage(tmp_path):
    cache = filled(tmp_path)
    path = cache.folder / "000000.npy"
    data = path.read_bytes()
    random = np.random.RandomState(0)
    for place in [*range(90), *range(6, 90), *range(6, 90)]:
        path.write_bytes(data[:place] + bytes([random.randint(256)]) + data[place + 1 :])
        assert TeacherCache(cache.teacher, 4, folder=str(tmp_path)).missing() in ([], [0])


def test_more_images_reuse_the_whole_shards(tmp_path):
    filled(tmp_path, 10)
    more = make(tmp_path, 14)
    assert more.missing() == [2, 3]
    more.fill(more.missing())
    torch.testing.assert_close(more.images(range(14)), by_teacher(more, range(14)), atol=0.01, rtol=1e-3)
    fewer = make(tmp_path, 6)
    assert fewer.missing() == [] and fewer.folder == more.folder
    assert torch.equal(fewer.images(range(6)), more.images(range(6)))


OTHERS = {
    "seed": {"seed": 1},
    "psi": {"truncation_psi": 0.5},
    "mixing": {"style_mixing": 0.5},
    "noise": {"noise": "random"},
    "precision": {"teacher_precision": "bf16"},
    "held out": {"first": HELD_OUT},
    "resolution": {"student": student_config(resolution=8, output="wavelet")},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS.keys())
def test_other_images_lie_elsewhere(tmp_path, changes):
    assert make(tmp_path, **changes).folder != make(tmp_path).folder
    assert make(tmp_path, **changes).folder == make(tmp_path, **changes).folder


def test_another_teachers_images_lie_elsewhere(tmp_path):
    other = make_teacher()
    with torch.no_grad():
        other.synthesis.levels[0].const[0, 0, 0, 0] += 1e-3
    assert make(tmp_path, teacher=other).folder != make(tmp_path).folder
    assert json.loads((make(tmp_path).folder / "facts.json").read_text())["seed"] == 0


def test_settings_that_do_not_matter_share_the_images(tmp_path):
    other = make(tmp_path, batch_size=8, kimg=5.0, loss={"perceptual": {"weight": 1.0}})
    assert other.folder == make(tmp_path).folder


@pytest.mark.parametrize("noise", ["const", "random"])
def test_held_out_images_are_shared_by_runs_of_other_seeds(tmp_path, noise):
    first = filled(tmp_path, first=HELD_OUT, noise=noise, seed=0)
    other = make(tmp_path, first=HELD_OUT, noise=noise, seed=1)
    assert not other.missing()
    assert torch.equal(first.images([HELD_OUT]), by_teacher(other, [HELD_OUT]).half().float())


def test_held_out_images_whose_w_cross_where_the_seed_says_are_not_shared(tmp_path):
    filled(tmp_path, first=HELD_OUT, style_mixing=1.0, seed=0)
    assert make(tmp_path, first=HELD_OUT, style_mixing=1.0, seed=1).missing()


def test_a_limit_is_refused_with_what_would_fit(tmp_path):
    with pytest.raises(ValueError) as error:
        make(tmp_path, 1_000_000, limit_gib=0.5)
    assert "take 1.43 GiB on disk, more than cache.limit_gib=0.5" in str(error.value)
    assert "give cache.images=349525." in str(error.value)
    make(tmp_path, 349_525, limit_gib=0.5)


def test_a_limit_on_held_out_images_speaks_of_them(tmp_path):
    with pytest.raises(ValueError, match=r"give held_out\.num=349525\.$"):
        make(tmp_path, 1_000_000, first=HELD_OUT, limit_gib=0.5)


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own(tmp_path):
    cache = make(tmp_path)
    epochs = [[cache.number(epoch * 10 + i) for i in range(10)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    again = make(tmp_path)
    assert [again.number(position) for position in (39, 0, 15)] == [epochs[3][9], epochs[0][0], epochs[1][5]]
    other = make(tmp_path, seed=1)
    assert [other.number(i) for i in range(10)] != epochs[0]


NO_ROOM = "do not fit on the disk"


def test_a_file_that_cannot_grow_ends_in_one_line(tmp_path):
    def work():
        cache = make(tmp_path)
        cache.fill([0])
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match=rf"{NO_ROOM}.*fewer cache\.images; what is there is kept\.$"):
            cache.fill([1, 2])

    assert forked(work) == [0]
    cache = make(tmp_path)
    assert cache.missing() == [1, 2]
    assert sorted(path.name for path in cache.folder.iterdir()) == ["000000.npy", "facts.json"]


# What numpy says of a full disk carries no number.
ERRORS = OSError(errno.ENOSPC, "No space left on device"), OSError("384 requested and 0 written")


@pytest.mark.parametrize("error", ERRORS, ids=["system", "numpy"])
def test_a_full_disk_ends_in_one_line(tmp_path, monkeypatch, error):
    cache = filled(tmp_path, 4)
    bigger = make(tmp_path, 10)

    def fail(file, array, **options):
        file.write(b"some")
        raise error

    monkeypatch.setattr(module.np, "save", fail)
    with pytest.raises(OSError, match=NO_ROOM) as found:
        bigger.fill(bigger.missing())
    assert str(cache.folder) in str(found.value)
    assert sorted(path.name for path in cache.folder.iterdir()) == ["000000.npy", "facts.json"]


def test_another_error_is_told_as_it_is(tmp_path, monkeypatch):
    def fail(file, array, **options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module.np, "save", fail)
    with pytest.raises(OSError, match="Input/output error"):
        filled(tmp_path)
