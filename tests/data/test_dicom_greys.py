"""Grey DICOM files whose headers are unusual, absurd, or say it in another place."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from ttl.data import open_image
from ttl.data.modality.dicom_header import patient_in
from ttl.data.modality.rendering import Rendering
from ttl.data.readers.class_folders import read_folder
from ttl.data.readers.readable import Reading

from .dicom_files import HOUNSFIELD, ct, dicom, facts, item, refusal, shown, table
from .test_dicom import SOFT_TISSUE

CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}


def test_a_range_is_of_rescaled_values(tmp_path: Path) -> None:
    # (x + 1000) / 2000 * 255
    assert shown(ct(), tmp_path, value_range=(-1000, 1000)).tolist() == [[0, 107], [133, 158], [255, 255]]
    own = ct(WindowCenter=40, WindowWidth=400)
    assert shown(own, tmp_path, value_range=(-1000, 1000)).tolist() == [[0, 107], [133, 158], [255, 255]]
    inverted = ct(PhotometricInterpretation="MONOCHROME1")
    assert shown(inverted, tmp_path, value_range=(-1000, 1000)).tolist() == [[255, 148], [122, 97], [0, 0]]
    assert facts(own, tmp_path, value_range=(-1000, 1000)).deep
    digests = {facts(own, tmp_path, value_range=limits).digest for limits in (None, (0, 1), (0, 2))}
    assert len(digests) == 3


def test_an_image_of_eight_bits_needs_no_range(tmp_path: Path) -> None:
    values = np.array([[10, 20], [30, 200]], np.uint8)
    assert shown(dicom(values), tmp_path, value_range=(0, 4000)).tolist() == values.tolist()


def test_eight_bits_in_words_of_sixteen_are_as_they_are(tmp_path: Path) -> None:
    values = np.array([[10, 20], [30, 200]], np.uint16)
    assert shown(dicom(values, BitsStored=8, HighBit=7), tmp_path).tolist() == values.tolist()
    assert not facts(dicom(values, BitsStored=8, HighBit=7), tmp_path).deep


def test_an_intercept_without_a_slope_counts(tmp_path: Path) -> None:
    assert shown(ct(RescaleSlope=None), tmp_path, (40, 400)).tolist() == SOFT_TISSUE


@pytest.mark.parametrize("rendering", [Rendering(), Rendering((40, 400)), Rendering(None, (0, 1))])
def test_a_slope_of_0_is_refused(rendering: Rendering, tmp_path: Path) -> None:
    reason = refusal(ct(RescaleSlope=0), tmp_path, rendering)
    assert reason == "its RescaleSlope is 0, which makes all pixels equal: repair the header"


@pytest.mark.parametrize("width", [0, -400])
def test_a_window_without_a_width_is_refused_unless_another_is_given(width: int, tmp_path: Path) -> None:
    content = ct(WindowCenter=40, WindowWidth=width)
    assert refusal(content, tmp_path) == (
        f"its header's window has the width {width}, which shows nothing: "
        "give --window CENTER WIDTH or --range LOW HIGH"
    )
    assert shown(content, tmp_path, (40, 400)).tolist() == SOFT_TISSUE
    assert shown(content, tmp_path, value_range=(-1000, 1000))[2].tolist() == [255, 255]


@pytest.mark.parametrize("center", [30000, -30000])
def test_a_window_beside_all_values_is_refused_unless_another_is_given(center: int, tmp_path: Path) -> None:
    content = ct(WindowCenter=center, WindowWidth=400)
    assert refusal(content, tmp_path) == (
        f"its header's window (center {center}, width 400) makes all its values, -1000 to 2000, one grey: "
        "give --window CENTER WIDTH or --range LOW HIGH"
    )
    assert shown(content, tmp_path, (40, 400)).tolist() == SOFT_TISSUE


def test_a_window_that_makes_one_grey_of_nearly_equal_values_is_refused(tmp_path: Path) -> None:
    assert "(center 0, width 1e+07) makes all its values" in refusal(ct(WindowCenter=0, WindowWidth=1e7), tmp_path)


def test_a_blank_image_is_no_fault_of_its_window(tmp_path: Path) -> None:
    assert shown(dicom(np.full((2, 2), 7, np.uint16), WindowCenter=40, WindowWidth=400), tmp_path).max() == 107


def test_a_narrow_window_of_fractions_is_no_step(tmp_path: Path) -> None:
    stored = np.array([[0, 250], [500, 1000]], np.uint16)  # 0, 0.25, 0.5 and 1, as uptakes in PET may be
    content = dicom(stored, RescaleSlope=0.001, RescaleIntercept=0, WindowCenter=0.5, WindowWidth=0.8)
    assert shown(content, tmp_path).tolist() == [[0, 48], [128, 255]]  # ((x - 0.5) / 0.8 + 0.5) * 255


def test_what_lies_beyond_the_stored_bits_is_no_value(tmp_path: Path) -> None:
    stored = (HOUNSFIELD + 1024).astype(np.uint16)
    garbage = np.array([[0x1000, 0], [0xF000, 0x8000], [0x2000, 0]], np.uint16)
    assert shown(dicom(stored | garbage, **CT, BitsStored=12, HighBit=11), tmp_path, (40, 400)).tolist() == SOFT_TISSUE
    assert shown(dicom(stored << 4, **CT, BitsStored=12, HighBit=15), tmp_path, (40, 400)).tolist() == SOFT_TISSUE


def test_the_highest_stored_bit_is_the_sign(tmp_path: Path) -> None:
    twelve = HOUNSFIELD.astype(np.int16) & 0x0FFF  # -1000 is 0xC18, without its sign in the four bits above
    content = dicom(twelve, BitsStored=12, HighBit=11)
    assert shown(content, tmp_path, (40, 400)).tolist() == SOFT_TISSUE


def test_padding_may_be_a_range_and_of_another_sign(tmp_path: Path) -> None:
    padded = np.array([[0, 5, 1024], [10, 2024, 3024]], np.uint16)
    content = dicom(padded, **CT, PixelPaddingValue=0, PixelPaddingRangeLimit=10)
    assert shown(content, tmp_path).tolist() == [[0, 0, 0], [0, 128, 255]]
    signed = dcmread(BytesIO(dicom(np.array([[-2000, 0], [1000, 2000]], np.int16))))
    signed.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    buffer = BytesIO()
    signed.save_as(buffer, enforce_file_format=True)
    assert shown(buffer.getvalue(), tmp_path).tolist() == [[0, 0], [128, 255]]


def test_padding_beyond_the_stored_bits_is_padding_still(tmp_path: Path) -> None:
    padded = np.array([[63536, 0], [1000, 2000]], np.uint16)
    content = dicom(padded, BitsStored=12, HighBit=11, PixelPaddingValue=63536)
    assert shown(content, tmp_path)[:, 1].tolist() == [0, 255]
    assert shown(content, tmp_path)[1].tolist() == [128, 255]


def test_an_empty_lookup_table_is_none(tmp_path: Path) -> None:
    content = ct(VOILUTSequence=[item(LUTExplanation="gone")], WindowCenter=40, WindowWidth=400)
    assert shown(content, tmp_path).tolist() == SOFT_TISSUE


def test_a_lookup_table_may_begin_below_0(tmp_path: Path) -> None:
    stored = np.array([[-2, -1], [0, 1], [-5, 7]], np.int16)
    for from_minus_2 in (table([4, -2, 8], [9, 90, 30, 200], "SS"), table([4, 2**16 - 2, 8], [9, 90, 30, 200])):
        content = dicom(stored, VOILUTSequence=[from_minus_2])
        assert shown(content, tmp_path).tolist() == [[9, 90], [30, 200], [9, 200]]


def test_the_white_of_a_lookup_table_is_that_of_its_entries(tmp_path: Path) -> None:
    words = item(LUTDescriptor=[4, 0, 16], LUTData=np.array([0, 819, 1638, 4095], np.uint16).tobytes())
    content = dicom(np.array([[0, 1], [2, 3]], np.uint16), VOILUTSequence=[words])
    assert shown(content, tmp_path).tolist() == [[0, 51], [102, 255]]


def test_a_lookup_table_cut_short_is_refused(tmp_path: Path) -> None:
    content = dicom(np.array([[0, 1]], np.uint16), VOILUTSequence=[table([400, 0, 16], [1, 2, 3])])
    reason = refusal(content, tmp_path)
    assert reason == "its lookup table has 3 entries of 400: it is damaged"


def test_a_table_in_place_of_slope_and_intercept(tmp_path: Path) -> None:
    stored = np.array([[0, 100], [200, 255]], np.uint8)  # of 8 bits, and the table has more entries
    content = dicom(stored, ModalityLUTSequence=[table([300, 0, 16], [*range(1000, 1300)])], RescaleSlope=0)
    assert shown(content, tmp_path, value_range=(1000, 1255)).tolist() == stored.tolist()


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    content = dcmread(BytesIO(dicom(np.zeros((1, 2), np.float32), PixelData=None, BitsStored=None, HighBit=None)))
    content.FloatPixelData = np.array([[1, np.nan]], np.float32).tobytes()
    del content.PixelRepresentation
    buffer = BytesIO()
    content.save_as(buffer, enforce_file_format=True)
    assert refusal(buffer.getvalue(), tmp_path) == "a pixel isn't a number"


def without_preamble(content: bytes) -> bytes:
    return content[132:]


def only_the_prefix(content: bytes) -> bytes:
    return content[128:]


def without_meta(content: bytes, *, implicit: bool, little: bool = True) -> bytes:
    header = Dataset()
    header.update(dcmread(BytesIO(content)))
    if not little:
        header.PixelData = np.frombuffer(header.PixelData, "<u2").astype(">u2").tobytes()
    buffer = BytesIO()
    header.save_as(buffer, implicit_vr=implicit, little_endian=little)
    return buffer.getvalue()


def test_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    content = ct(PatientID="P7", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    for stripped in (without_preamble(content), only_the_prefix(content)):
        assert shown(stripped, tmp_path, (40, 400)).tolist() == SOFT_TISSUE
        assert facts(stripped, tmp_path).patient == "P7"
    for form in ({"implicit": True}, {"implicit": False}, {"implicit": False, "little": False}):
        assert shown(without_meta(content, **form), tmp_path, (40, 400)).tolist() == SOFT_TISSUE


def test_compression_that_a_file_does_not_name_is_refused(tmp_path: Path) -> None:
    compressed = dcmread(BytesIO(ct()))
    compressed.compress(RLELossless)
    buffer = BytesIO()
    compressed.save_as(buffer, enforce_file_format=True)
    bare = buffer.getvalue()[132:]
    start = bare.index(b"\x08\x00\x16\x00")  # the data set, behind the group that names the compression
    assert "no Transfer Syntax UID" in refusal(bare[start:], tmp_path)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    content = dicom(np.zeros((2, 2), np.uint8), PixelData=None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
    assert refusal(content, tmp_path) == "it holds no image but another object (Basic Text SR Storage): take it away"


def test_the_decoder_that_lacks_is_named_in_the_same_words_for_every_file(tmp_path: Path) -> None:
    reasons = set()
    for level in (3, 7):
        compressed = dcmread(BytesIO(dicom(np.full((2, 2), level, np.uint8))))
        compressed.compress(RLELossless)
        compressed.file_meta.TransferSyntaxUID = JPEGLSLossless
        buffer = BytesIO()
        compressed.save_as(buffer, enforce_file_format=True)
        reasons.add(refusal(buffer.getvalue(), tmp_path))
        compressed.file_meta.TransferSyntaxUID = JPEG2000Lossless
        buffer = BytesIO()
        compressed.save_as(buffer, enforce_file_format=True)
        reasons.add(refusal(buffer.getvalue(), tmp_path))
    lossless = "JPEG 2000 Image Compression (Lossless Only)"
    assert reasons == {
        "JPEG-LS Lossless Image Compression needs a decoder that isn't installed: pip install python-gdcm",
        f"{lossless} that the decoders installed can't read: it is damaged, or needs pip install python-gdcm",
    }


def test_small_letters_say_the_same(tmp_path: Path) -> None:
    values = np.array([[10, 20], [30, 200]], np.uint8)
    content = dicom(values).replace(b"MONOCHROME2 ", b"monochrome1 ")
    assert shown(content, tmp_path).tolist() == (255 - values).tolist()


def test_a_header_without_pixels_and_a_segmentation_are_no_images(tmp_path: Path) -> None:
    values = np.zeros((2, 2), np.uint8)
    reason = "it has no pixels: it is cut off, or was saved without them"
    assert refusal(dicom(values, PixelData=None), tmp_path) == reason
    content = dicom(values, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    assert refusal(content, tmp_path) == "it is a segmentation of images, and no image itself: take it away"


def region(**attributes: Any) -> Dataset:
    centimetres = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
    return item(**{**centimetres, "PhysicalDeltaX": 0.02, "PhysicalDeltaY": 0.03, **attributes})


def test_the_spacing_of_a_scanned_film_and_of_ultrasound(tmp_path: Path) -> None:
    values = np.zeros((2, 2), np.uint8)

    def spacing(**header: Any) -> tuple[float, float] | None:
        return facts(dicom(values, **header), tmp_path).spacing_mm

    assert spacing(NominalScannedPixelSpacing=[0.1, 0.2]) == (0.1, 0.2)
    assert spacing(SequenceOfUltrasoundRegions=[region()]) == pytest.approx((0.3, 0.2))
    assert spacing(SequenceOfUltrasoundRegions=[region(), region()]) is None
    assert spacing(SequenceOfUltrasoundRegions=[region(PhysicalUnitsXDirection=4)]) is None  # seconds
    assert spacing(SequenceOfUltrasoundRegions=[region()], PixelSpacing=[3, 4]) == (3.0, 4.0)


def test_windows_that_differ_from_image_to_image_are_noted(tmp_path: Path) -> None:
    for n, center in enumerate((40, 40, 50, 60, 70, 80)):
        path = tmp_path / "ab"[n % 2] / f"{n}.dcm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(ct(WindowCenter=center, WindowWidth=400))
    note = (
        "The headers' windows differ (center/width 40/400, 50/400, 70/400 and 2 more): equal values are other greys "
        "from image to image; where values mean the same, as in CT, --window shows all alike."
    )
    assert note in read_folder(tmp_path).notes
    assert not [own for own in read_folder(tmp_path, Reading(Rendering((40, 400)))).notes if "differ" in own]


@pytest.mark.parametrize("implicit", [True, False])
def test_the_patient_of_a_file_without_a_preamble(implicit: bool, tmp_path: Path) -> None:
    content = ct(PatientID="J\u00f6ns", SpecificCharacterSet="ISO_IR 100")
    for bare in (
        without_meta(content, implicit=implicit),
        without_preamble(content),
        only_the_prefix(content),
        content,
    ):
        (tmp_path / "image").write_bytes(bare)
        assert patient_in(tmp_path / "image") == "J\u00f6ns"
        assert facts(bare, tmp_path).patient == "J\u00f6ns"


def test_numbers_that_are_none_are_named(tmp_path: Path) -> None:
    content = ct(NumberOfFrames="1")
    damaged = content.replace(b"\x28\x00\x08\x00IS\x02\x001 ", b"\x28\x00\x08\x00IS\x02\x001A")
    assert damaged != content
    assert refusal(damaged, tmp_path) == "its NumberOfFrames is 1A, which is no whole number: repair the header"


def test_outliers_do_not_set_the_scale(tmp_path: Path) -> None:
    values = np.tile(np.arange(1000, 1256, dtype=np.uint16), (8, 1))
    values[0, 0], values[7, 255] = 0, 60000  # a dead and a hot pixel among 2,048
    pixels = shown(dicom(values), tmp_path)
    assert pixels[1, [0, 1, 128, 255]].tolist() == [0, 1, 128, 255]  # 1000 to 1255, as if the two weren't there
    assert (pixels[0, 0], pixels[7, 255]) == (0, 255)
    assert facts(dicom(values), tmp_path).clipped
    of_old = Rendering(stretch="minmax")  # as a model of version 0.1 saw it
    assert np.asarray(open_image(tmp_path / "image.dcm", of_old))[1, 128] == 5  # 1128 / 60000 * 255


def test_a_file_that_lost_its_content_has_no_contrast(tmp_path: Path) -> None:
    assert facts(dicom(np.full((4, 4), 9, np.uint16)), tmp_path).contrast == 0
    assert facts(ct(), tmp_path).contrast == 255


@pytest.mark.parametrize("name", ["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("value", [b"nan ", b"inf "])
def test_a_number_of_the_header_that_is_none_is_refused(name: str, value: bytes, tmp_path: Path) -> None:
    numbers = {"RescaleSlope": "1001", "RescaleIntercept": "1002", "WindowCenter": "1003", "WindowWidth": "1004"}
    content = ct(**numbers)
    damaged = content.replace(numbers[name].encode(), value)
    assert (
        refusal(damaged, tmp_path) == f"its {name} is {value.decode().strip()}, which is no number: repair the header"
    )
