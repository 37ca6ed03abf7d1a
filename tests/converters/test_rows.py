"""W+ codes of the original implementations and ours: every layer and head reads its own row."""

import pytest
import torch
from helpers import tiny, trained

from ganzoo.converters.rows import from_layout, to_layout

RESOLUTIONS = [8, 16, 32, 64, 1024]
SHARED = ["nvidia", "rosinality"]
LAYOUTS = [*SHARED, "mobilestylegan"]


def codes(rows, n=2):
    """Random codes of that many rows."""
    return torch.randn(n, rows, 8, generator=torch.Generator().manual_seed(rows))


def num_ws(resolution):
    return 2 * (resolution.bit_length() - 1) - 2


def own_rows(resolution):
    """Rows of a student of MobileStyleGAN.pytorch."""
    return 3 * (resolution.bit_length() - 1) - 7


def layers(level):
    """Our row and the student's own of every layer that a level's features come from."""
    blocks = [(2 * i + k, 3 * i + k) for i in range(level) for k in (1, 2)]
    return [(0, 0), *blocks]


def head(level):
    """Our row and the student's own of a level's head."""
    return 2 * level + 1, 3 * level if level else 1


def last_level(resolution):
    return resolution.bit_length() - 4


@pytest.fixture(params=[8, 16, 32, 64])
def student(request):
    return trained(tiny("wavelet", resolution=request.param))


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("layout", SHARED)
def test_rows_of_stylegan2_are_ours(layout, resolution):
    w = codes(num_ws(resolution))
    assert torch.equal(to_layout(w, layout), w)
    assert torch.equal(from_layout(w, layout, resolution=resolution), w)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_a_students_codes_have_a_row_for_every_head_and_one_that_nothing_reads(resolution):
    blocks = last_level(resolution)
    own = to_layout(codes(num_ws(resolution)), "mobilestylegan")
    assert own.shape == (2, 3 * blocks + 2, 8)
    ours = from_layout(own, "mobilestylegan", resolution=resolution)
    assert ours.shape == (2, num_ws(resolution), 8)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_every_layer_and_head_of_a_student_gets_the_row_that_it_reads_here(resolution):
    w = codes(num_ws(resolution))
    own = to_layout(w, "mobilestylegan")
    levels = range(last_level(resolution) + 1)
    for ours, its in [*layers(levels[-1]), *map(head, levels)]:
        assert torch.equal(own[:, its], w[:, ours])


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_here_every_layer_and_the_last_head_get_the_rows_that_a_student_reads(resolution):
    own = codes(own_rows(resolution))
    w = from_layout(own, "mobilestylegan", resolution=resolution)
    for ours, its in [*layers(last_level(resolution)), head(last_level(resolution))]:
        assert torch.equal(w[:, ours], own[:, its])


@pytest.mark.parametrize(
    ("resolution", "level"), [(r, level) for r in RESOLUTIONS for level in range(last_level(r) + 1)]
)
def test_a_lower_head_gets_its_row_and_its_layers_theirs_where_it_is_asked_for(resolution, level):
    own = codes(own_rows(resolution))
    w = from_layout(own, "mobilestylegan", resolution=resolution, level=level)
    for ours, its in [*layers(level), head(level)]:
        assert torch.equal(w[:, ours], own[:, its])


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_last_head_is_the_one_that_is_asked_for_by_default(resolution):
    own = codes(own_rows(resolution))
    expected = from_layout(own, "mobilestylegan", resolution=resolution, level=last_level(resolution))
    assert torch.equal(from_layout(own, "mobilestylegan", resolution=resolution), expected)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_what_a_student_reads_survives_the_way_there_and_back(resolution):
    w = codes(num_ws(resolution))
    back = from_layout(to_layout(w, "mobilestylegan"), "mobilestylegan", resolution=resolution)
    read = 2 * last_level(resolution) + 2  # the last two rows are of layers that a student lacks
    assert torch.equal(back[:, :read], w[:, :read])


@torch.no_grad()
def test_images_and_all_levels_survive_the_way_there_and_back(student):
    w = codes(student.num_ws)
    own = to_layout(w, "mobilestylegan")
    expected = student.synthesis(w)
    got = student.synthesis(from_layout(own, "mobilestylegan", resolution=student.resolution))
    assert torch.equal(got.image, expected.image)
    for a, b in zip(got.levels, expected.levels, strict=True):
        assert torch.equal(a, b)


@torch.no_grad()
def test_a_students_codes_make_the_same_image_after_the_way_here_and_back(student):
    own = codes(own_rows(student.resolution))
    w = from_layout(own, "mobilestylegan", resolution=student.resolution)
    again = from_layout(to_layout(w, "mobilestylegan"), "mobilestylegan", resolution=student.resolution)
    assert torch.equal(student.synthesis(again).image, student.synthesis(w).image)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_reach_the_codes_through_both_ways(layout):
    w = codes(8).requires_grad_()
    from_layout(to_layout(w, layout), layout, resolution=32).sum().backward()
    assert w.grad[:, :6].ne(0).all()


@pytest.mark.parametrize("shape", [(2, 7, 8), (2, 0, 8), (2, 40, 8), (8, 8), (1, 2, 8, 8)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_that_no_network_has_go_nowhere(layout, shape):
    with pytest.raises(ValueError, match=r"2 \* log2\(resolution\) - 2"):
        to_layout(torch.zeros(shape), layout)


def test_codes_of_a_network_below_the_least_student_do_not_become_a_students():
    with pytest.raises(ValueError, match="at least 4 rows"):
        to_layout(codes(2), "mobilestylegan")


@pytest.mark.parametrize(
    ("layout", "rows", "resolution", "expected"),
    [
        ("nvidia", 10, 32, 8),
        ("rosinality", 7, 32, 8),
        ("mobilestylegan", 8, 64, 11),
        ("mobilestylegan", 18, 1024, 23),
        ("mobilestylegan", 23, 512, 20),
    ],
)
def test_codes_of_another_resolution_are_refused_with_the_right_number(layout, rows, resolution, expected):
    with pytest.raises(ValueError, match=rf"{layout} at {resolution} have shape \[N, {expected}, w_dim\]"):
        from_layout(codes(rows), layout, resolution=resolution)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_single_style_is_refused(layout):
    with pytest.raises(ValueError, match=r"got \[8, 8\]"):
        from_layout(torch.zeros(8, 8), layout, resolution=32)


@pytest.mark.parametrize("level", [-1, 3, 100])
def test_a_level_that_the_student_lacks_is_refused(level):
    with pytest.raises(ValueError, match=rf"level is 0 to 2; got {level}"):
        from_layout(codes(8), "mobilestylegan", resolution=32, level=level)


def test_an_unknown_layout_is_refused_with_those_that_there_are():
    message = "'nvida'.*Did you mean 'nvidia'.*mobilestylegan, nvidia, rosinality"
    with pytest.raises(ValueError, match=message):
        to_layout(codes(8), "nvida")
    with pytest.raises(ValueError, match=message):
        from_layout(codes(8), "nvida", resolution=32)


@pytest.mark.parametrize("rows", [0, 3, 22, 24])
def test_a_number_of_rows_that_no_network_has_is_refused(rows):
    with pytest.raises(ValueError, match="Codes have shape"):
        to_layout(torch.zeros(1, rows, 3), "mobilestylegan")


@pytest.mark.parametrize("resolution", [2, 3, 48, 4096])
@pytest.mark.parametrize("layout", ["nvidia", "mobilestylegan"])
def test_a_resolution_that_no_network_has_is_refused(layout, resolution):
    with pytest.raises(ValueError, match="resolution is a power of two"):
        from_layout(torch.zeros(1, 8, 3), layout, resolution=resolution)


def test_a_level_is_refused_where_heads_have_no_rows_of_their_own():
    with pytest.raises(ValueError, match="needs no level"):
        from_layout(torch.zeros(1, 8, 3), "nvidia", resolution=32, level=0)
