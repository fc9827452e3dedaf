"""Every photo that a visitor may bring becomes upright RGB, or a sentence that says why not."""

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from slvit.errors import PhotoError
from slvit.photo import MAX_PIXELS, open_photo


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header names a size, and in which no pixel follows."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + header + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "MPO"])
def test_opens_each_format_from_path_bytes_and_file(format: str, photo: Image.Image, tmp_path: Path) -> None:
    content = saved(photo, format)
    path = tmp_path / "named.jpg"  # whatever is in it: the content decides
    path.write_bytes(content)
    for source in (path, str(path), content, io.BytesIO(content)):
        opened = open_photo(source)
        assert opened.mode == "RGB" and opened.size == photo.size
        assert np.abs(np.asarray(opened, int) - np.asarray(photo, int)).mean() < 12  # lossy formats, palette of GIF


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_applied_exactly_once(photo: Image.Image, format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = saved(photo, format, exif=exif)
    once = open_photo(content)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert np.array_equal(np.asarray(once), expected)
    assert once.size == (photo.size[::-1] if orientation in (5, 6, 7, 8) else photo.size)
    assert np.array_equal(np.asarray(open_photo(once)), expected)
    assert np.array_equal(np.asarray(open_photo(saved(once, "PNG"))), expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_orientation_is_applied_beside_damaged_metadata(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "The maker's long name", 6
    damaged = exif.tobytes().replace(b"\x01\x0f\x00\x02\x00\x00\x00\x16", b"\x01\x0f\x00\x0b\x00\x00\x00\x05")
    with pytest.raises(AttributeError):  # a name that claims to be five numbers: Pillow itself gives up on turning it
        ImageOps.exif_transpose(Image.open(io.BytesIO(saved(photo, "JPEG", exif=damaged))))
    assert open_photo(saved(photo, "JPEG", exif=damaged)).size == photo.size[::-1]


def test_unreadable_metadata_does_not_refuse_a_whole_photo(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Image.Image) -> None:
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr("PIL.Image.Image.getexif", fail)
    assert open_photo(saved(photo, "PNG")).size == photo.size


def test_a_turned_photo_stays_transparent() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    palette = Image.new("P", (20, 20))  # black
    row = np.asarray(open_photo(saved(palette, "PNG", transparency=0, exif=exif)))[0]
    assert row[0].tolist() == [255] * 3


def test_transparency_lies_over_white() -> None:
    pixels = np.zeros((20, 30, 4), np.uint8)  # black
    pixels[:, 10:20, 3], pixels[:, 20:, 3] = 128, 255
    row = np.asarray(open_photo(saved(Image.fromarray(pixels), "PNG")))[0]
    assert row[0].tolist() == [255] * 3 and row[15].tolist() == [127] * 3 and row[25].tolist() == [0] * 3


def test_a_colour_declared_transparent_lies_over_white() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:, 10:] = (255, 0, 0)
    for image, key in ((Image.fromarray(pixels), (255, 0, 0)), (Image.fromarray(pixels).quantize(2), None)):
        if key is None:
            key = image.getpixel((15, 0))
        row = np.asarray(open_photo(saved(image, "PNG", transparency=key)))[0]
        assert row[0].tolist() == [0] * 3 and row[15].tolist() == [255] * 3


@pytest.mark.parametrize(
    ("dtype", "value", "white", "expected"),
    [("uint16", 32896, 65535, 128), ("int32", 100, 255, 100), ("int32", 32896, 65535, 128), ("float32", 0.25, 1, 64)],
)
def test_deep_grey_keeps_its_tones(dtype: str, value: float, white: float, expected: int) -> None:
    pixels = np.full((20, 20), value, dtype)
    pixels[0] = white
    opened = np.asarray(open_photo(saved(Image.fromarray(pixels), "TIFF")))
    assert opened[10, 10].tolist() == [expected] * 3 and opened[0, 0].tolist() == [255] * 3


def test_floats_that_are_no_numbers_are_black() -> None:
    pixels = np.full((20, 20), 0.5, np.float32)
    pixels[0], pixels[1] = np.nan, -np.inf
    opened = np.asarray(open_photo(Image.fromarray(pixels)))
    assert opened[0, 0, 0] == 0 and opened[1, 0, 0] == 0 and opened[5, 0, 0] == 128


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "HSV", "RGBa", "RGBX"])
def test_other_modes_become_rgb(mode: str) -> None:
    grey = Image.new("RGB", (20, 20), (255, 255, 255))
    image = grey.convert("RGBA").convert(mode) if mode == "RGBa" else grey.convert(mode)
    opened = open_photo(image)
    assert opened.mode == "RGB" and opened.getpixel((9, 9)) == (255, 255, 255)


def test_cmyk_jpeg_keeps_its_colours() -> None:
    red = Image.new("RGB", (32, 32), (200, 20, 20))
    assert np.abs(np.asarray(open_photo(saved(red.convert("CMYK"), "JPEG")), int) - (200, 20, 20)).max() < 8


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_several(format: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    opened = open_photo(saved(frames[0], format, save_all=True, append_images=frames[1:]))
    red, _, blue = opened.getpixel((10, 10))
    assert red > 240 and blue < 15


def test_an_rgb_image_is_given_back_as_it_is(photo: Image.Image) -> None:
    assert open_photo(photo) is photo


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_cut_short(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), format)
    with pytest.raises(PhotoError, match="damaged"):
        open_photo(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "PDF"])
def test_formats_that_no_visitor_needs_are_not_decoded(format: str) -> None:
    with pytest.raises(PhotoError, match="not a photo that can be read"):
        open_photo(saved(Image.new("RGB", (32, 32)), format))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"this is a letter, not a photo", "not a photo that can be read: choose a JPEG"),
        (b"%PDF-1.7 and so on", "not a photo that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a photo that can be read"),
        (b"", "empty"),
        ("no-such-file.jpg", 'no file "no-such-file.jpg"'),
        ("name\0with zero", "check the path"),
        ("x" * 5000, "check the path"),
        (".", "folder"),
        ("", "no photo: choose one"),
        (None, "no photo: choose one"),
        (42, "no photo: choose one"),
        ("https://example.org/cat.jpg", "web address"),
        (io.StringIO("text"), "damaged|not a photo"),
    ],
)
def test_what_is_no_photo(source: object, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence) as caught:
        open_photo(source)
    assert str(caught.value).count(". ") == 0  # one sentence


def test_a_text_named_jpg_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_text("Dear all")
    with pytest.raises(PhotoError, match='"holiday.jpg" is not a photo'):
        open_photo(path)


def test_a_closed_file() -> None:
    file = io.BytesIO(b"x")
    file.close()
    with pytest.raises(PhotoError, match="cannot be read"):
        open_photo(file)


def test_heic_without_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slvit.photo.FORMATS", ("JPEG", "PNG"))
    with pytest.raises(PhotoError, match="HEIC photo, which needs the package pillow-heif"):
        open_photo(b"\x00\x00\x00\x18ftypheic" + bytes(40))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(PhotoError, match="12000 × 9000 pixels: at most 64 megapixels"):
        open_photo(png_header(12_000, 9_000))  # decoding could only say that it is damaged
    with pytest.raises(PhotoError, match="at most 64 megapixels"):
        open_photo(png_header(60_000, 60_000))  # beyond what Pillow itself looks at


def test_the_limit_holds_for_images_too() -> None:
    with pytest.raises(PhotoError, match="at most 64 megapixels"):
        open_photo(Image.new("1", (MAX_PIXELS // 8000 + 1, 8000)))


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_too_small(size: tuple[int, int]) -> None:
    with pytest.raises(PhotoError, match=f"{size[0]} × {size[1]} pixels: at least 16 × 16"):
        open_photo(saved(Image.new("RGB", size), "PNG"))


def test_the_smallest_photo() -> None:
    assert open_photo(Image.new("L", (16, 16))).size == (16, 16)


def test_files_beyond_the_limit_are_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("slvit.photo.MAX_BYTES", 100)
    path = tmp_path / "long.bmp"
    path.write_bytes(saved(Image.new("RGB", (40, 40)), "BMP"))
    with pytest.raises(PhotoError, match="make it smaller"):
        open_photo(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own, of metadata that the test has damaged
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_mutated_files_give_a_photo_or_a_sentence(format: str, photo: Image.Image) -> None:
    chance = random.Random(format)
    whole = saved(photo, format)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 4, 40))):
            content[chance.randrange(len(content) if chance.random() < 0.5 else 64)] = chance.randrange(256)
        try:
            assert open_photo(bytes(content[: chance.choice((None, chance.randrange(1, len(content))))])).mode == "RGB"
        except PhotoError as error:
            assert str(error).endswith(".")
