"""Which network of a file is converted: the moving average before raw weights, or by part and key."""

from functools import cache

import pytest
import torch
from covering import crossed
from foreign_names import TRAINED, prefixed, saved, state

import ganzoo
from ganzoo.converters.conversion import convert_with_account
from ganzoo.models.weights import weights_digest

EMA, RAW, D = (state(TRAINED, key) for key in ("g_ema", "g", "d"))
TWO_RAW = {"model": RAW, "state_dict": EMA, "discriminator": D}


@cache
def digest(part):
    return weights_digest(ganzoo.convert(TRAINED, part))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pt"


BESIDE = [
    ("model", "model_ema"),
    ("state_dict", "state_dict_ema"),
    ("model", "ema"),
    ("params", "params_ema"),
    ("g", "g_ema"),
    ("generator", "generator_smooth"),
    ("netG", "netG_ema"),
    ("generator", "generatorEMA"),
    ("G", "Gs"),
    ("generator", "g_running"),
    ("net", "averaged"),
    ("non_ema", "ema"),
]


@pytest.mark.parametrize("case", crossed(BESIDE, [False, True], t=1), ids=str)
def test_the_moving_average_is_taken_and_the_raw_weights_are_told(file, case):
    (raw, average), turned_round = case
    contents = {raw: RAW, average: EMA}
    saved(file, dict(reversed(contents.items())) if turned_round else contents)
    found = convert_with_account(file)
    assert (found.part, found.key) == ("generator_ema", average)
    assert weights_digest(found.module) == digest("generator_ema")
    assert found.others == (("generator", raw),)
    assert found.dropped[f"{raw}.input.input"] == "another network of the file: --part generator"
    assert weights_digest(ganzoo.convert(file, "generator")) == digest("generator")


@pytest.mark.parametrize("contents", [RAW, {"model": RAW}, {"state_dict": RAW}, {"params": RAW}, {"g": RAW}])
def test_weights_of_which_nothing_says_that_they_are_averaged_are_a_generator(file, contents):
    found = convert_with_account(saved(file, contents))
    assert found.part == "generator" and found.parts == ("generator",)
    with pytest.raises(ValueError, match="no generator_ema; it has: generator"):
        ganzoo.convert(file, "generator_ema")


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_a_student_or_teacher_is_told_by_the_name_of_its_place(file, name):
    saved(file, {"state_dict": {**prefixed("student.", RAW), **prefixed("teacher.", EMA)}})
    found = convert_with_account(file, name)
    assert (found.part, found.key) == (name, f"state_dict.{name}")
    expected = digest("generator" if name == "student" else "generator_ema")
    assert weights_digest(found.module) == expected


def test_two_networks_of_one_part_are_listed_with_the_flags_that_choose(file):
    saved(file, TWO_RAW)
    with pytest.raises(ValueError, match=r"2 networks .* generator. .*--key model, --key state_dict\."):
        ganzoo.convert(file)
    assert weights_digest(ganzoo.convert(file, key="model")) == digest("generator")
    assert weights_digest(ganzoo.convert(file, key="state_dict")) == digest("generator_ema")
    found = convert_with_account(file, "discriminator")
    assert weights_digest(found.module) == digest("discriminator")
    assert found.dropped["model.input.input"] == "another network of the file: --key model"


def test_two_averages_are_listed_too(file):
    saved(file, {"ema_0.999": EMA, "ema_0.9999": RAW, "g": RAW})
    with pytest.raises(ValueError, match=r"--key ema_0\.999, --key ema_0\.9999\."):
        ganzoo.convert(file)
    found = convert_with_account(file, key="ema_0.9999")
    assert (found.part, weights_digest(found.module)) == ("generator_ema", digest("generator"))


@pytest.mark.parametrize("key", ["state_dict.g_ema", "g_ema", "state_dict.module.g_ema", "state_dict.g_ema."])
def test_a_key_may_be_the_end_of_a_place_and_name_wrappings_or_not(file, key):
    saved(file, {"state_dict": {**prefixed("module.g_ema.", EMA), **prefixed("module.g.", RAW)}})
    found = convert_with_account(file, key=key)
    assert (found.key, weights_digest(found.module)) == ("state_dict.g_ema", digest("generator_ema"))


def test_a_key_of_several_networks_leaves_the_choice_to_the_part(file):
    saved(file, {"run1": {"g": RAW, "d": D}, "run2": {"g": EMA, "d": D}})
    assert weights_digest(ganzoo.convert(file, key="run2")) == digest("generator_ema")
    assert weights_digest(ganzoo.convert(file, "discriminator", "run1")) == digest("discriminator")


def test_a_key_that_is_not_there_gets_the_list_and_a_near_match(file):
    saved(file, {"g_ema": EMA, "g": RAW})
    with pytest.raises(ValueError, match=r"'gema'. Did you mean 'g_ema'\? Choose from: g, g_ema"):
        ganzoo.convert(file, key="gema")
    with pytest.raises(ValueError, match=r"at 'g' is no discriminator; .* generator_ema \(g_ema\)"):
        ganzoo.convert(file, "discriminator", "g")


def test_the_place_of_a_bare_state_dict_is_a_dot(file):
    saved(file, {**RAW, "backup": EMA})
    assert weights_digest(ganzoo.convert(file, key=".")) == digest("generator")
    with pytest.raises(ValueError, match=r"--key \., --key backup"):
        ganzoo.convert(file)


@pytest.mark.parametrize(
    ("part", "key"), [("generator_ema", "G_ema"), ("generator", "G"), ("discriminator", "D")]
)
def test_networks_of_a_snapshot_are_chosen_by_key(part, key):
    from golden_helpers import GOLDEN

    path = GOLDEN / "nvidia_pkl" / "ada_uncond_skip_32.pkl"
    found = convert_with_account(path, key=key)
    assert (found.part, found.key) == (part, key)
    assert weights_digest(found.module) == weights_digest(ganzoo.convert(path, part))


def test_networks_of_a_snapshot_under_other_names_are_found(tmp_path):
    from reference import G
    from snapshots import generator, write_nvidia

    path = write_nvidia(tmp_path / "a.pkl", network=generator(G()), netG_ema=generator(G(), seed=1))
    found = convert_with_account(path)
    assert (found.part, found.key, found.others) == ("generator_ema", "netG_ema", (("generator", "network"),))


def test_a_mean_of_two_averages_is_given_to_neither(file):
    saved(file, {"ema_a": RAW, "ema_b": EMA, "latent_avg": torch.zeros(24)})
    found = convert_with_account(file, key="ema_a")
    assert found.dropped["latent_avg"] == "no part of a network: latent_avg"
    assert "estimated" in found.made["mapping.w_avg"]


def test_more_networks_than_any_file_has_are_refused_at_once(file):
    one = torch.zeros(1)
    saved(file, {f"{i}.input.input": one for i in range(65)})
    with pytest.raises(ValueError, match="more than 64 networks"):
        ganzoo.convert(file)
    saved(file, [{"input.input": one, "latent_avg": one} for _ in range(65)])
    with pytest.raises(ValueError, match="more than 64 networks"):
        ganzoo.convert(file)


def test_containers_that_share_their_parts_are_not_walked_forever(file):
    shared = [{"input.input": torch.zeros(1)}]
    for _ in range(40):
        shared = [shared, shared]
    with pytest.raises(ValueError, match="too large or nested too deep"):
        ganzoo.convert(saved(file, shared))


def test_a_name_of_many_modules_makes_no_tree(file):
    saved(file, {"synthesis.b4.const": torch.zeros(1), ".".join("abcdefgh"): torch.zeros(1)})
    with pytest.raises(ValueError, match=r"a\.b\.c\.d\.e\.f\.g\.h, which no StyleGAN2 has"):
        ganzoo.convert(file)
