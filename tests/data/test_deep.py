"""Files of more than 8 bits a channel: the right pixels are written by hand."""

from __future__ import annotations

import itertools
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from ttl.data import load_task
from ttl.data.modality import eight_bits
from ttl.data.modality.deep_tiff import Samples
from ttl.data.modality.eight_bits import of_samples
from ttl.data.modality.facts import Facts
from ttl.data.modality.image import check_image, open_image, quiet_readers
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.errors import DataError

from .tiffs import DEFLATE, LZW, NONE, PACKBITS, tiff

FOUR = np.array([[1000, 2020], [3040, 4060]])
STRETCHED = [[0, 85], [170, 255]]  # (x - 1000) / 3060 * 255
UPSIDE_DOWN = [[255, 170], [85, 0]]
COLOUR = np.array([[[0, 1000, 2000], [500, 250, 4000]]])
ONE_SCALE = [[[0, 64, 128], [32, 16, 255]]]  # x / 4000 * 255: all channels by the same
V0_1 = Rendering(stretch="minmax")


def opened(content: bytes, folder: Path, name: str = "a.tif", rendering: Rendering = AS_FILED) -> list[Any]:
    """The pixels that training sees, once `check_image` has agreed about them."""
    path = folder / name
    path.write_bytes(content)
    facts = check_image(path, rendering)
    assert isinstance(facts, Facts), facts
    image = open_image(path, rendering)
    assert (facts.width, facts.height, facts.channels) == (*image.size, len(image.getbands()))
    return np.asarray(image).tolist()


def refused(content: bytes, folder: Path, name: str = "a.tif") -> str:
    """Why both checking and opening refuse it."""
    path = folder / name
    path.write_bytes(content)
    with quiet_readers():
        reason = check_image(path)
    assert isinstance(reason, str)
    with pytest.raises(DataError) as error:
        open_image(path)
    assert reason in str(error.value)
    return reason


def png(samples: npt.NDArray[Any], colour: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits: `(h, w, channels)`; Pillow writes none in colour."""
    head = struct.pack(">2L5B", samples.shape[1], samples.shape[0], 16, colour, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
def test_grey_of_any_type_is_stretched(kind: str, big_endian: bool, tmp_path: Path) -> None:
    for compression in (NONE, DEFLATE):
        content = tiff(FOUR.astype(kind), compression=compression, big_endian=big_endian)
        assert opened(content, tmp_path) == STRETCHED


def test_signed_values_are_below_zero_and_not_bright(tmp_path: Path) -> None:
    assert opened(tiff(np.array([[-100, -49], [2, 53]], np.int8)), tmp_path) == STRETCHED
    assert opened(tiff(np.array([[-1000, 20], [1040, 2060]], np.int16)), tmp_path) == STRETCHED


def test_unsigned_values_of_32_bits_are_bright_and_not_below_zero(tmp_path: Path) -> None:
    values = np.array([[0, 2**30], [2**31, 3 * 2**30]], np.uint32)
    assert opened(tiff(values, big_endian=True), tmp_path) == STRETCHED
    assert opened(tiff(values), tmp_path) == STRETCHED


@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "f4"])
def test_where_the_lowest_value_is_white_it_is_white(kind: str, tmp_path: Path) -> None:
    assert opened(tiff(FOUR.astype(kind), photometric=0), tmp_path) == UPSIDE_DOWN
    assert opened(tiff(FOUR.astype(kind), photometric=0, big_endian=True, compression=LZW), tmp_path) == UPSIDE_DOWN
    by_range = Rendering(value_range=(1000, 4060))
    assert opened(tiff(FOUR.astype(kind), photometric=0), tmp_path, rendering=by_range) == UPSIDE_DOWN


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "f4", "f8"])
def test_colour_is_stretched_by_one_scale(kind: str, planar: bool, tmp_path: Path) -> None:
    for compression, big_endian in itertools.product((NONE, LZW, PACKBITS), (False, True)):
        content = tiff(COLOUR.astype(kind), planar=planar, compression=compression, big_endian=big_endian)
        assert opened(content, tmp_path) == ONE_SCALE


@pytest.mark.parametrize(("tile", "rows"), [(0, 0), (0, 7), (16, 0)])
@pytest.mark.parametrize(("kind", "predictor"), [("u2", 1), ("u2", 2), ("i4", 2), ("f4", 3), ("f8", 3)])
def test_strips_tiles_and_predictors_are_undone(
    kind: str, predictor: int, tile: int, rows: int, tmp_path: Path
) -> None:
    ramp = np.arange(20 * 37 * 3).reshape(20, 37, 3) * 7
    ramp[-1, -1, -1] = 255 * 400
    values = (ramp // 2 if kind == "u2" else ramp).astype(kind)
    expected = np.rint(values.astype(np.float64) / 400).astype(int).tolist()
    by_range = Rendering(value_range=(0, 102000))
    for planar, big_endian in itertools.product((False, True), (False, True)):
        content = tiff(
            values, planar=planar, compression=DEFLATE, predictor=predictor, tile=tile, rows=rows, big_endian=big_endian
        )
        assert opened(content, tmp_path, rendering=by_range) == expected


def test_predictors_are_those_of_libtiff(tmp_path: Path) -> None:
    floats = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    for predictor in (1, 2, 3):
        for values in (floats, np.rint(floats * 51000).astype(np.uint16)):
            if predictor == 3 and values is not floats:
                continue
            buffer = BytesIO()
            Image.fromarray(values).save(buffer, "TIFF", compression="tiff_lzw", tiffinfo={317: predictor})
            assert opened(buffer.getvalue(), tmp_path) == np.arange(256).reshape(16, 16).tolist()


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_samples_are_unpacked(bits: int, tmp_path: Path) -> None:
    third = (2**bits - 1) // 3
    values = np.array([[0, third, 2 * third], [3 * third, third, 0]], np.uint16)
    for big_endian in (False, True):
        content = tiff(values, bits=bits, big_endian=big_endian)
        assert opened(content, tmp_path) == [[0, 85, 170], [255, 85, 0]]


def test_alpha_darkens_and_what_it_hides_sets_no_scale(tmp_path: Path) -> None:
    grey = np.array([[[0, 65535], [1000, 65535]], [[2000, 32768], [60000, 0]]], np.uint16)
    assert opened(tiff(grey, extra=(2,)), tmp_path) == [[0, 128], [128, 0]]
    assert opened(tiff(grey, extra=(1,)), tmp_path) == [[0, 128], [255, 0]]  # multiplied in already
    assert opened(png(grey, 4), tmp_path, "a.png") == [[0, 128], [128, 0]]
    colour = np.array([[[0, 1000, 2000, 65535], [9, 9, 60000, 0]]], np.uint16)
    for content, name in ((tiff(colour, extra=(2,)), "a.tif"), (tiff(colour), "a.tif"), (png(colour, 6), "a.png")):
        assert opened(content, tmp_path, name) == [[[0, 128, 255], [0, 0, 0]]]
        facts = check_image(tmp_path / name)
        assert isinstance(facts, Facts)
        assert facts.transparent
    padded = np.array([[[0, 1000, 2000, 7], [9, 9, 9, 9]]], np.uint16)  # the fourth means nothing
    assert opened(tiff(padded, extra=(0,)), tmp_path) == [[[0, 128, 255], [1, 1, 1]]]


def test_png_colour_keeps_its_lower_bytes(tmp_path: Path) -> None:
    assert opened(png(COLOUR.astype(np.uint16), 2), tmp_path, "a.png") == ONE_SCALE
    dark = np.array([[[0, 1, 2], [3, 4, 5]]])  # of 65535: all 0 by the upper bytes
    assert opened(png(dark, 2), tmp_path, "a.png") == [[[0, 51, 102], [153, 204, 255]]]


def test_png_of_16_bits_has_a_colour_that_stands_for_transparent(tmp_path: Path) -> None:
    key = struct.pack(">3H", 500, 250, 4000)
    assert opened(png(COLOUR, 2, (b"tRNS", key)), tmp_path, "a.png") == [[[0, 128, 255], [0, 0, 0]]]
    grey = FOUR[..., None]
    assert opened(png(grey, 0, (b"tRNS", struct.pack(">H", 4060))), tmp_path, "a.png") == [[0, 128], [255, 0]]


@pytest.mark.parametrize("kind", ["P5", "P2"])
def test_portable_maps_keep_their_own_values(kind: str, tmp_path: Path) -> None:
    body = FOUR.astype(">u2").tobytes() if kind == "P5" else b"1000 2020 # dark\n3040 4060\n"
    content = f"{kind}\n# by hand\n2 2\n4095\n".encode() + body
    assert opened(content, tmp_path, "a.pgm") == STRETCHED
    assert opened(content, tmp_path, "a.pgm", Rendering(value_range=(1000, 2020))) == [[0, 255], [255, 255]]


@pytest.mark.parametrize("kind", ["P6", "P3"])
def test_portable_maps_in_colour(kind: str, tmp_path: Path) -> None:
    words = " ".join(map(str, COLOUR.ravel().tolist())).encode()
    content = f"{kind} 2 1 65535\n".encode() + (COLOUR.astype(">u2").tobytes() if kind == "P6" else words)
    assert opened(content, tmp_path, "a.ppm") == ONE_SCALE
    assert refused(content[:-4], tmp_path, "a.ppm") == "cut off before its end"


def test_jpeg_2000_of_16_bits_is_grey_or_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    values = np.repeat(np.repeat(FOUR, 8, 0), 8, 1).astype(np.uint16)
    Image.fromarray(values).save(buffer, "JPEG2000", irreversible=False)
    assert opened(buffer.getvalue(), tmp_path, "a.jp2")[::8] == np.repeat(STRETCHED, 8, 1).tolist()
    colour = BytesIO()
    Image.new("RGB", (16, 16)).save(colour, "JPEG2000")
    twelve = bytearray(colour.getvalue())
    place = twelve.find(b"\xff\x4f\xff\x51")
    twelve[place + 42 : place + 51 : 3] = b"\x0b" * 3
    assert (
        refused(bytes(twelve), tmp_path, "a.jp2")
        == "a JPEG 2000 of 12 bits a channel in RGB, which can't be read: save it as PNG"
    )


def test_cmyk_becomes_colour(tmp_path: Path) -> None:
    ink = np.array([[[0, 65535, 65535, 0], [0, 0, 0, 65535], [0, 0, 0, 0]]], np.uint16)
    assert opened(tiff(ink, photometric=5), tmp_path) == [[[255, 0, 0], [0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff(np.zeros((4, 4, 2), np.uint16)), "2 channels a pixel, which is neither grey nor colour"),
        (tiff(np.zeros((4, 4, 2), np.uint8), extra=(0,)), "2 channels a pixel, which is neither grey nor colour"),
        (tiff(np.zeros((4, 4, 5), np.uint16), extra=(0, 0)), "5 channels a pixel, which is neither grey nor colour"),
        (tiff(np.zeros((4, 4, 3), np.uint8), photometric=1), "3 channels a pixel, which is neither grey nor colour"),
        (tiff(np.zeros((4, 4), np.uint16), photometric=3), "photometric interpretation 3 and compression 1"),
        (tiff(np.array([[np.nan, 0]], np.float64)), "a pixel isn't a number"),
        (tiff(np.array([[[0, np.nan, 0]]], np.float32)), "a pixel isn't a number"),
        (tiff(np.array([[-np.inf, 0]], np.float32)), "a pixel is infinite"),
        (
            tiff(np.zeros((4, 4), np.uint16)).replace(b"\x11\x01\x04", b"\x11\x7f\x04"),
            "damaged: the tags that say where",
        ),
        (tiff(np.zeros((40, 40), np.uint16))[:2000], "not an image, or damaged at its beginning"),
    ],
)
def test_what_cannot_be_read_in_full_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    assert reason in refused(content, tmp_path)


def test_a_tiff_of_8_bits_that_pillow_does_not_know_is_not_stretched(tmp_path: Path) -> None:
    values = np.array([[[10, 255], [200, 255]]], np.uint8)
    assert opened(tiff(values, photometric=0, extra=(2,)), tmp_path) == [[245, 55]]


def test_grey_of_8_bits_with_its_alpha_multiplied_in(tmp_path: Path) -> None:
    values = np.array([[[100, 255], [50, 128], [0, 0]]], np.uint8)
    assert opened(tiff(values, extra=(1,)), tmp_path) == [[100, 50, 0]]


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_deep_images_are_turned_upright(suffix: str, tmp_path: Path) -> None:
    if suffix == "tif":
        content = tiff(FOUR.astype(np.uint16), orientation=6)
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        buffer = BytesIO()
        Image.fromarray(FOUR.astype(np.uint16)).save(buffer, "PNG", exif=exif)
        content = buffer.getvalue()
    assert opened(content, tmp_path, f"a.{suffix}") == [[170, 0], [255, 85]]  # turned by a quarter, clockwise


def ramp(*outliers: int) -> npt.NDArray[np.uint16]:
    """20 x 20 pixels of 1000..4990, the first of which are others."""
    values = (1000 + 10 * np.arange(400)).astype(np.uint16)
    values[: len(outliers)] = outliers
    return values.reshape(20, 20)


def test_one_hot_and_one_dead_pixel_leave_the_others_their_greys(tmp_path: Path) -> None:
    plain = np.array(opened(tiff(ramp()), tmp_path)).ravel()
    assert (plain[0], plain[200], plain[-1]) == (0, 128, 255)  # (x - 1000) / 3990 * 255
    hot = np.array(opened(tiff(ramp(65535)), tmp_path)).ravel()
    # The others are 1010..4990, of which one at each end is left out: white is 4980, black stays 1010.
    assert (hot[0], hot[1], hot[200], hot[398], hot[399]) == (255, 0, 128, 255, 255)
    brighter = ramp() + np.uint16(30000)
    brighter[0, 0] = 0
    dead = np.array(opened(tiff(brighter), tmp_path)).ravel()
    # 0, then 31010..34990: black is 31020, white stays 34990.
    assert (dead[0], dead[1], dead[2], dead[200], dead[399]) == (0, 0, 0, 127, 255)
    facts = check_image(tmp_path / "a.tif")
    assert isinstance(facts, Facts)
    assert facts.clipped


def test_a_burnt_in_marker_sets_no_scale(tmp_path: Path) -> None:
    marked = np.array(opened(tiff(ramp(*[65535] * 40)), tmp_path)).ravel()
    assert set(marked[:40].tolist()) == {255}
    assert (marked[40], marked[398]) == (0, 255)  # 1400 and 4980


def test_values_that_stand_for_missing_data_set_no_scale(tmp_path: Path) -> None:
    values = ramp().astype(np.float32)
    values[:4] = -3.4e38
    shown = np.array(opened(tiff(values), tmp_path))
    assert not shown[:4].any()
    assert (shown[4, 1], shown[19, 19]) == (0, 255)  # 1810, the least but one of the others, and 4990


def test_few_levels_and_few_pixels_are_kept_as_they_are(tmp_path: Path) -> None:
    levels = np.repeat([0, 1, 2, 3], 100).reshape(20, 20).astype(np.uint16)
    assert sorted({*np.array(opened(tiff(levels), tmp_path)).ravel().tolist()}) == [0, 85, 170, 255]
    two = np.zeros((20, 20), np.uint16)
    two[3, 3] = 9
    assert np.array(opened(tiff(two), tmp_path)).sum() == 255
    assert opened(tiff(np.array([[0, 1, 1000]], np.uint16)), tmp_path) == [[0, 0, 255]]


def test_a_range_stands_in_place_of_the_images_own(tmp_path: Path) -> None:
    by_range = Rendering(value_range=(0, 5100))
    assert opened(tiff(FOUR.astype(np.uint16)), tmp_path, rendering=by_range) == [[50, 101], [152, 203]]
    assert opened(tiff(COLOUR.astype(np.uint16)), tmp_path, rendering=by_range) == [[[0, 50, 100], [25, 12, 200]]]
    assert opened(tiff(ramp(65535)), tmp_path, rendering=by_range)[0][:2] == [255, 50]  # 1010 / 20 = 50.5, to even
    eight = np.array([[10, 20]], np.uint8)
    assert opened(tiff(eight), tmp_path, rendering=by_range) == eight.tolist()  # which have their range


def test_another_range_and_another_rule_make_another_image(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(FOUR.astype(np.uint16)))
    ways = (AS_FILED, V0_1, Rendering(value_range=(0, 1)), Rendering(value_range=(0, 2)))
    digests = {facts.digest for way in ways if isinstance(facts := check_image(path, way), Facts)}
    assert len(digests) == 4
    path.write_bytes(tiff(np.array([[10, 20]], np.uint8)))
    same = {facts.digest for way in ways if isinstance(facts := check_image(path, way), Facts)}
    assert len(same) == 1


def test_a_model_of_version_0_1_sees_what_it_was_trained_on(tmp_path: Path) -> None:
    assert opened(tiff(ramp(65535)), tmp_path, rendering=V0_1)[19][19] == 16  # (4990 - 1010) / 64525 * 255
    assert opened(tiff(COLOUR.astype(np.uint16)), tmp_path, rendering=V0_1) == [[[0, 3, 7], [1, 0, 15]]]  # x / 256
    assert opened(tiff(FOUR.astype(np.uint16), photometric=0), tmp_path, rendering=V0_1) == STRETCHED


def test_dark_deep_pictures_are_no_masks(tmp_path: Path) -> None:
    """Of which the upper bytes alone have a few values; the files of both classes have the same names."""
    rng = np.random.default_rng(0)
    for label, brightest in (("a", 1800), ("b", 2700)):
        (tmp_path / label).mkdir()
        for i in range(6):
            values = np.repeat(rng.integers(0, brightest, (16, 16, 1), dtype=np.uint16), 3, axis=2)
            (tmp_path / label / f"{i}.tif").write_bytes(tiff(values))
    assert load_task(tmp_path).class_names == ("a", "b")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_image_is_made_8_bits_in_parts_that_are_as_the_whole(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**16, (11, 7, channels), np.uint16)
    samples = Samples(values, alpha=rng.random((11, 7)), inverted=True)
    whole = of_samples(samples, AS_FILED)
    for most in (1, 50, 100):  # of 7 or 21 values in a row
        monkeypatch.setattr(eight_bits, "VALUES_AT_ONCE", most)
        parts = of_samples(samples, AS_FILED)
        assert np.array_equal(np.asarray(parts.image), np.asarray(whole.image))
        assert len(np.unique(np.asarray(parts.image))) > 10
