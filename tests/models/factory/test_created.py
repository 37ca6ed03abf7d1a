"""What `create` gives: the same float32 weights whatever surrounds the call."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from factory_helpers import TINY, tiny
from ir_fixtures import MODEL

from ganzoo.generators.config import GeneratorConfig
from ganzoo.models.factory import build, create
from ganzoo.models.recipes import list_recipes
from ganzoo.models.weights import weights_digest


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
        first.synthesis.levels[0].const.zero_()
    assert second.synthesis.levels[0].const.abs().sum() > 0


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


@pytest.mark.processes
def test_create_works_twice_inside_a_users_own_hydra_app(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        textwrap.dedent(
            f"""
            import hydra
            from hydra.core.global_hydra import GlobalHydra
            from hydra.core.hydra_config import HydraConfig

            import ganzoo


            @hydra.main(config_path="conf", config_name="mine", version_base=None)
            def main(config):
                before = GlobalHydra.instance().hydra, HydraConfig.get().job.name
                for _ in range(2):
                    G = ganzoo.create(config.recipe, **{TINY!r})
                    print(*G(G.sample_z(1)).shape)
                after = GlobalHydra.instance().hydra, HydraConfig.get().job.name
                print(before[1], before == after and before[0] is not None)


            main()
            """
        )
    )
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "mine.yaml").write_text(
        "recipe: stylegan2\nhydra:\n  run:\n    dir: .\n  output_subdir: null\n"
    )
    command = [sys.executable, str(app), "recipe=mobilestylegan"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    side = TINY["resolution"]
    assert result.stdout == f"1 3 {side} {side}\n" * 2 + "app True\n", result.stderr
