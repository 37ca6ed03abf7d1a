"""Folders of others whose settings were edited: each is converted or refused in one line.

No code runs, no process starts, nothing is written, and memory stays within twice the files and 200 MiB.
"""

import json
import re
import shutil
from collections import Counter

import pytest
import torch
from fuzz_helpers import complaint
from golden_helpers import GOLDEN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganzoo.converters.checkpoint import open_checkpoint

BIGGAN = GOLDEN / "biggan"
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 20), st.floats(), st.text(max_size=8),
    st.sampled_from([0, 2**31, 2**63, -(10**30), 1e300, "16", "x" * 10**5]),
)  # fmt: skip
values = st.one_of(
    scalars, st.lists(scalars, max_size=4), st.lists(st.lists(scalars, max_size=4), max_size=4),
    st.dictionaries(st.text(max_size=3), scalars, max_size=2),
)  # fmt: skip


def hugging_face(folder):
    """A writer of settings into a folder of Hugging Face's layout, and the settings."""
    told = json.loads((folder / "config.json").read_text())
    return told, lambda edited: (folder / "config.json").write_text(json.dumps(edited))


def ajbrock(folder):
    """The same of ajbrock's, whose settings are pickled beside the run's state."""
    state = dict(open_checkpoint(folder / "state_dict.pth"))
    modules = {name: torch.nn.ReLU() for name in ("G_activation", "D_activation")}
    told = {**state["config"], **modules}
    return told, lambda edited: torch.save({**state, "config": edited}, folder / "state_dict.pth")


# Of ajbrock's settings, those that have to do with networks.
READ = re.compile(
    r"[GD]_|num_[GD]_SV|[BS]N_eps|dim_z|hier|shared_dim|resolution|n_classes|norm_style|mybn|model"
)
LAYOUTS = {"hf_deep_16": (hugging_face, re.compile("")), "aj_biggan_32": (ajbrock, READ)}


def edited(data, told, pattern):
    """The settings with one to three of those that a pattern names removed, replaced, or changed within."""
    told = dict(told)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(filter(pattern.match, told))))
        inner = told[key]
        if not data.draw(st.integers(0, 5)):
            del told[key]
        elif isinstance(inner, list) and inner and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(inner) - 1))
            told[key] = [*inner[:place], data.draw(values), *inner[place + 1 :]]
        else:
            told[key] = data.draw(values)
    return told


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("examples", [12, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_folder_with_other_settings_is_converted_or_refused(layout, examples, judge, tmp_path):
    folder = tmp_path / layout
    shutil.copytree(BIGGAN / layout, folder, ignore=shutil.ignore_patterns("*.npz"))
    opened, pattern = LAYOUTS[layout]
    told, write = opened(folder)
    outcomes = Counter()

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data):
        write(edited(data, told, pattern))
        result = judge(folder)
        assert complaint(result, sum(file.stat().st_size for file in folder.iterdir())) is None, result
        outcomes[result["outcome"]] += 1

    run()
    assert outcomes["refused"]
