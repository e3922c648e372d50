from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLSLossless, RLELossless

from ttl.data import Columns, load_task, open_image
from ttl.data.modality.image import check_image
from ttl.data.modality.rendering import Rendering
from ttl.data.read_task import read_records
from ttl.data.readers.class_folders import read_folder
from ttl.data.readers.readable import Reading
from ttl.data.sources import ArraySource
from ttl.errors import DataError, UsageError

from .dicom_files import HOUNSFIELD, ct, dicom, facts, item, shown
from .toys import save

# A window of centre 40 and width 400 shows -160..240: by PS3.3 C.11.2.1.2 a value x at ((x - 39.5) / 399 + 0.5) * 255.
SOFT_TISSUE = [[0, 0], [128, 255], [255, 255]]


def test_a_window_given_shows_its_values(tmp_path: Path) -> None:
    assert shown(ct(), tmp_path, (40, 400)).tolist() == SOFT_TISSUE
    assert facts(ct(), tmp_path, (40, 400)).windowed


def test_the_headers_window_is_taken_and_the_one_given_wins(tmp_path: Path) -> None:
    own = ct(WindowCenter=40, WindowWidth=400)
    assert shown(own, tmp_path).tolist() == SOFT_TISSUE
    assert shown(own, tmp_path, (1000, 2001)).tolist() == [[0, 0], [5, 31], [128, 255]]


def spacing(content: bytes, folder: Path) -> tuple[float, float] | None:
    return facts(content, folder).spacing_mm


def test_the_spacing_of_the_patient_wins_over_that_of_the_detector(tmp_path: Path) -> None:
    assert spacing(ct(PixelSpacing=[0.5, 0.25], ImagerPixelSpacing=[1, 2]), tmp_path) == (0.5, 0.25)
    assert spacing(ct(ImagerPixelSpacing=[1, 2]), tmp_path) == (1.0, 2.0)
    assert spacing(ct(), tmp_path) is None
    assert spacing(ct(PixelSpacing=[0, 0.25]), tmp_path) is None
    assert spacing(ct(PixelSpacing=0.5, ImagerPixelSpacing=[1, 2]), tmp_path) == (1.0, 2.0)
    assert spacing(dicom(np.zeros((2, 2, 3), np.uint8), PixelSpacing=[3, 4]), tmp_path) == (3.0, 4.0)


def test_the_spacing_of_a_source_is_by_rows_and_columns_and_nan_where_unknown(tmp_path: Path) -> None:
    for name in "ab":
        for i, header in enumerate([{"PixelSpacing": [0.5, 0.25]}, {}, {"PixelSpacing": [3, 4]}]):
            path = tmp_path / name / f"{i}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(ct(**header))
    records = read_folder(tmp_path)
    expected = [[0.5, 0.25], [np.nan, np.nan], [3, 4]]
    np.testing.assert_array_equal(records.source.spacing_mm, expected * 2)
    np.testing.assert_array_equal(records.pick([2, 1]).source.spacing_mm, [[3, 4], [np.nan, np.nan]])
    unknown = ArraySource.of(np.zeros((2, 4, 4), np.uint8)).spacing_mm
    assert unknown.shape == (2, 2)
    assert np.isnan(unknown).all()


def test_of_several_windows_in_a_header_the_first_is_taken(tmp_path: Path) -> None:
    assert shown(ct(WindowCenter=[40, -600], WindowWidth=[400, 1500]), tmp_path).tolist() == SOFT_TISSUE


def test_the_functions_of_a_window(tmp_path: Path) -> None:
    exact = shown(ct(WindowCenter=40, WindowWidth=400, VOILUTFunction="LINEAR_EXACT"), tmp_path)
    assert exact.tolist() == [[0, 0], [128, 255], [255, 255]]  # (x - 40) / 400 + 0.5
    soft = shown(ct(WindowCenter=40, WindowWidth=400, VOILUTFunction="SIGMOID"), tmp_path)
    expected = 255 / (1 + np.exp(-4 * (HOUNSFIELD - 40) / 400))
    np.testing.assert_allclose(soft, expected, atol=0.51)
    step = shown(ct(WindowCenter=41, WindowWidth=1), tmp_path)
    assert step.tolist() == [[0, 0], [0, 255], [255, 255]]


def test_without_a_window_deep_values_are_stretched_and_padding_is_left_out(tmp_path: Path) -> None:
    assert shown(ct(), tmp_path).tolist() == [[0, 71], [88, 105], [170, 255]]  # (x + 1000) / 3000
    padded = np.array([[0, 1024], [2024, 3024]], np.uint16)
    header = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    assert shown(dicom(padded, **header, PixelPaddingValue=0), tmp_path).tolist() == [[0, 0], [128, 255]]
    assert facts(ct(), tmp_path).deep
    assert not facts(ct(), tmp_path).windowed


def test_signed_values_need_no_offset(tmp_path: Path) -> None:
    assert shown(dicom(HOUNSFIELD.astype(np.int16)), tmp_path, (40, 400)).tolist() == SOFT_TISSUE


def test_eight_bits_without_a_window_are_as_they_are(tmp_path: Path) -> None:
    values = np.array([[10, 20], [30, 200]], np.uint8)
    assert shown(dicom(values), tmp_path).tolist() == values.tolist()
    assert not facts(dicom(values), tmp_path).deep


def test_what_a_low_value_shows_as_white_is_inverted(tmp_path: Path) -> None:
    values = np.array([[10, 20], [30, 200]], np.uint8)
    inverted = shown(dicom(values, PhotometricInterpretation="MONOCHROME1"), tmp_path)
    assert inverted.tolist() == (255 - values).tolist()


def test_a_lookup_table_in_the_header_is_followed(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4, 0, 8]
    table.LUTData = np.array([9, 90, 30, 200], np.uint16).tobytes()
    content = dicom(np.array([[0, 1], [2, 3]], np.uint16), VOILUTSequence=[table])
    assert shown(content, tmp_path).tolist() == [[9, 90], [30, 200]]
    assert facts(content, tmp_path).windowed


def test_colour_is_colour(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert np.array_equal(shown(dicom(values), tmp_path), values)
    assert facts(dicom(values), tmp_path).channels == 3


def test_of_several_frames_the_first_is_taken(tmp_path: Path) -> None:
    frames = np.stack([np.full((2, 2), 7, np.uint8), np.full((2, 2), 99, np.uint8)])
    assert shown(dicom(frames, NumberOfFrames=2), tmp_path).tolist() == [[7, 7], [7, 7]]
    assert facts(dicom(frames, NumberOfFrames=2), tmp_path).frame == 1


def test_another_window_makes_another_image(tmp_path: Path) -> None:
    assert facts(ct(), tmp_path, (40, 400)).digest != facts(ct(), tmp_path, (40, 80)).digest
    found = facts(ct(PatientID="P7"), tmp_path)
    assert (found.width, found.height, found.channels, found.patient) == (2, 3, 1, "P7")


@pytest.mark.parametrize("keep", [140, 400, -3])
def test_a_damaged_file_has_its_reason_in_a_few_words(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(ct()[:keep])
    found = check_image(path)
    assert isinstance(found, str)
    assert 0 < len(found) < 300
    with pytest.raises(DataError, match=r"image\.dcm can't be read"):
        open_image(path)


def test_compression_without_a_decoder_is_named(tmp_path: Path) -> None:
    compressed = dcmread(BytesIO(ct()))
    compressed.file_meta.TransferSyntaxUID = JPEGLSLossless
    compressed.PixelData = encapsulate([b"no decoder gets as far as this"])
    compressed["PixelData"].VR = "OB"
    compressed.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    reason = check_image(tmp_path / "image.dcm")
    assert isinstance(reason, str)
    assert "JPEG-LS" in reason


def test_compressed_pixels_are_the_same_pixels(tmp_path: Path) -> None:
    compressed = dcmread(BytesIO(ct()))
    compressed.compress(RLELossless)
    compressed.save_as(tmp_path / "image.dcm", enforce_file_format=True)
    assert np.asarray(open_image(tmp_path / "image.dcm", Rendering((40, 400)))).tolist() == SOFT_TISSUE


def test_without_pydicom_the_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = ct()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "image.dcm").write_bytes(content)
    assert check_image(tmp_path / "image.dcm") == "DICOM needs pydicom, pip install 'ttl[dicom]'"


def write_classes(folder: Path, patients: list[str]) -> Path:
    rng = np.random.default_rng(0)
    for label in ("benign", "malignant"):
        (folder / label).mkdir(parents=True)
        for number, patient in enumerate(patients):
            values = rng.integers(0, 3000, (8, 8)).astype(np.uint16)
            content = dicom(
                values, RescaleSlope=1, RescaleIntercept=-1024, PatientID=f"{label}-{patient}" * bool(patient)
            )
            (folder / label / f"{number}.dcm").write_bytes(content)
    return folder


def test_a_folder_of_dicom_files_is_split_by_patient(tmp_path: Path) -> None:
    task = load_task(write_classes(tmp_path / "ct", [str(n // 3) for n in range(12)]), window=(40, 400))
    groups = {name: set(samples.groups or ()) for name, samples in task.splits.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 8
    assert "Grouped by the headers' PatientID: 8 patients." in task.notes
    assert "24 DICOM images shown through the window given." in task.notes


def test_those_whose_headers_name_a_patient_are_grouped_though_one_does_not(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "ct", [str(n // 3) for n in range(12)])
    content = dcmread(folder / "benign" / "4.dcm")
    content.PatientID = ""
    content.save_as(folder / "benign" / "4.dcm")
    records = read_folder(folder)
    assert records.groups is not None
    assert records.groups[5:8] == ("benign-1", "benign/4.dcm", "benign-1")
    assert records.notes[0].endswith(
        "8 patients; of 1 image none is known (benign/4.dcm): each counts as a patient of its own."
    )


def test_headers_without_a_patient_make_no_groups(tmp_path: Path) -> None:
    task = load_task(write_classes(tmp_path / "ct", [""] * 6))
    assert task.train.groups is None


def test_a_window_for_what_holds_no_dicom_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--window is for DICOM files, and digits holds none"):
        load_task("digits", window=(40, 400))


def test_a_manifest_names_dicom_files_too(tmp_path: Path) -> None:
    write_classes(tmp_path, [str(n) for n in range(6)])
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.glob("*/*.dcm"))]
    (tmp_path / "list.csv").write_text("\n".join(["image,label", *rows]))
    task = load_task(tmp_path / "list.csv", window=(40, 400))
    assert "Grouped by the headers' PatientID: 12 patients." in task.notes
    first = task.train.source.load(int(task.train.index[0]))
    again = open_image(tmp_path / task.train.ids[0], Rendering((40, 400)))
    assert first.tobytes() == again.tobytes()
    assert isinstance(first, Image.Image)


@pytest.mark.parametrize("table", [False, True])
def test_images_with_masks_are_grouped_by_their_headers(table: bool, tmp_path: Path) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    (tmp_path / "images").mkdir()
    for number in range(6):
        content = dicom(np.arange(64, dtype=np.uint16).reshape(8, 8) + number, PatientID=f"P{number // 2}")
        (tmp_path / "images" / f"{number}.dcm").write_bytes(content)
        save(tmp_path / "masks" / f"{number}.png", mask)
    rows = [f"images/{number}.dcm,masks/{number}.png" for number in range(6)]
    (tmp_path / "list.csv").write_text("\n".join(["image,mask", *rows]))
    records = read_records(tmp_path / "list.csv" if table else tmp_path, Columns(), Reading())
    assert records.groups == ("P0", "P0", "P1", "P1", "P2", "P2")


def test_images_made_for_something_else_are_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for n in range(12):
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER" if n < 2 else "AXIAL"]
        intent = "FOR PROCESSING" if n > 8 else "FOR PRESENTATION"
        path = tmp_path / "ab"[n % 2] / f"{n}.dcm"
        path.parent.mkdir(exist_ok=True)
        values = rng.integers(0, 3000, (8, 8)).astype(np.uint16)
        path.write_bytes(dicom(values, ImageType=kind, PresentationIntentType=intent))
    notes = read_folder(tmp_path).notes
    by_type = "2 images beside 10 others are localizers, by which others were planned (ImageType): take away"
    by_intent = "3 images beside 9 others are raw, to be processed before they are seen (PresentationIntentType): take"
    assert [any(note.startswith(start) for note in notes) for start in (by_type, by_intent)] == [True, True]


def test_a_frame_may_be_a_localizer(tmp_path: Path) -> None:
    groups = [
        item(MRImageFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", kind])]) for kind in ("M", "LOCALIZER")
    ]
    content = dicom(np.zeros((2, 4, 4), np.uint16), NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)
    assert [facts(content, tmp_path, frame=number).use for number in (1, 2)] == ["", "localizer"]


def test_a_column_of_patients_is_held_against_the_headers(tmp_path: Path) -> None:
    write_classes(tmp_path, [str(n // 2) for n in range(6)])
    paths = sorted(tmp_path.glob("*/*.dcm"))
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name},{n}" for n, path in enumerate(paths)]
    (tmp_path / "list.csv").write_text("\n".join(["image,label,patient", *rows]))
    records = read_records(tmp_path / "list.csv", Columns(), Reading())
    assert (
        "By the column 'patient', 6 patients of the headers' PatientID are in several groups (benign-0: 0, 1; "
        "benign-1: 2, 3; benign-2: 4, 5): check it, for images of one patient may be in two splits."
    ) in records.notes
