import pytest
import torch
from PIL import Image

from ganzoo.pictures import contact_sheet, read_settings, save_png, sheet_columns, tile_side, to_images


def test_the_range_maps_to_bytes_and_is_clipped():
    row = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).expand(1, 3, 1, 5)
    [image] = to_images(row)
    assert [image.getpixel((x, 0))[0] for x in range(5)] == [0, 0, 128, 255, 255]


def test_colours_and_rows_keep_their_places():
    tensor = torch.full([1, 3, 2, 2], -1.0)
    tensor[0, 0, 0, 1] = 1  # red, first row, second column
    assert to_images(tensor)[0].getpixel((1, 0)) == (255, 0, 0)


def test_grey_pictures_are_grey():
    assert to_images(torch.zeros(1, 1, 4, 4))[0].mode == "L"


def test_other_channel_counts_are_refused():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        to_images(torch.zeros(1, 4, 4, 4))


def test_settings_survive_the_file(tmp_path):
    save_png(Image.new("RGB", (4, 4)), tmp_path / "a.png", {"seed": 3, "label": None})
    settings = read_settings(tmp_path / "a.png")
    assert settings["seed"] == 3 and settings["label"] is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_picture_without_settings_says_so(tmp_path):
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
