import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ganzoo.system.images import (
    contact_sheet,
    read_settings,
    save_png,
    sheet_columns,
    shrink,
    tile_side,
    to_images,
    to_rgb,
)


def test_the_range_maps_to_bytes_and_is_clipped():
    row = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(1, 3, 1, 5)
    [image] = to_images(row)
    assert [image.getpixel((x, 0))[0] for x in range(5)] == [0, 0, 128, 255, 255]


def test_colours_and_rows_keep_their_places():
    tensor = torch.full([1, 3, 2, 2], -1.0)
    tensor[0, 0, 0, 1] = 1  # red, first row, second column
    assert to_images(tensor)[0].getpixel((1, 0)) == (255, 0, 0)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_images_have_the_mode_of_their_channels(channels, mode):
    tensor = torch.linspace(-1, 1, channels).view(1, channels, 1, 1).expand(1, channels, 4, 4)
    [image] = to_images(tensor)
    assert image.mode == mode
    expected = (tensor[0, :, 0, 0] * 127.5 + 127.5).round().int().tolist()
    assert image.getpixel((3, 3)) == (tuple(expected) if channels > 1 else expected[0])


@pytest.mark.parametrize("function", [to_images, to_rgb])
@pytest.mark.parametrize("channels", [2, 5])
def test_other_channel_counts_are_refused(function, channels):
    with pytest.raises(ValueError, match=rf"3 \(RGB\) or 4 channels \(RGBA\).*these have {channels}"):
        function(torch.zeros(1, channels, 4, 4))


# What feature networks and sheets see


def test_grey_is_repeated_and_rgb_left_alone():
    grey, colours = torch.randn(2, 1, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.equal(to_rgb(grey), torch.cat([grey] * 3, dim=1))
    assert torch.equal(to_rgb(colours), colours)


@pytest.mark.parametrize(("alpha", "seen"), [(-1.0, 1.0), (0.0, 0.25), (1.0, -0.5)])
def test_alpha_lays_colours_over_white(alpha, seen):
    image = torch.tensor([-0.5, -0.5, -0.5, alpha]).view(1, 4, 1, 1)
    assert to_rgb(image).flatten().tolist() == [seen] * 3


def test_what_is_seen_of_alpha_is_what_pillow_composes():
    image = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    white = Image.new("RGBA", (8, 8), "white")
    white.alpha_composite(to_images(image)[0])
    got, expected = (np.asarray(i).astype(int) for i in (to_images(to_rgb(image))[0], white.convert("RGB")))
    assert np.abs(got - expected).max() <= 1


def test_colours_and_alpha_have_gradients_beyond_the_range():
    image = torch.full([1, 4, 2, 2], 1.5, requires_grad=True)
    to_rgb(image).square().sum().backward()
    assert (image.grad.abs() > 0).all()


def test_shrunk_images_are_not_stained_by_colours_that_cannot_be_seen():
    image = torch.full([1, 4, 4, 4], 0.5)  # light grey …
    image[:, 3] = 1
    image[:, :3, :, ::2], image[:, 3, :, ::2] = -1, -1  # … and clear black between
    inside = shrink(image, 2)[0, :, :, 1]
    assert torch.allclose(inside[:3], torch.tensor(0.5)) and (inside[3].abs() < 0.5).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_shrunk_images_without_alpha_are_means_over_areas(channels):
    image = torch.randn(2, channels, 8, 8)
    expected = image.unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean(dim=(3, 5))
    assert torch.allclose(shrink(image, 4), expected, atol=1e-6) and shrink(image, 8) is image


def test_a_side_that_does_not_divide_is_bilinear_with_antialiasing():
    image = torch.randn(1, 3, 8, 8)
    assert torch.equal(shrink(image, 6), F.interpolate(image, size=(6, 6), mode="bilinear", antialias=True))


def test_a_clear_image_keeps_its_colours_when_shrunk():
    image = torch.full([1, 4, 4, 4], -1.0)
    image[:, :3] = 0.25
    assert torch.allclose(shrink(image, 2)[:, :3], torch.tensor(0.25))


def test_settings_survive_the_file(tmp_path):
    save_png(Image.new("RGB", (4, 4)), tmp_path / "a.png", {"seed": 3, "label": None})
    settings = read_settings(tmp_path / "a.png")
    assert settings["seed"] == 3 and settings["label"] is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_image_without_settings_says_so(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="no settings"):
        read_settings(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (7, 3), (8, 4), (16, 4), (24, 6), (100, 10)]
)
def test_sheets_are_about_square_and_full(count, columns):
    assert sheet_columns(count) == columns


@pytest.mark.parametrize("count", [1, 8, 1000, 100_000])
def test_sheets_stay_within_4096_pixels(count):
    side = tile_side(count, 1024)
    assert side >= 1 and (side + 4) * sheet_columns(count) + 4 <= max(4096, 5 * sheet_columns(count) + 4)


def test_a_sheet_holds_every_tile_in_order():
    tiles = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(1, 7)]
    sheet = contact_sheet(tiles)
    got = [sheet.getpixel((8 + column * 12, 8 + row * 12))[0] for row in range(2) for column in range(3)]
    assert got == [1, 2, 3, 4, 5, 6]


def test_white_shows_through_the_tiles_of_a_sheet():
    sheet = contact_sheet([Image.new("RGBA", (8, 8), (200, 0, 0, alpha)) for alpha in (0, 255)])
    assert sheet.mode == "RGB"
    assert [sheet.getpixel((x, 8)) for x in (8, 20)] == [(255, 255, 255), (200, 0, 0)]
