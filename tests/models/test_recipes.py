from dataclasses import fields, replace

import hydra
import pytest
from covering import thinned
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from recipe_helpers import FEW

import ganzoo.models.recipes
from ganzoo.blocks import GENERATOR_KINDS
from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.factory import create
from ganzoo.models.recipes import RECIPES, REGISTRY, card, compose, list_recipes, override, read_yaml
from ganzoo.training.distillation_settings import DistillationSettings

SEARCHPATH = f"hydra.searchpath=[file://{REGISTRY}]"
TINY = {"resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 8, "w_dim": 8}


def base_of(recipe):
    """The recipe that a recipe starts from, or None."""
    first = read_yaml(RECIPES / f"{recipe}.yaml")["defaults"][0]
    return first if isinstance(first, str) and first != "_self_" else None


ABLATIONS = [recipe for recipe in list_recipes() if base_of(recipe)]


def kinds_of(recipe):
    """Kinds of blocks that a recipe sets itself: all of them, or those in which it differs from its base."""
    entries = read_yaml(RECIPES / f"{recipe}.yaml")["defaults"]
    return [key.rpartition("/")[2] for entry in entries if isinstance(entry, dict) for key in entry]


def composed_by_hydra(recipe, *overrides):
    data = hydra.compose(recipe, [SEARCHPATH, *overrides])
    return OmegaConf.to_container(data, resolve=True)


@pytest.fixture
def own_recipes(tmp_path, monkeypatch):
    """Writes recipes, by name, into a folder that takes the place of the shipped ones."""
    monkeypatch.setattr(ganzoo.models.recipes, "RECIPES", tmp_path)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    return write


# The same as Hydra's


def assert_same_as_hydras(recipe, kinds):
    with hydra.initialize_config_dir(str(RECIPES), version_base=None):
        assert compose(recipe) == composed_by_hydra(recipe)
        for kind in kinds:
            for name in GENERATOR_KINDS[kind].names():
                assert compose(recipe, {kind: name}) == composed_by_hydra(recipe, f"{kind}={name}")


@pytest.mark.parametrize("recipe", thinned(list_recipes(), FEW))
def test_compose_gives_what_hydra_composes_for_every_block_that_a_recipe_sets(recipe):
    assert_same_as_hydras(recipe, kinds_of(recipe))


def test_every_kind_is_one_that_some_of_these_recipes_set():
    assert GENERATOR_KINDS.keys() <= {kind for recipe in FEW for kind in kinds_of(recipe)}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", list_recipes())
def test_compose_gives_what_hydra_composes_for_every_block(recipe):
    assert_same_as_hydras(recipe, GENERATOR_KINDS)


def test_compose_gives_what_hydra_composes_for_settings():
    changes = {"resolution": 256, "output": "pixel", "clamp": 256.0, "mapping": {"lr_multiplier": 5e-4}}
    with hydra.initialize_config_dir(str(RECIPES), version_base=None):
        expected = composed_by_hydra(
            "mobilestylegan", "resolution=256", "output=pixel", "clamp=256.0", "+mapping.lr_multiplier=5e-4"
        )
    assert compose("mobilestylegan", changes) == expected


def test_a_later_override_wins_as_in_hydra(own_recipes, tmp_path):
    for name in ("stylegan2", "stylegan2_idwt"):
        own_recipes(**{name: (RECIPES / f"{name}.yaml").read_text()})
    own_recipes(
        twice="defaults:\n  - stylegan2_idwt\n  - override /upsampler: conv_transpose\n  - _self_\n"
        "z_dim: 64\n",
        before="defaults:\n  - _self_\n  - stylegan2\nz_dim: 64\n",
    )
    with hydra.initialize_config_dir(str(tmp_path), version_base=None):
        for recipe, z_dim in (("twice", 64), ("before", 512)):
            composed = compose(recipe)
            assert composed == composed_by_hydra(recipe)
            assert (composed["upsampler"]["name"], composed["z_dim"]) == ("conv_transpose", z_dim)


# Beside a user's own Hydra


def test_composing_starts_no_hydra():
    GlobalHydra.instance().clear()
    create("mobilestylegan", **TINY)
    assert not GlobalHydra.instance().is_initialized()


def test_composing_inside_an_active_hydra_leaves_it_as_it_was(tmp_path):
    (tmp_path / "mine.yaml").write_text("answer: 42\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base=None):
        before = GlobalHydra.instance().hydra
        create("mobilestylegan", **TINY)
        assert GlobalHydra.instance().hydra is before
        assert hydra.compose("mine") == {"answer": 42}


# The shipped recipes


def test_there_are_three_networks_and_ablations_of_each():
    assert {"stylegan", "stylegan2", "mobilestylegan"} == {base_of(recipe) for recipe in ABLATIONS}


@pytest.mark.parametrize("recipe", list_recipes())
def test_a_recipe_is_a_whole_config(recipe):
    data = compose(recipe)
    config = GeneratorConfig.from_dict(data)
    assert config.resolution == data["resolution"]
    assert {kind for kind in GENERATOR_KINDS if hasattr(config, kind)} <= set(data)


@pytest.mark.parametrize("recipe", ABLATIONS)
def test_an_ablation_differs_from_its_base_in_one_setting(recipe):
    base, ablation = compose(base_of(recipe)), compose(recipe)
    assert recipe.startswith(f"{base_of(recipe)}_")
    assert set(base) == set(ablation)
    assert sum(base[key] != ablation[key] for key in base) == 1


@pytest.mark.parametrize("recipe", ABLATIONS)
def test_an_ablation_is_named_after_the_block_or_output_that_it_changes(recipe):
    base, ablation = compose(base_of(recipe)), compose(recipe)
    (changed,) = [value for key, value in ablation.items() if base[key] != value]
    assert recipe == f"{base_of(recipe)}_{changed if isinstance(changed, str) else changed['name']}"


@pytest.mark.parametrize("recipe", list_recipes())
def test_the_first_line_of_a_recipe_says_what_it_is(recipe):
    assert (RECIPES / f"{recipe}.yaml").read_text().startswith("# ")


# Training


TRAINING = RECIPES / "training"


def test_the_training_settings_are_those_of_a_run_and_its_defaults():
    shipped = {**read_yaml(TRAINING / "loop.yaml"), **read_yaml(TRAINING / "distillation.yaml")}
    del shipped["defaults"], shipped["task"]
    config = GeneratorConfig.from_dict(compose("mobilestylegan"))
    told = DistillationSettings.from_dict({**shipped, "teacher": "t", "out": "o", "student": config})
    default = DistillationSettings(teacher="t", out="o", student=config)
    constant = replace(default.discriminator_optimizer, final=1.0)  # which a constant one does not use
    assert told == replace(default, discriminator_optimizer=constant)
    unsaid = {f.name for f in fields(DistillationSettings)} - set(shipped)
    assert unsaid == {"student", "discriminator", "augment"}  # a recipe's, and in the defaults list


@pytest.mark.parametrize("recipe", thinned(list_recipes(), FEW))
def test_training_settings_leave_the_student_as_its_recipe_says(recipe):
    with hydra.initialize_config_dir(str(RECIPES), version_base=None):
        data = composed_by_hydra(recipe, "+training=distillation")
    assert {key: data[key] for key in compose(recipe)} == compose(recipe)
    assert data["discriminator"] == card("discriminator", "residual")
    assert data["augment"] == card("augment", "diffaugment")


@pytest.mark.parametrize("recipe", thinned(list_recipes(), FEW))
def test_every_recipe_has_a_debug_run(recipe):
    with hydra.initialize_config_dir(str(RECIPES), version_base=None):
        data = composed_by_hydra(recipe, "+training=debug", "teacher=t", "out=o")
    run = DistillationSettings.from_dict(data)
    student = run.student
    assert student.resolution == 32 and max(student.channels) == 32
    assert run.steps <= 25 and run.discriminator_config().resolution == 32


@pytest.mark.parametrize("path", sorted((RECIPES).glob("*/*.yaml")), ids=lambda path: path.stem)
def test_a_file_that_is_merged_over_recipes_says_what_it_is(path):
    package, first, *_ = path.read_text().splitlines()
    assert package == "# @package _global_" and first.startswith("# ")


# Overrides


def test_a_string_picks_another_block():
    assert compose("stylegan2", {"conv": "depthwise"})["conv"] == card("conv", "depthwise")


def test_a_mapping_sets_options_of_the_block_that_is_there():
    assert override({"mapping": {"name": "mlp", "depth": 3}}, {"mapping": {"lr_multiplier": 1.0}}) == {
        "mapping": {"name": "mlp", "depth": 3, "lr_multiplier": 1.0}
    }


def test_a_mapping_with_a_name_sets_options_of_another_block():
    settings = {"upsampler": {"name": "conv_transpose", "taps": [1.0]}}
    assert override(settings, {"upsampler": {"name": "idwt"}}) == {"upsampler": {"name": "idwt"}}


def test_channels_take_the_place_of_channel_base_and_the_reverse():
    by_base, by_list = {"channel_base": 64, "channel_max": 8}, {"channels": [8, 8]}
    assert override(by_base, by_list) == by_list
    assert override(by_list, by_base) == by_base


def test_overriding_leaves_the_settings_untouched():
    settings = {"mapping": {"name": "mlp"}, "z_dim": 4}
    override(settings, {"mapping": {"depth": 2}, "z_dim": 8})
    assert settings == {"mapping": {"name": "mlp"}, "z_dim": 4}


@pytest.mark.parametrize("value", [None, 3, ["full"]])
def test_a_block_is_overridden_by_a_name_or_a_mapping(value):
    with pytest.raises(ValueError, match="conv is a block's name or a mapping"):
        compose("stylegan2", {"conv": value})


@pytest.mark.parametrize("value", ["full_", {"name": "full_"}])
def test_an_override_with_an_unknown_block_is_an_error_with_one_near_match(value):
    with pytest.raises(ValueError, match=r"Unknown conv: 'full_'\. Did you mean 'full'"):
        compose("stylegan2", {"conv": value})


# Recipes that cannot be read


def test_an_unknown_recipe_is_an_error_that_lists_what_exists_and_one_near_match():
    with pytest.raises(ValueError, match=r"'stylegan9'.*Did you mean 'stylegan\w*'\?.*mobilestylegan, "):
        compose("stylegan9")


BAD = {
    "no self": ("defaults:\n  - /conv: full\n", "lacks _self_"),
    "unknown kind": ("defaults:\n  - /colour: red\n  - _self_\n", "cannot read .*colour"),
    "unknown block": ("defaults:\n  - /conv: fulll\n  - _self_\n", "Unknown conv: 'fulll'"),
    "unknown recipe": ("defaults:\n  - nothing\n  - _self_\n", "Unknown recipe: 'nothing'"),
    "a package": ("defaults:\n  - /conv@other: full\n  - _self_\n", "cannot read .*conv@other"),
    "a list of blocks": ("defaults:\n  - /conv: [full]\n  - _self_\n", r"cannot read .*\['full'\]"),
    "overrides what is not there": ("defaults:\n  - override /conv: full\n  - _self_\n", "never chose"),
    "no mapping": ("- 1\n- 2\n", "must hold a mapping"),
    "nothing interpolated": ("defaults:\n  - _self_\nz_dim: ${absent}\n", "cannot be read"),
    "no YAML": ("defaults: [\n", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_recipe_that_this_composer_does_not_know_is_an_error(own_recipes, case):
    text, message = BAD[case]
    own_recipes(bad=text)
    with pytest.raises(ValueError, match=message):
        compose("bad")


def test_numbers_in_recipes_are_numbers(own_recipes):
    own_recipes(numbers="small: 5e-4\n")
    assert compose("numbers") == {"small": 5e-4}
