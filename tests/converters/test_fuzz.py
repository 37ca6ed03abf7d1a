"""Mutants of real files, made-up pickles and absurd networks: each is converted or refused in one line.

No code runs, no process starts, nothing is written, and memory stays within twice the file and 200 MiB.
"""

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz_helpers import complaint, dump_tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutants import FIXTURES, SNIPPETS

from ganzoo.converters import conversion
from ganzoo.converters.contents import Record, TensorRef

SLOW = pytest.mark.slow
SNAPSHOTS = {path.name: path for path in FIXTURES if path.suffix == ".pkl"}
QUIETLY = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}


@pytest.mark.parametrize("seed, count", [(0, 60), pytest.param(1, 8_000, marks=SLOW)])
def test_a_mutant_is_converted_or_refused(seed, count, judge, tmp_path):
    counts = judge.fuzz(seed, count, tmp_path)
    print(counts)
    assert counts["faults"] == []
    assert counts["refused"] > count / 2 and counts["kinds of message"] > count / 20  # beyond the first byte


def assert_harmless(judge, path, data):
    path.write_bytes(data)
    fault = complaint(judge(path), len(data))
    assert fault is None, fault


def programs(judge, path, examples):
    items = st.one_of(st.sampled_from(SNIPPETS), st.sampled_from(SNIPPETS), st.binary(max_size=4))

    @settings(max_examples=examples, **QUIETLY)
    @given(st.lists(items, max_size=40))
    def run(program):
        assert_harmless(judge, path, b"\x80\x04" + b"".join(program) + b".")

    run()


def test_a_made_up_pickle_is_read_or_refused(judge, tmp_path):
    programs(judge, tmp_path / "file", 40)


@SLOW
def test_many_made_up_pickles_are_read_or_refused(judge, tmp_path):
    programs(judge, tmp_path / "file", 5_000)


def places(value, found):
    """Every dict of attributes, tensors and modules in a tree, each with its keys."""
    if isinstance(value, Record):
        value = value.state
    if isinstance(value, dict):
        found += [(value, key) for key in value]
        for child in value.values():
            places(child, found)
    return found


shapes = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, 16, 32, 33, 512]), max_size=5).filter(
    lambda shape: torch.Size(shape).numel() < 1 << 18
)
dtypes = st.sampled_from([torch.float32, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool])
tensors = st.builds(lambda shape, dtype: torch.ones(shape).to(dtype), shapes, dtypes)
scalars = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=8),
    st.sampled_from([2**40, "x" * 10**5]),
)
strangers = st.sampled_from(
    [
        Path("a"),
        Decimal(1),
        Counter("a"),
        torch.nn.Linear(2, 2),
        np.array(["a"]),
        np.random.RandomState(0),
        range(3),
    ]
)
values = st.one_of(
    scalars,
    tensors,
    strangers,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.text(max_size=3), scalars, max_size=3),
)


def copied(value):
    """The same tree, whose dicts can be written to."""
    if isinstance(value, Record):
        return Record(value.cls, copied(value.state))
    return {key: copied(child) for key, child in value.items()} if isinstance(value, dict) else value


def networks(judge, path, examples):
    @settings(max_examples=examples, **QUIETLY)
    @given(st.data())
    def run(data):
        snapshot = SNAPSHOTS[data.draw(st.sampled_from(sorted(SNAPSHOTS)))]
        contents = copied(conversion.open_checkpoint(snapshot))
        contents = {
            data.draw(st.sampled_from(["G", "D", "G_ema"])): contents[data.draw(st.sampled_from("GD"))]
        }
        [network] = contents.values()
        for _ in range(data.draw(st.integers(1, 4))):
            if not (found := places(network, [])):
                break
            holder, key = found[data.draw(st.integers(0, len(found) - 1))]
            if isinstance(holder[key], TensorRef) and data.draw(st.booleans()):
                holder[key] = data.draw(tensors)
            elif data.draw(st.integers(0, 9)):
                holder[key] = data.draw(values)
            else:
                del holder[key]
        assert_harmless(judge, path, dump_tree(contents))

    run()


def test_an_edited_network_is_converted_or_refused(judge, tmp_path):
    networks(judge, tmp_path / "file", 15)


@SLOW
def test_many_edited_networks_are_converted_or_refused(judge, tmp_path):
    networks(judge, tmp_path / "file", 2_000)
