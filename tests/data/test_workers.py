import os

import pytest

from ganzoo.data.workers import ordered_map, usable_cores


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(ordered_map(abs, range(-20, 0), workers=workers)) == list(range(20, 0, -1))


def test_nothing_is_nothing():
    assert list(ordered_map(abs, [], workers=2)) == []


def test_an_error_in_a_worker_arrives():
    with pytest.raises(ValueError, match="invalid literal"):
        list(ordered_map(int, ["1", "x"], workers=2))


def test_a_worker_that_dies_is_one_clear_error():
    with pytest.raises(OSError, match="a worker process died: memory ran out"):
        list(ordered_map(os._exit, [1, 1, 1], workers=2))


def test_a_closed_iterator_ends_its_processes():
    results = ordered_map(eval, ["__import__('os').getpid()"] * 3, workers=2)
    worker = next(results)
    assert worker != os.getpid()
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_there_is_a_core():
    assert usable_cores() >= 1
