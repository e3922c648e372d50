"""Files with several frames: which one is read, what each says of itself, and all of them as images."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ttl.data import open_image
from ttl.data.modality.frames import frame_number
from ttl.data.modality.image import check_image
from ttl.data.modality.rendering import Frame, Rendering
from ttl.errors import DataError

from .dicom_files import HOUNSFIELD, dicom, facts, item, refusal, shown
from .test_dicom import SOFT_TISSUE
from .tiffs import tiff

LEVELS = (7, 99, 200, 31)


def levels(count: int = 4) -> npt.NDArray[np.uint8]:
    return np.stack([np.full((2, 5), level, np.uint8) for level in LEVELS[:count]])


@pytest.mark.parametrize(
    ("asked", "count", "number"),
    [("first", 9, 1), ("middle", 1, 1), ("middle", 2, 2), ("middle", 3, 2), ("middle", 4, 3), (4, 4, 4), ("all", 1, 1)],
)
def test_which_frame_is_asked_for(asked: Frame, count: int, number: int) -> None:
    assert frame_number(asked, count) == number


@pytest.mark.parametrize(("asked", "number"), [("first", 1), ("middle", 3), (2, 2), (4, 4)])
def test_one_frame_of_a_dicom_file(asked: Frame, number: int, tmp_path: Path) -> None:
    content = dicom(levels(), NumberOfFrames=4)
    assert shown(content, tmp_path, frame=asked).tolist() == [[LEVELS[number - 1]] * 5] * 2
    assert facts(content, tmp_path, frame=asked).frame == number


def test_a_frame_that_is_not_there_is_refused(tmp_path: Path) -> None:
    content = dicom(levels(), NumberOfFrames=4)
    assert refusal(content, tmp_path, Rendering(frame=5)) == "it has 4 frames and no frame 5: give a smaller --frame"
    one = refusal(dicom(levels(1)[0]), tmp_path, Rendering(frame=2))
    assert one == "it has 1 frame and no frame 2: give a smaller --frame"
    reason = "it has 4 frames, and one is needed here: give --frame first, middle or a number"
    assert refusal(content, tmp_path, Rendering(frame="all")) == reason


def test_frames_of_one_file_are_different_images(tmp_path: Path) -> None:
    content = dicom(np.stack([levels(1)[0]] * 2), NumberOfFrames=2)
    assert facts(content, tmp_path, frame=1).digest != facts(content, tmp_path, frame=2).digest
    assert facts(content, tmp_path, frame=1).digest == facts(content, tmp_path, frame="first").digest


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"several{suffix}"
    first, *others = (Image.fromarray(frame) for frame in levels())
    extra: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=others, **extra)
    return path


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".png"])
@pytest.mark.parametrize(("asked", "number"), [("first", 1), ("middle", 3), (4, 4)])
def test_one_frame_of_other_files(suffix: str, asked: Frame, number: int, tmp_path: Path) -> None:
    path = write(tmp_path, suffix)
    pixels = np.asarray(open_image(path, Rendering(frame=asked)).convert("L"))
    np.testing.assert_allclose(pixels, LEVELS[number - 1], atol=1)
    found = check_image(path, Rendering(frame=asked))
    assert not isinstance(found, str)
    assert (found.frame, found.width, found.height) == (number, 5, 2)


def test_a_frame_that_other_files_lack_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, ".tif")
    with pytest.raises(DataError, match=r"several\.tif can't be read \(it has 4 frames and no frame 7"):
        open_image(path, Rendering(frame=7))
    assert check_image(path, Rendering(frame=7)) == "it has 4 frames and no frame 7: give a smaller --frame"


def test_smaller_copies_of_a_page_are_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    pages = [Image.fromarray(np.full((side, side), level, np.uint8)) for side, level in ((8, 7), (4, 8), (8, 99))]
    pages[1].encoderinfo = {"tiffinfo": {254: 1}}
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert np.asarray(open_image(path, Rendering(frame=2))).tolist() == [[99] * 8] * 8
    assert check_image(path, Rendering(frame=3)) == "it has 2 frames and no frame 3: give a smaller --frame"


def test_the_second_picture_of_a_jpeg_is_no_frame(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (50, 200))
    first.save(tmp_path / "two.jpg", "MPO", save_all=True, append_images=[second])
    found = check_image(tmp_path / "two.jpg", Rendering(frame="all"))
    assert not isinstance(found, str)
    assert found.frame == 0


# Two frames of the same Hounsfield units, the second one stored as half of what lies above -1000.
ENHANCED = np.stack([HOUNSFIELD + 1024, (HOUNSFIELD + 1000) // 2]).astype(np.uint16)
RESCALED = [{"RescaleSlope": 1, "RescaleIntercept": -1024}, {"RescaleSlope": 2, "RescaleIntercept": -1000}]


def transformed(**attributes: Any) -> Any:
    return item(PixelValueTransformationSequence=[item(**attributes)])


def test_each_frame_is_rescaled_as_it_says(tmp_path: Path) -> None:
    content = dicom(
        ENHANCED,
        NumberOfFrames=2,
        RescaleSlope=1,
        RescaleIntercept=0,  # of no frame: their own groups say it
        PerFrameFunctionalGroupsSequence=[transformed(**attributes) for attributes in RESCALED],
        SharedFunctionalGroupsSequence=[item(FrameVOILUTSequence=[item(WindowCenter=40, WindowWidth=400)])],
    )
    assert shown(content, tmp_path, frame=1).tolist() == SOFT_TISSUE
    assert shown(content, tmp_path, frame=2).tolist() == SOFT_TISSUE
    assert facts(content, tmp_path).windowed


def test_what_all_frames_share_is_of_each(tmp_path: Path) -> None:
    shared = transformed(**RESCALED[0])
    shared.PixelMeasuresSequence = [item(PixelSpacing=[0.5, 0.25])]
    content = dicom(
        np.stack([ENHANCED[0]] * 2),
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[
            item(FrameVOILUTSequence=[item(WindowCenter=[40, 1], WindowWidth=[400, 2])]),
            item(FrameVOILUTSequence=[item(WindowCenter=1000, WindowWidth=2001)]),
        ],
    )
    assert shown(content, tmp_path, frame=1).tolist() == SOFT_TISSUE
    assert shown(content, tmp_path, frame=2).tolist() == [[0, 0], [5, 31], [128, 255]]
    assert shown(content, tmp_path, (40, 400), frame=2).tolist() == SOFT_TISSUE
    assert facts(content, tmp_path, frame=2).spacing_mm == (0.5, 0.25)


def test_what_only_the_file_says_is_of_each_frame(tmp_path: Path) -> None:
    content = dicom(
        np.stack([ENHANCED[0]] * 2),
        NumberOfFrames=2,
        **RESCALED[0],
        PixelSpacing=[3, 4],
        WindowCenter=40,
        WindowWidth=400,
        PerFrameFunctionalGroupsSequence=[item(), item(FrameVOILUTSequence=[])],
    )
    assert shown(content, tmp_path, frame=2).tolist() == SOFT_TISSUE
    assert facts(content, tmp_path, frame=2).spacing_mm == (3.0, 4.0)


def test_the_spacing_of_a_frame_at_the_detector(tmp_path: Path) -> None:
    groups = [item(FramePixelDataPropertiesSequence=[item(ImagerPixelSpacing=[0.2, 0.3])])]
    content = dicom(levels(1), NumberOfFrames=1, PerFrameFunctionalGroupsSequence=groups)
    assert facts(content, tmp_path).spacing_mm == (0.2, 0.3)


def test_a_slope_of_0_of_one_frame_is_refused_there(tmp_path: Path) -> None:
    groups = [transformed(**RESCALED[0]), transformed(RescaleSlope=0, RescaleIntercept=0)]
    content = dicom(ENHANCED, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)
    assert shown(content, tmp_path, (40, 400)).tolist() == SOFT_TISSUE
    assert "RescaleSlope is 0" in refusal(content, tmp_path, Rendering(frame=2))


def test_a_deep_page_of_a_tiff(tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.array([[0, top // 2], [top, 0]], np.uint16)) for top in (4000, 60000))
    path = tmp_path / "deep.tif"
    first.save(path, save_all=True, append_images=[second])
    for number in (1, 2):
        assert np.asarray(open_image(path, Rendering(frame=number))).tolist() == [[0, 128], [255, 0]]
    found = check_image(path, Rendering(frame=2))
    assert not isinstance(found, str)
    assert (found.deep, found.frame) == (True, 2)


def in_one_file(first: bytes, second: bytes) -> bytes:
    """Two TIFFs of one strip each as the pages of one: the places that the second names lie behind the first."""
    moved, base = bytearray(second), len(first)
    (directory,) = struct.unpack_from("<L", second, 4)
    for place in range(directory + 2, directory + 2 + 12 * struct.unpack_from("<H", second, directory)[0], 12):
        tag, kind, count, value = struct.unpack_from("<HHLL", second, place)
        if tag == 273 or count * {3: 2, 4: 4}[kind] > 4:
            struct.pack_into("<L", moved, place + 8, value + base)
    joined = bytearray(first + moved)
    (own,) = struct.unpack_from("<L", first, 4)
    struct.pack_into("<L", joined, own + 2 + 12 * struct.unpack_from("<H", first, own)[0], base + directory)
    return bytes(joined)


@pytest.mark.parametrize("number", [1, 2])
def test_a_deep_page_of_a_tiff_in_colour(number: int, tmp_path: Path) -> None:
    values = np.array([[[0, 1000, 2000], [4000, 500, 0]]], np.uint16)
    (tmp_path / "deep.tif").write_bytes(in_one_file(tiff(values), tiff(values[:, ::-1])))
    pixels = np.asarray(open_image(tmp_path / "deep.tif", Rendering(frame=number)))
    expected = [[0, 64, 128], [255, 32, 0]]
    assert pixels.tolist() == [expected if number == 1 else expected[::-1]]
