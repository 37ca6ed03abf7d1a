import math
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from ir_fixtures import MODEL, Release

import ganzoo
from ganzoo.config import GeneratorConfig
from ganzoo.factory import build, config_of, create, list_models, model_entry
from ganzoo.recipes import list_recipes
from ganzoo.weights import save, weights_digest

TINY = {"resolution": 16, "channel_base": 128, "channel_max": 8, "z_dim": 4, "w_dim": 4}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """The published model `tiny_face`, installed, so that nothing is fetched."""
    release = Release(tmp_path)
    monkeypatch.setattr("ganzoo.factory.MODELS", release.models)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    release.install(monkeypatch)
    return release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved model, with weights that no seed gives."""
    generator = create("mobilestylegan", **TINY)
    with torch.no_grad():
        generator.synthesis.const.add_(1)
    save(generator, tmp_path / "saved")
    return tmp_path / "saved"


def tiny(name: str = "mobilestylegan", **overrides: object) -> ganzoo.Generator:
    return create(name, **{**TINY, **overrides})


def message(name: str, kind: type[Exception] = ValueError, **arguments: object) -> str:
    """What `create` says, in one line."""
    with pytest.raises(kind) as caught:
        create(name, **arguments)
    text = str(caught.value)
    assert text and "\n" not in text
    return text


# names


def test_an_unknown_name_is_answered_with_a_near_one_and_all_there_are():
    text = message("mobilestylgan")
    assert "Did you mean 'mobilestylegan'?" in text
    assert all(name in text for name in [*list_models(), *list_recipes()])


def test_a_name_like_no_other_gets_no_guess():
    assert "Did you mean" not in message("zzzzzzzzzzzz")


@pytest.mark.parametrize("name", ["", ".", "../secret", "mobilestylegan.yaml", "/etc/hostname", "a" * 300])
def test_odd_names_are_unknown_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message(name)


def test_a_bare_owner_and_repository_are_refused_with_both_spellings():
    text = message("someone/some-model")
    assert "'hf-hub:someone/some-model'" in text and "'dir:someone/some-model'" in text


def test_the_bare_path_of_a_folder_is_refused_with_its_spelling(folder):
    assert f"'dir:{folder}'" in message(str(folder))


def test_a_bare_relative_path_of_a_folder_is_refused_with_its_spelling(folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    name = f"{folder.parent.name}/{folder.name}"
    assert f"'dir:{name}'" in message(name)


def test_a_saved_folder_gives_its_weights(folder):
    generator = create(f"dir:{folder}")
    assert weights_digest(generator) == weights_digest(ganzoo.load(folder)) != weights_digest(tiny())


def test_a_saved_folder_without_weights_asked_for_gives_random_ones(folder):
    assert weights_digest(create(f"dir:{folder}", pretrained=False)) == weights_digest(tiny())


@pytest.mark.parametrize("name", ["dir:no-such-folder", "dir:"])
def test_a_folder_without_a_model_says_what_it_should_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = message(name, OSError)
    assert "config.json" in text and "model.safetensors" in text


def test_weights_of_a_folder_that_do_not_fit_the_overrides_are_refused(folder):
    assert "z_dim is 4, not 5" in message(f"dir:{folder}", z_dim=5)


def test_the_config_of_a_name_needs_no_weights(release):
    assert config_of(MODEL) == release.generator.config
    assert config_of("mobilestylegan").resolution == 1024


def test_an_unknown_model_has_no_entry():
    with pytest.raises(ValueError, match="Did you mean 'mobilestylegan_ffhq'"):
        model_entry("mobilestylegan_ffh")


def test_models_are_listed_by_wildcard():
    assert "mobilestylegan_ffhq" in list_models("*ffhq*")
    assert list_models("nothing*") == []


# pretrained


def test_weights_of_a_recipe_are_refused_with_the_models_made_from_it():
    text = message("mobilestylegan", pretrained=True)
    assert "recipe" in text and "mobilestylegan_ffhq" in text


def test_a_published_model_has_its_weights_unless_told_otherwise(release):
    trained = weights_digest(create(MODEL))
    assert trained == weights_digest(create(MODEL, pretrained=True))
    assert trained != weights_digest(create(MODEL, pretrained=False))


def test_a_published_model_without_weights_fetches_and_caches_nothing(release):
    release.change_entry(distribution="no-such-distribution")
    create(MODEL, pretrained=False, resolution=64, channels=[4, 4, 4, 4])
    assert release.left_over() == []


def test_overrides_that_change_the_network_and_weights_do_not_go_together(release):
    text = message(MODEL, resolution=64, channels=[8, 12, 4, 4])
    assert "resolution is 32, not 64" in text
    assert "channels is [8, 12, 4], not [8, 12, 4, 4]" in text
    assert "pretrained=False" in text
    assert release.left_over() == []


@pytest.mark.parametrize("pretrained", [None, True])
def test_another_block_and_weights_do_not_go_together(release, pretrained):
    text = message(MODEL, pretrained=pretrained, conv="full")
    assert "depthwise" in text and "full" in text


def test_another_block_without_weights_is_fine(release):
    assert create(MODEL, pretrained=False, conv="full").config.conv["name"] == "full"


def test_overrides_that_change_nothing_go_with_weights(release):
    plain = create(MODEL)
    same = create(MODEL, resolution=32, conv="depthwise", head={"name": "single"}, mapping={"depth": 3})
    assert weights_digest(same) == weights_digest(plain)


def test_a_damaged_folder_is_never_loaded_in_part(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"z_dim": 4', '"z_dim": 5'))
    assert "does not fit its config" in message(f"dir:{folder}")


# overrides


def test_a_string_picks_another_block():
    generator = tiny(conv="full", upsampler="conv_transpose")
    assert generator.config.conv["name"] == "full"
    assert generator.config.upsampler["name"] == "conv_transpose"


def test_a_mapping_sets_options_and_leaves_the_others():
    config = tiny(mapping={"depth": 2}).config
    assert config.mapping == {"name": "mlp", "depth": 2, "lr_multiplier": 0.01}


def test_a_mapping_with_a_name_picks_another_block_and_sets_its_options():
    config = tiny(conv={"name": "full", "kernel_size": 5}).config
    assert config.conv == {"name": "full", "kernel_size": 5}


def test_a_scalar_sets_a_field():
    assert tiny(activation="relu", clamp=256).config.clamp == 256.0


def test_channels_take_the_place_of_channel_base_and_channel_max():
    config = create("stylegan2", resolution=16, channels=[4, 8, 12], z_dim=4, w_dim=4).config
    assert config.channels == (4, 8, 12)


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ({"resolutoin": 16}, "Did you mean 'resolution'?"),
        ({"resolution": 17}, "power of two"),
        ({"resolution": "16"}, "resolution"),
        ({"resolution": True}, "resolution"),
        ({"z_dim": 0}, "z_dim"),
        ({"z_dim": 1 << 40}, "z_dim"),
        ({"channel_max": 10**12}, "channel_max"),
        ({"channels": [8, 8, 8, 8, 8]}, "channels"),
        ({"channels": [8, 8], "channel_base": 64}, "not both"),
        ({"output": "sound"}, "'pixel' or 'wavelet'"),
        ({"activation": "lrelo"}, "Did you mean 'lrelu'?"),
        ({"clamp": -1.0}, "clamp"),
        ({"clamp": math.nan}, "clamp"),
        ({"conv": "depthwyse"}, "Did you mean 'depthwise'?"),
        ({"conv": {"name": "depthwyse"}}, "Did you mean 'depthwise'?"),
        ({"conv": {"kernel_sise": 3}}, "Did you mean 'kernel_size'?"),
        ({"conv": {"kernel_size": 4}}, "kernel_size"),
        ({"conv": {"kernel_size": "3"}}, "kernel_size"),
        ({"conv": {"in_channels": 3}}, "in_channels"),
        ({"conv": {"_target_": "os.system"}}, "_target_"),
        ({"conv": 3}, "conv"),
        ({"conv": None}, "conv"),
        ({"conv": ["full"]}, "conv"),
        ({"conv": {"name": ["full"]}}, "conv"),
        ({"mapping": {"depth": 10_000}}, "depth"),
        ({"_target_": "os.system"}, "_target_"),
        ({"defaults": []}, "defaults"),
    ],
    ids=str,
)
def test_what_a_recipe_does_not_know_is_refused(overrides, hint):
    assert hint in message("mobilestylegan", **{**TINY, **overrides})


def test_overrides_are_not_changed():
    mapping = {"depth": 2}
    tiny(mapping=mapping)
    assert mapping == {"depth": 2}


# what comes out


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_gives_a_float32_generator_in_eval_mode(recipe):
    generator = tiny(recipe)
    tensors = [*generator.parameters(), *generator.buffers()]
    assert {(t.dtype, t.device.type) for t in tensors} == {(torch.float32, "cpu")}
    assert not any(module.training for module in generator.modules())


def test_published_weights_are_float32_in_eval_mode_and_trainable(release):
    generator = create(MODEL)
    assert {t.dtype for t in generator.state_dict().values()} == {torch.float32}
    assert not any(module.training for module in generator.modules())
    assert all(p.requires_grad and p.is_leaf for p in generator.parameters())


def test_random_weights_are_the_same_at_every_call():
    assert weights_digest(tiny()) == weights_digest(tiny())


def test_two_generators_share_no_memory(release):
    first, second = create(MODEL), create(MODEL)
    with torch.no_grad():
        first.synthesis.const.zero_()
    assert second.synthesis.const.abs().sum() > 0


def test_weights_depend_on_the_seed_alone():
    config = tiny().config
    first, second = weights_digest(build(config, 1)), weights_digest(build(config, 2))
    assert first != second
    assert first == weights_digest(build(config, 1))


def test_the_global_random_state_is_neither_read_nor_moved(release):
    digests = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        digests.add((weights_digest(tiny()), weights_digest(create(MODEL))))
        assert torch.equal(torch.get_rng_state(), before)
    assert len(digests) == 1


@pytest.fixture
def float64_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)


def test_random_weights_do_not_depend_on_the_default_dtype(request):
    expected = weights_digest(tiny())
    request.getfixturevalue("float64_by_default")
    generator = tiny()
    assert {p.dtype for p in generator.parameters()} == {torch.float32}
    assert weights_digest(generator) == expected


def test_published_weights_do_not_depend_on_the_default_dtype(release, request, tmp_path):
    expected = weights_digest(create(MODEL, cache_dir=tmp_path / "a"))
    request.getfixturevalue("float64_by_default")
    assert weights_digest(create(MODEL, cache_dir=tmp_path / "b")) == expected


def test_saved_weights_do_not_depend_on_the_default_dtype(folder, float64_by_default):
    assert {t.dtype for t in create(f"dir:{folder}").state_dict().values()} == {torch.float32}


def test_random_weights_do_not_depend_on_the_default_device():
    expected = weights_digest(tiny())
    with torch.device("meta"):
        generator = tiny()
        assert torch.empty(1).device.type == "meta"
    assert weights_digest(generator) == expected


def test_published_weights_do_not_depend_on_the_default_device(release, tmp_path):
    expected = weights_digest(create(MODEL, cache_dir=tmp_path / "a"))
    with torch.device("meta"):
        generator = create(MODEL, cache_dir=tmp_path / "b")
    assert weights_digest(generator) == expected


def test_saved_weights_do_not_depend_on_the_default_device(folder):
    expected = weights_digest(create(f"dir:{folder}"))
    with torch.device("meta"):
        generator = create(f"dir:{folder}")
    assert weights_digest(generator) == expected


def test_device_says_where_it_goes():
    assert {p.device.type for p in tiny(device="meta").parameters()} == {"meta"}


@pytest.mark.parametrize("device", ["cup", "cuda:99", ""])
def test_a_device_that_does_not_exist_is_an_error(device):
    with pytest.raises((RuntimeError, ValueError, AssertionError)):
        tiny(device=device)


def test_threads_get_what_a_single_thread_gets():
    recipes = list_recipes()[:8]
    alone = [weights_digest(tiny(recipe)) for recipe in recipes]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda recipe: weights_digest(tiny(recipe)), recipes * 2))
    assert together == alone * 2


def test_threads_that_want_one_published_model_all_get_it(release):
    with ThreadPoolExecutor(4) as pool:
        digests = set(pool.map(lambda _: weights_digest(create(MODEL)), range(4)))
    assert len(digests) == 1
    assert len(list(release.cache.iterdir())) == 1


def test_a_config_made_from_its_own_dict_builds_the_same_network():
    generator = tiny("stylegan2")
    again = build(GeneratorConfig.from_dict(generator.config.to_dict()))
    assert weights_digest(again) == weights_digest(generator)


def test_create_works_twice_inside_a_callers_own_hydra_app(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        textwrap.dedent(
            f"""
            import hydra
            from hydra.core.global_hydra import GlobalHydra
            from hydra.core.hydra_config import HydraConfig

            import ganzoo


            @hydra.main(version_base=None, config_path=None)
            def main(config):
                before = GlobalHydra.instance().hydra, HydraConfig.get().job.name
                for _ in range(2):
                    ganzoo.create("mobilestylegan", **{TINY!r})
                after = GlobalHydra.instance().hydra, HydraConfig.get().job.name
                print("same" if before == after and before[0] is not None else "changed")


            main()
            """
        )
    )
    command = [sys.executable, str(app), "hydra.output_subdir=null", f"hydra.run.dir={tmp_path}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.stdout == "same\n", result.stderr


def test_create_imports_no_hydra():
    code = f"import sys, ganzoo; ganzoo.create('stylegan2', **{TINY!r}); print('hydra' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "False\n", result.stderr
