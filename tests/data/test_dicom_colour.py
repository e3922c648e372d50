"""DICOM files in colour: palettes of any depth, and channels of more than 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ttl.data import open_image
from ttl.data.modality.rendering import Rendering

from .dicom_files import dicom, facts, refusal, shown

COLOURS = ("Red", "Green", "Blue")
EXPECTED = [[[0, 255, 9], [10, 200, 9]], [[200, 10, 9], [255, 0, 9]]]  # of the entries below, in their order
RED = np.array([0, 10, 200, 255])
TABLES = (RED, RED[::-1], np.full(4, 9))


def palette(
    stored: npt.NDArray[Any], tables: tuple[npt.NDArray[Any], ...], bits: int, dtype: str = "<u2", first: int = 0
) -> bytes:
    header: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, table in zip(COLOURS, tables, strict=True):
        header[f"{colour}PaletteColorLookupTableDescriptor"] = [len(table), first, bits]
        header[f"{colour}PaletteColorLookupTableData"] = table.astype(dtype).tobytes()
    return dicom(stored, **header)


INDICES = np.array([[0, 1], [2, 3]], np.uint8)


@pytest.mark.parametrize(("factor", "bits", "dtype"), [(1, 8, "u1"), (1, 8, "<u2"), (1, 16, "<u2"), (257, 16, "<u2")])
def test_a_palette_of_eight_bits_wherever_they_lie(factor: int, bits: int, dtype: str, tmp_path: Path) -> None:
    content = palette(INDICES, tuple(table * factor for table in TABLES), bits, dtype)
    assert shown(content, tmp_path).tolist() == EXPECTED
    assert facts(content, tmp_path).channels == 3
    assert not facts(content, tmp_path).deep


def test_a_palette_of_eight_bits_in_the_higher_byte(tmp_path: Path) -> None:
    content = palette(INDICES, tuple(table << 8 for table in TABLES), 16)
    assert shown(content, tmp_path).tolist() == EXPECTED


def test_a_palette_of_twelve_bits(tmp_path: Path) -> None:
    grey = np.array([0, 819, 1638, 4095])
    assert shown(palette(INDICES, (grey, grey, grey), 16), tmp_path)[..., 0].tolist() == [[0, 51], [102, 255]]


def test_a_palette_may_have_more_entries_than_its_values_have_bits(tmp_path: Path) -> None:
    ramp = np.arange(400) % 256
    stored = np.array([[0, 255], [256, 399]], np.uint16)
    assert shown(palette(stored, (ramp,) * 3, 8, "u1"), tmp_path)[..., 1].tolist() == [[0, 255], [0, 143]]


def test_a_palette_may_begin_anywhere(tmp_path: Path) -> None:
    stored = np.array([[-2, -1], [0, 1], [-9, 9]], np.int16)
    pixels = shown(palette(stored, TABLES, 16, first=-2), tmp_path)
    assert pixels.tolist() == [*EXPECTED, [[0, 255, 9], [255, 0, 9]]]


def test_a_palette_in_segments(tmp_path: Path) -> None:
    # A discrete segment of 0, then a linear one over 4 more entries up to 252: steps of 63.
    segments = np.array([0, 1, 0, 1, 4, 252], np.uint8).tobytes()
    header: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in COLOURS:
        header[f"{colour}PaletteColorLookupTableDescriptor"] = [5, 0, 8]
        header[f"Segmented{colour}PaletteColorLookupTableData"] = segments
    content = dicom(np.array([[0, 1], [2, 4]], np.uint8), **header)
    assert shown(content, tmp_path)[..., 2].tolist() == [[0, 63], [126, 252]]


def test_without_a_palette_its_indices_say_nothing(tmp_path: Path) -> None:
    reason = refusal(dicom(INDICES, PhotometricInterpretation="PALETTE COLOR"), tmp_path)
    assert reason == "it has no palette (RedPaletteColorLookupTableDescriptor)"


def test_deep_colour_has_one_scale_over_its_channels(tmp_path: Path) -> None:
    stored = np.array([[[0, 1000, 2000], [4000, 500, 0]]], np.uint16)  # of 12 bits, whatever the header says
    content = dicom(stored)
    assert shown(content, tmp_path).tolist() == [[[0, 64, 128], [255, 32, 0]]]
    assert facts(content, tmp_path).deep
    assert shown(content, tmp_path, value_range=(0, 2000)).tolist() == [[[0, 128, 255], [255, 64, 0]]]
    of_old = open_image(tmp_path / "image.dcm", Rendering(stretch="minmax"))  # as a model of version 0.1 saw it
    assert np.asarray(of_old).tolist() == [[[0, 3, 7], [15, 1, 0]]]


def test_colour_of_eight_bits_in_words_of_sixteen_is_as_it_is(tmp_path: Path) -> None:
    stored = np.array([[[0, 100, 255], [40, 5, 0]]], np.uint16)
    assert shown(dicom(stored, BitsStored=8, HighBit=7), tmp_path).tolist() == stored.tolist()


def test_channels_may_lie_one_behind_another(tmp_path: Path) -> None:
    stored = np.arange(18, dtype=np.uint8).reshape(3, 2, 3)
    content = dicom(stored, PlanarConfiguration=1, PixelData=stored.transpose(2, 0, 1).tobytes())
    assert shown(content, tmp_path).tolist() == stored.tolist()


def test_luminance_and_chrominance_become_colours(tmp_path: Path) -> None:
    stored = np.array([[[76, 85, 255], [255, 128, 128]]], np.uint8)  # red and white, by PS3.3 C.7.6.3.1.2
    pixels = shown(dicom(stored, PhotometricInterpretation="YBR_FULL"), tmp_path)
    np.testing.assert_allclose(pixels, [[[254, 0, 0], [255, 255, 255]]], atol=1)


@pytest.mark.parametrize("colours", ["YBR_PARTIAL_420", "HSV", "YBR_FULL"])
def test_colours_that_would_come_out_wrong_are_refused(colours: str, tmp_path: Path) -> None:
    deep = colours == "YBR_FULL"
    stored = np.zeros((2, 2, 3), np.uint16 if deep else np.uint8)
    bits = " of 16 bits" if deep else ""
    reason = refusal(dicom(stored, PhotometricInterpretation=colours), tmp_path)
    assert reason == f"its colours are {colours}{bits}, which can't be read: save them as RGB"
