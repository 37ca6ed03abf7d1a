"""Names of runs and of their folders."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganzoo.training.distillation_settings import DistillationSettings
from ganzoo.training.names import Choice, job_names, run_name, sweep_name

RECIPE = Choice("recipe", "mobilestylegan")
DATA = {"resolution": 256}
UNTOLD = DistillationSettings.untold()


def named(key, value):
    return run_name([RECIPE, Choice(key, value)], DATA, UNTOLD).removeprefix("mobilestylegan-256")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("conv", "full", "+conv-full"),
        ("optimizer.lr", 0.0005, "+optimizer.lr-0.0005"),
        ("loss.gan.weight", 0, "+loss.gan.weight-0"),
        ("truncation_psi", -1.0, "+truncation_psi--1"),
        ("channels", [256, 128], "+channels-256_128"),
        ("clip", None, "+clip-null"),
        ("inherit_mapping", False, "+inherit_mapping-false"),
        ("features.name", "../a b/ç", "+features.name-a_b"),
        ("training", "debug", "+debug"),
        ("training", "distillation", ""),
        *(
            (key, 1, "")
            for key in ("teacher", "out", "resume", "device", "kimg", "resolution", "held_out.num")
        ),
    ],
)
def test_a_run_is_named_after_what_changes_its_result(key, value, part):
    assert named(key, value) == part


def test_a_name_is_a_value_in_hydras_grammar_too():
    name = run_name([RECIPE, Choice("conv", "full"), Choice("cache.folder", "a=b, {c} 'd' $e")], DATA, UNTOLD)
    assert (
        OverridesParser.create().parse_override(f"teacher=runs/{name}/student").value()
        == f"runs/{name}/student"
    )


def test_a_long_name_is_cut_and_stays_its_own():
    names = {run_name([RECIPE, Choice("cache.folder", "x" * 300 + end)], DATA, UNTOLD) for end in "ab"}
    assert len(names) == 2 and {len(name) for name in names} == {120}


def test_a_sweep_is_named_after_what_is_fixed_and_what_varies():
    row = [RECIPE, Choice("seed", 1), Choice("conv", "full"), Choice("teacher", "t")]
    assert sweep_name(row, ["conv"], [DATA, DATA], UNTOLD) == "sweep-mobilestylegan-256+seed-1+conv"
    assert sweep_name(row, ["recipe"], [DATA], UNTOLD) == "sweep-recipes-256+seed-1+conv-full"
    assert sweep_name(row, ["resolution"], [DATA, {"resolution": 64}], UNTOLD).startswith(
        "sweep-mobilestylegan+"
    )


def test_jobs_have_names_of_their_own_on_any_file_system():
    rows = [[Choice("name", value)] for value in ("a/b", "a b", "A_B", "c")]
    assert job_names(rows) == ["name-a_b", "name-a_b-2", "name-A_B-3", "name-c"]
