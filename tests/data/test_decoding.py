import numpy as np
import pytest
from image_helpers import encoded, grey16_png, make_image, pixels, raw_png
from PIL import Image

from ganzoo.data.decoding import TooManyPixels, decode

LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_plain_image_comes_out_as_it_is(kind):
    decoded = decode(encoded(make_image(), kind, **LOSSLESS[kind]))
    assert decoded.image.mode == "RGB" and decoded.oddities == ()
    assert (pixels(decoded.image) == pixels(make_image())).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_every_mode_becomes_rgb_or_greyscale(mode):
    data = encoded(make_image().convert(mode))
    assert decode(data).image.mode == "RGB"
    assert decode(data, channels=1).image.mode == "L"
    assert decode(data, channels=4).image.mode == "RGBA"


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_where_it_is_asked_for_and_laid_on_white_where_not(kind):
    image = make_image().convert("RGBA")
    image.putalpha(Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)))
    data = encoded(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    decoded = decode(data, channels=4)
    assert decoded.oddities == () and (pixels(decoded.image) == pixels(image)).all()
    assert decode(data).oddities == ("transparent",) and (pixels(decode(data).image)[0, 0] == 255).all()


def test_a_palette_and_a_transparent_grey_give_alpha_too():
    values = np.array([[0, 1000], [2000, 65535]], np.uint16)
    grey = decode(grey16_png(values, [(b"tRNS", (1000).to_bytes(2, "big"))]), channels=4)
    assert pixels(grey.image)[..., 3].tolist() == [[255, 0], [255, 255]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    image = decode(encoded(palette, "GIF", transparency=1), channels=4).image
    assert pixels(image)[0].tolist() == [[10, 20, 30, 255], [40, 50, 60, 0]]


def test_greyscale_is_luma():
    red = encoded(Image.new("RGB", (4, 4), (255, 0, 0)))
    assert pixels(decode(red, channels=1).image)[0, 0] == round(0.299 * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_greyscale_is_scaled_not_clipped(kind):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    data = grey16_png(values) if kind == "PNG" else encoded(Image.fromarray(values), kind)
    decoded = decode(data)
    assert decoded.oddities == ("16-bit",)
    assert (pixels(decoded.image)[..., 0] == np.rint(values / 257)).all()


def test_16_bit_colour_is_noticed_and_scaled():
    rows = b"".join(b"\0" + bytes([200, 0, 100, 0, 50, 0]) * 4 for _ in range(4))
    decoded = decode(raw_png(4, 4, 16, 2, rows))
    assert decoded.oddities == ("16-bit",) and pixels(decoded.image)[0, 0].tolist() == [200, 100, 50]


def test_the_transparent_grey_of_16_bits_is_white():
    values = np.array([[0, 1000], [2000, 65535]], np.uint16)
    decoded = decode(grey16_png(values, [(b"tRNS", (1000).to_bytes(2, "big"))]))
    assert decoded.oddities == ("transparent", "16-bit")
    assert pixels(decoded.image)[..., 0].tolist() == [[0, 255], [8, 255]]


def test_32_bit_pixels_are_refused_for_nothing_says_what_is_white():
    for values in (np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)):
        with pytest.raises(ValueError, match="8 or 16 bits"):
            decode(encoded(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind):
    decoded = decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), kind))
    assert decoded.oddities == ("cmyk",)
    assert np.abs(pixels(decoded.image) - [255, 0, 0]).max() <= 3


def test_half_transparent_red_on_white_is_pink():
    decoded = decode(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128))))
    assert decoded.oddities == ("transparent",)
    assert np.abs(pixels(decoded.image) - [255, 127, 127]).max() <= 1


def test_an_opaque_alpha_channel_is_no_transparency():
    image = make_image()
    image.putalpha(255)
    assert decode(encoded(image)).oddities == ()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_the_transparent_colour_of_a_palette_is_white(kind):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    decoded = decode(encoded(image, kind, transparency=0))
    assert decoded.oddities == ("transparent",)
    assert pixels(decoded.image)[0, 0].tolist() == [255] * 3
    assert pixels(decoded.image)[1, 1].tolist() == [10, 20, 30]


# What a viewer does to what is stored, by EXIF 2.32, section 4.6.4 A.
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("kind", sorted(LOSSLESS.keys() - {"BMP"}))
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(make_image(12, 8), kind, exif=exif, **LOSSLESS[kind]))
    assert (pixels(decoded.image) == UPRIGHT[orientation](pixels(make_image(12, 8)))).all()
    assert decoded.oddities == (() if orientation == 1 else ("rotated",))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_a_moving_image_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("black", "white", "red")]
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert decoded.oddities == ("animated",)
    assert pixels(decoded.image).max() == 0


def test_a_jpeg_with_a_second_image_inside_does_not_move():
    data = encoded(make_image(), "MPO", save_all=True, append_images=[make_image(seed=1)])
    assert decode(data).oddities == ()


def test_a_bomb_is_refused_by_its_header():
    with pytest.raises(TooManyPixels, match="more than 100,000,000 pixels"):
        decode(raw_png(60_000, 60_000, 8, 2))


@pytest.mark.parametrize("side", [10_001, 12_000])
def test_images_beyond_the_bound_are_refused_where_pillow_would_only_warn(side):
    with pytest.raises(TooManyPixels, match=f"{side} x {side}"):
        decode(raw_png(side, side, 8, 2))


def test_the_bound_is_the_callers():
    data = encoded(make_image(16, 16))
    assert decode(data, max_pixels=256).image.size == (16, 16)
    with pytest.raises(TooManyPixels, match="16 x 16 is more than 255"):
        decode(data, max_pixels=255)


WHOLE = encoded(make_image(64, 64), "JPEG")
DAMAGED = {
    "nothing": b"",
    "text": b"<html>404</html>",
    "a JPEG cut short": WHOLE[: len(WHOLE) // 2],
    "a PNG cut short": encoded(make_image(64, 64))[:120],
    "a PNG with no pixels": raw_png(8, 8, 8, 2),
    "a PNG with a wrong checksum": encoded(make_image()).replace(b"IDAT", b"IDAU"),
    "a TIFF that is a header": b"II*\0\x08\0\0\0",
    "a format of which Pillow knows no more than the name": b"CDF\x01" + bytes(60),
    "a program for a printer": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_ends_in_one_line_that_is_the_same_every_time(damage):
    messages = set()
    for _ in range(2):
        with pytest.raises(ValueError) as error:
            decode(bytearray(DAMAGED[damage]))
        messages.add(str(error.value))
    [message] = messages
    assert message and "\n" not in message and " at 0x" not in message


@pytest.mark.parametrize("wrong", [{"channels": 2}, {"max_pixels": 0}, {"max_pixels": 10**9}])
def test_impossible_bounds_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        decode(encoded(make_image()), **wrong)
