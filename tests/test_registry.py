import importlib
import inspect
import re
from functools import partial
from typing import Literal

import pytest

from ganzoo.blocks import KINDS
from ganzoo.models.recipes import REGISTRY, read_yaml
from ganzoo.ops.spectral import SpectralLinear
from ganzoo.registry import Registry
from ganzoo.system.paths import DATA

CARDS = sorted(path for kind in KINDS for path in (REGISTRY / kind).glob("*.yaml"))
NAMES = [(kind, name) for kind, registry in KINDS.items() for name in registry.names()]
CONTEXT = {
    "mapping": {"z_dim": 8, "w_dim": 8, "num_ws": 4, "label_dim": 0},
    "upsampler": {"in_channels": 8, "out_channels": 8, "w_dim": 8},
    "conv": {"in_channels": 8, "out_channels": 8, "w_dim": 8},
    "demodulation": {"in_channels": 8},
    "head": {"channels": (8, 8), "w_dim": 8, "img_channels": 3, "output": "pixel", "clamp": None},
    "shortcut": {"in_channels": 8, "out_channels": 8},
    "discriminator": {"resolution": 8, "channels": (8, 8), "img_channels": 3, "label_dim": 0},
    "augment": {},
    "norm": {"channels": 8, "condition_dim": 4, "make_linear": partial(SpectralLinear, bias=False)},
}


class Widget:
    def __init__(
        self,
        *,
        in_channels: int,
        size: int = 3,
        rate: float = 0.5,
        taps: tuple[float, ...] = (1.0, 2.0),
        limit: float | None = None,
        mode: Literal["near", "far"] = "near",
        fast: bool = False,
    ) -> None:
        self.in_channels = in_channels
        self.size = size
        self.rate = rate
        self.taps = taps
        self.limit = limit
        self.mode = mode
        self.fast = fast


@pytest.fixture
def widgets():
    registry = Registry("widget", context=["in_channels"])
    registry.register("round")(Widget)
    return registry


def build(kind, spec):
    """A block of that kind in the context that its network gives it."""
    context = dict(CONTEXT[kind])
    if kind == "mapping" and spec["name"].startswith("classes"):
        context["w_dim"] = {"classes": 2, "classes_whole": 8}[spec["name"]]  # a row's part of z, all there is
    if kind == "conv":
        context["demodulation"] = build("demodulation", "style")
    if kind == "upsampler":
        context["make_conv"] = lambda in_channels, out_channels: build("conv", "full")
    return KINDS[kind].build(spec, **context)


# What can be registered


def test_a_name_is_registered_once(widgets):
    with pytest.raises(ValueError, match=r"'round' is already registered, by .*Widget"):
        widgets.register("round")(Widget)


def test_a_block_without_a_closed_signature_is_refused(widgets):
    class Open:
        def __init__(self, *, in_channels: int, **kwargs: int) -> None: ...

    with pytest.raises(TypeError, match=r"\*\*kwargs"):
        widgets.register("open")(Open)


def test_a_block_with_positional_rest_arguments_is_refused(widgets):
    class Open:
        def __init__(self, *args: int, in_channels: int) -> None: ...

    with pytest.raises(TypeError, match=r"\*args"):
        widgets.register("open")(Open)


def test_a_block_that_lacks_its_context_is_refused(widgets):
    class Blind:
        def __init__(self, *, size: int = 3) -> None: ...

    with pytest.raises(TypeError, match="in_channels"):
        widgets.register("blind")(Blind)


def test_an_option_without_a_default_is_refused(widgets):
    class Needy:
        def __init__(self, *, in_channels: int, size: int) -> None: ...

    with pytest.raises(TypeError, match=r"'size' of .*Needy needs a default"):
        widgets.register("needy")(Needy)


def test_an_option_without_an_annotation_is_refused(widgets):
    class Untyped:
        def __init__(self, *, in_channels: int, size=3) -> None: ...

    with pytest.raises(TypeError, match=r"'size' of .*Untyped needs an annotation"):
        widgets.register("untyped")(Untyped)


def test_a_refused_block_leaves_no_name_behind(widgets):
    class Needy:
        def __init__(self, *, in_channels: int, size: int) -> None: ...

    with pytest.raises(TypeError):
        widgets.register("needy")(Needy)
    assert widgets.names() == ["round"]


def test_registering_returns_the_class_unchanged(widgets):
    assert widgets.register("square")(Widget) is Widget
    assert widgets.get("square") is Widget


# What a spec may say


def test_a_name_alone_builds_the_block_with_its_defaults(widgets):
    widget = widgets.build("round", in_channels=4)
    assert (widget.in_channels, widget.size, widget.taps) == (4, 3, (1.0, 2.0))


def test_a_mapping_sets_options(widgets):
    assert widgets.build({"name": "round", "size": 5}, in_channels=4).size == 5


def test_complete_spells_out_every_default(widgets):
    assert widgets.complete("round") == {
        "name": "round",
        "size": 3,
        "rate": 0.5,
        "taps": (1.0, 2.0),
        "limit": None,
        "mode": "near",
        "fast": False,
    }


def test_an_unknown_block_is_an_error_that_lists_what_exists_and_one_near_match(widgets):
    widgets.register("square")(Widget)
    with pytest.raises(ValueError, match=r"'sqare'.*Did you mean 'square'\?.*round, square"):
        widgets.get("sqare")


def test_an_unknown_option_is_an_error_that_lists_what_exists_and_one_near_match(widgets):
    with pytest.raises(
        ValueError, match=r"'sise'.*Did you mean 'size'\?.*fast, limit, mode, rate, size, taps"
    ):
        widgets.complete({"name": "round", "sise": 5})


def test_a_name_far_from_all_others_gets_no_guess(widgets):
    with pytest.raises(ValueError, match="Unknown widget") as error:
        widgets.get("zzzzzz")
    assert "Did you mean" not in str(error.value)


@pytest.mark.parametrize("name", [None, 3, ["round"], {"round": 1}])
def test_a_block_is_named_by_a_string(widgets, name):
    with pytest.raises(ValueError, match="Unknown widget"):
        widgets.complete({"name": name})


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_no_spec_can_name_python(kind, name):
    with pytest.raises(ValueError, match="'_target_'"):
        build(kind, {"name": name, "_target_": "os.system"})


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_no_spec_can_set_what_only_code_may_give(kind, name):
    for argument in KINDS[kind].context:
        with pytest.raises(ValueError, match=f"'{argument}'"):
            KINDS[kind].complete({"name": name, argument: 4})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("size", True),
        ("size", "3"),
        ("size", 3.0),
        ("size", None),
        ("size", [3]),
        ("rate", "0.5"),
        ("rate", True),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("taps", 1.0),
        ("taps", "12"),
        ("taps", [1.0, "2"]),
        ("taps", [1.0, float("nan")]),
        ("limit", "none"),
        ("limit", float("-inf")),
        ("mode", "middle"),
        ("mode", ["near"]),
        ("fast", 1),
        ("fast", "true"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused(widgets, option, value):
    with pytest.raises(ValueError, match=f"widget.{option}"):
        widgets.complete({"name": "round", option: value})


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("rate", 2, 2.0),
        ("taps", [1, 3], (1.0, 3.0)),
        ("limit", 4, 4.0),
        ("limit", None, None),
        ("mode", "far", "far"),
    ],
)
def test_lists_become_tuples_and_whole_numbers_serve_as_floats(widgets, option, value, kept):
    got = widgets.complete({"name": "round", option: value})[option]
    assert got == kept
    assert type(got) is type(kept)


def test_a_number_too_large_for_a_float_is_refused(widgets):
    with pytest.raises(ValueError, match=r"widget\.rate"):
        widgets.complete({"name": "round", "rate": 10**400})


@pytest.mark.parametrize("spec", [None, 3, ["round"], Widget])
def test_a_spec_is_a_name_or_a_mapping(widgets, spec):
    with pytest.raises(TypeError, match="widget"):
        widgets.complete(spec)


def test_a_spec_without_a_name_is_an_error_that_lists_what_exists(widgets):
    with pytest.raises(ValueError, match="needs a name: round"):
        widgets.complete({"size": 3})


# Title cards


def test_the_registrys_folders_are_the_kinds_of_blocks_the_models_and_their_figures():
    assert {path.name for path in REGISTRY.iterdir()} == {
        *KINDS,
        "directions",
        "encoder",
        "model",
        "measured",
        "submitted",
        "costs.yaml",
    }


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_registered_block_has_a_card(kind, name):
    assert (REGISTRY / kind / f"{name}.yaml").is_file()


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_card_builds_the_block_of_its_name(path):
    card = read_yaml(path)
    assert card["name"] == path.stem
    assert isinstance(build(path.parent.name, card), KINDS[path.parent.name].get(path.stem))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_card_holds_only_what_differs_from_the_defaults(path):
    defaults = KINDS[path.parent.name].complete(path.stem)
    completed = KINDS[path.parent.name].complete(read_yaml(path))
    for option in set(read_yaml(path)) - {"name"}:
        assert completed[option] != defaults[option]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_first_line_of_a_card_names_a_paper_and_the_code(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert re.search(
        r"[A-Z][a-z]+( et al\.| and [A-Z][a-z]+)? (19|20)\d\d[a-z]?, (section|appendix|equation|figure) ",
        first,
    )
    code = re.search(r"(ganzoo/\S+)\.py$", first).group(1)
    module = importlib.import_module(code.replace("/", "."))
    assert inspect.getmodule(KINDS[path.parent.name].get(path.stem)) is module


def test_the_data_lies_beside_the_package_or_in_it():
    assert (DATA / "registry").is_dir()
    assert (DATA / "recipes").is_dir()
