"""`ttl predict`: by which rule files decide, of images and of patients, and where those come from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.special import expit, softmax
from typer.testing import CliRunner

from toy_predictor import CONTRACT, GRADES, LABELS, MASKS, SLOPES, bright, grey, network, predicted, rows_of, ruled
from ttl.cli import app
from ttl.data.modality.rendering import Frame
from ttl.export.contract import Decoding
from ttl.export.embed.preprocessing import embed_preprocessing


def test_both_files_give_the_same(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    # Of one grey, so that resizing changes nothing: 255 is 1 after normalising, and its logits are -3 and 3.
    Image.new("L", (9, 5), 255).save(images / "white.png")
    Image.new("RGB", (2, 30), (0, 0, 0)).save(images / "black.png")
    onnx.save(network(CONTRACT), tmp_path / "plain.onnx")
    onnx.save(embed_preprocessing(network(CONTRACT), CONTRACT), tmp_path / "embedded.onnx")
    for name in ("plain.onnx", "embedded.onnx"):
        result = CliRunner().invoke(app, ["predict", str(tmp_path / name), str(images), "--json"])
        assert result.exit_code == 0, result.output
        rows = {Path(row["image"]).name: row for row in json.loads(result.output)}
        assert {name: row["class"] for name, row in rows.items()} == {"white.png": "bright", "black.png": "dark"}
        for image, sure in (("white.png", "bright"), ("black.png", "dark")):
            assert rows[image]["probabilities"][sure] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)


def test_two_classes_are_told_apart_by_the_files_threshold(tmp_path: Path) -> None:
    image = grey(tmp_path / "a.png", 140)
    given = softmax([-bright(140), bright(140)])[1]
    assert 0.5 < given < 0.65
    for value, wanted in ((0.5, "bright"), (0.65, "dark"), (0.1, "bright")):
        (row,) = rows_of(tmp_path, ruled(CONTRACT, value, finding=("bright",)), image)
        assert (row["class"], row["decision"], row["decided_by"]) == (wanted, wanted, "the file's rule")
        assert row["probabilities"]["bright"] == pytest.approx(given, abs=1e-6)


def test_another_threshold_is_said_not_to_be_the_files(tmp_path: Path) -> None:
    image, contract = grey(tmp_path / "a.png", 140), ruled(CONTRACT, 0.65, finding=("bright",))
    (row,) = rows_of(tmp_path, contract, image, "--threshold", "0.3")
    assert (row["decision"], row["decided_by"]) == ("bright", "options")
    (row,) = rows_of(tmp_path, CONTRACT, image, "--threshold", "0.65")  # a file without a rule
    assert (row["decision"], row["decided_by"]) == ("dark", "options")
    text = predicted(tmp_path, contract, image, "--threshold", "0.3").output
    assert "Decided as the options say. The file's own rule: Each image with a probability of bright from 0.65" in text
    assert "own rule" not in predicted(tmp_path, contract, image).output


def test_of_several_classes_the_most_probable_and_the_finding(tmp_path: Path) -> None:
    image, slopes = grey(tmp_path / "a.png", 115), SLOPES
    p = softmax(np.array(slopes) * bright(115))
    assert p.argmax() == 0
    (row,) = rows_of(tmp_path, GRADES, image, slopes=slopes)
    assert (row["class"], row["decision"]) == ("none", "none")
    assert "finding" not in row
    contract = ruled(GRADES, 0.4, finding=("mild", "grave"))
    (row,) = rows_of(tmp_path, contract, image, slopes=slopes)
    assert (row["class"], row["decision"]) == ("none", "positive")
    assert row["finding"] == {"classes": ["mild", "grave"], "probability": pytest.approx(p[1] + p[2], abs=1e-6)}
    assert "positive (mild or grave 0." in predicted(tmp_path, contract, image, slopes=slopes).output
    (row,) = rows_of(tmp_path, contract, image, "--threshold", "0.9", slopes=slopes)
    assert (row["decision"], row["decided_by"]) == ("negative", "options")


def test_a_threshold_of_no_finding_is_refused(tmp_path: Path) -> None:
    image = grey(tmp_path / "a.png", 115)
    result = predicted(tmp_path, GRADES, image, "--threshold", "0.4", slopes=SLOPES)
    assert result.exit_code == 2
    assert "chooses the most probable of none, mild, grave: leave --threshold out" in result.output
    result = predicted(tmp_path, CONTRACT, image, "--threshold", "1.5")
    assert result.exit_code == 2
    assert "threshold must be a probability from 0 to 1, not 1.5" in result.output


def test_labels_at_their_thresholds(tmp_path: Path) -> None:
    image, contract = grey(tmp_path / "a.png", 140), ruled(LABELS, 0.3, 0.8)
    low, high = expit([-bright(140), bright(140)])
    assert 0.3 < low < 0.5 < high < 0.8
    (row,) = rows_of(tmp_path, contract, image)
    assert (row["class"], row["decision"]) == ("bright", ["dark"])
    (row,) = rows_of(tmp_path, contract, image, "--threshold", "0.5")
    assert row["decision"] == ["bright"]
    (row,) = rows_of(tmp_path, LABELS, image, "--threshold", "0.99")
    assert row["decision"] == []
    assert "none  (dark 0." in predicted(tmp_path, LABELS, image, "--threshold", "0.99").output


def test_masks_are_drawn_by_the_files_threshold(tmp_path: Path) -> None:
    levels = np.array([[0, 120], [140, 255]], np.uint8)  # probabilities 0.05, 0.46, 0.57, 0.95
    Image.fromarray(np.kron(levels, np.ones((2, 2), np.uint8))).save(tmp_path / "a.png")
    contract, out = ruled(MASKS, 0.7, finding=("cell",), per="pixel"), str(tmp_path / "drawn")
    for options, share, by in (
        ((), 0.25, "the file's rule"),
        (("--threshold", "0.5"), 0.5, "options"),
        (("--threshold", "0.4"), 0.75, "options"),
    ):
        (row,) = rows_of(tmp_path, contract, tmp_path / "a.png", "--out", out, *options, slopes=(1.0,))
        assert (row["shares"]["cell"], row["decided_by"]) == (share, by)
        assert (np.asarray(Image.open(row["mask"])) == 255).mean() == share
    result = predicted(tmp_path, contract, tmp_path / "a.png", "--decide-per", "patient", slopes=(1.0,))
    assert (result.exit_code, "a patient has none" in result.output) == (2, True)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two patients: one bright image among two dark ones, and one in between."""
    for name, level in (("a", 100), ("b", 100), ("c", 190), ("d", 128)):
        grey(tmp_path / "scans" / f"{name}.png", level)
    rows = ["file,who,label", "d.png,P2,x", "a.png,P1,", "c.png,P1,y", "b.png,P1,y"]
    table = tmp_path / "scans" / "images.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_an_image_that_lost_its_content_is_remarked_on(tmp_path: Path) -> None:
    images = tmp_path / "images"
    grey(images / "blank.png", 140)
    Image.fromarray(np.array([[100, 115]], np.uint8)).save(images / "faint.png")
    Image.fromarray(np.array([[100, 116]], np.uint8)).save(images / "seen.png")
    rows = rows_of(tmp_path, CONTRACT, images)
    remark = "nearly one colour: look at it"
    assert [row.get("remark") for row in rows] == [remark, remark, None]
    lines = predicted(tmp_path, CONTRACT, images).output.splitlines()
    assert [line.endswith(f"({remark})") for line in lines] == [True, True, False]
    masks = rows_of(tmp_path, MASKS, images, "--out", str(tmp_path / "out"), slopes=(1.0,))
    assert [row.get("remark") for row in masks] == [remark, remark, None]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_training_refuses_is_refused(value: float, tmp_path: Path) -> None:
    Image.fromarray(np.array([[value, 0.0]], np.float32)).save(tmp_path / "a.tif")
    result = predicted(tmp_path, CONTRACT, tmp_path / "a.tif")
    assert result.exit_code == 1
    assert "a.tif  not predicted: a pixel is" in result.stdout
    assert "1 of 1 image can't be predicted" in result.stderr


def test_deep_images_are_stretched_by_the_rule_of_the_file(tmp_path: Path) -> None:
    """White and black in equal shares: their mean is a logit of 0, where the hot pixel doesn't set the scale."""
    values = np.tile(np.arange(4000, 4400, dtype=np.uint16), 10).reshape(20, 200)
    values[0, 0] = 65535
    Image.fromarray(values).save(tmp_path / "a.png")
    shares = {}
    for stretch in ("percentiles", "minmax"):
        contract = replace(CONTRACT, decoding=replace(CONTRACT.decoding, stretch=stretch))
        (row,) = rows_of(tmp_path, contract, tmp_path / "a.png")
        shares[stretch] = row["probabilities"]["bright"]
    assert shares["percentiles"] == pytest.approx(0.5, abs=0.02)
    assert shares["minmax"] == pytest.approx(1 / (1 + np.exp(6)), abs=0.02)


def test_patients_of_a_table_are_decided_on_by_all_of_their_images(tmp_path: Path, scans: Path) -> None:
    each = {level: softmax([-bright(level), bright(level)])[1] for level in (100, 128, 190)}
    mean, highest = (2 * each[100] + each[190]) / 3, each[190]
    assert mean < 0.5 < each[128] < highest
    contract = ruled(CONTRACT, 0.5, finding=("bright",), per="patient")
    for combine, value, wanted in ((None, mean, "dark"), ("max", highest, "bright")):
        options = ("--group-column", "who", *(("--combine", combine) if combine else ()))
        second, first = rows_of(tmp_path, contract, scans, *options)
        assert (second["patient"], second["decision"], len(second["images"])) == ("P2", "bright", 1)
        assert (first["patient"], first["decision"]) == ("P1", wanted)
        assert first["probabilities"]["bright"] == pytest.approx(value, abs=1e-6)
        assert [Path(image["image"]).name for image in first["images"]] == ["a.png", "c.png", "b.png"]
        assert first["images"][1]["probabilities"]["bright"] == pytest.approx(each[190], abs=1e-6)
        assert first["decided_by"] == ("options" if combine else "the file's rule")
    text = predicted(tmp_path, contract, scans, "--group-column", "who").output
    assert [line.split()[0] for line in text.splitlines()] == ["P2", "P1"]
    assert "3 images  (" in text.splitlines()[1]
    (second, first) = rows_of(tmp_path, CONTRACT, scans, "--group-column", "who", "--decide-per", "patient")
    assert (first["patient"], first["decided_by"]) == ("P1", "options")


def test_a_table_is_a_list_of_images_too(tmp_path: Path, scans: Path) -> None:
    rows = rows_of(tmp_path, CONTRACT, scans)
    assert [Path(row["image"]).name for row in rows] == ["d.png", "a.png", "c.png", "b.png"]
    assert all("patient" not in row for row in rows)
    rows = rows_of(tmp_path, CONTRACT, scans, "--group-column", "who")
    assert [row["patient"] for row in rows] == ["P2", "P1", "P1", "P1"]


def test_a_table_is_read_as_for_training(tmp_path: Path, scans: Path) -> None:
    cells = ["sep=;", "image_id;subject_id", "scans\\d;7", "scans\\a;nan", "scans\\c;12.0", "scans\\b;12", ""]
    table = tmp_path / "deep" / "set.csv"
    table.parent.mkdir()
    table.write_text("\n".join(cells), encoding="utf-16")
    rows = rows_of(tmp_path, CONTRACT, table, "--image-root", str(tmp_path), "--image-suffix", "png")
    assert [Path(row["image"]).name for row in rows] == ["d.png", "a.png", "c.png", "b.png"]
    assert [row.get("patient") for row in rows] == ["7", None, "12", "12"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ("", (), "No patient is known of 4 images (d.png, a.png, c.png and 1 more), and patients are decided on"),
        ("b.png,,y", ("--group-column", "who"), "No patient is known of 1 image (b.png)"),
        ("", ("--group-column", "whom"), "has no column 'whom': did you mean 'who'?"),
        ("e.png,P1,y", ("--group-column", "who"), "1 of 4 images in"),
        ("a.png,P2,y", ("--group-column", "who"), "names the image a.png twice, of two patients"),
    ],
)
def test_what_a_table_lacks_is_said_in_one_sentence(
    tmp_path: Path, scans: Path, change: str, options: tuple[str, ...], message: str
) -> None:
    if change:
        scans.write_text(scans.read_text().replace("b.png,P1,y", change))
    contract = ruled(CONTRACT, 0.5, finding=("bright",), per="patient")
    result = predicted(tmp_path, contract, scans, *options)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_a_column_of_a_folder_is_refused(tmp_path: Path, scans: Path) -> None:
    result = predicted(tmp_path, CONTRACT, scans.parent, "--group-column", "who")
    assert (result.exit_code, "The column 'who' is of a manifest" in result.output) == (2, True)


def test_masks_of_a_table_stay_in_their_folder(tmp_path: Path, scans: Path) -> None:
    above = grey(tmp_path / "e.png", 9)
    scans.write_text(f"path\na.png\n../e.png\n{scans.parent.absolute() / 'b.png'}\n")
    out = tmp_path / "drawn"
    rows = rows_of(tmp_path, MASKS, scans, "--out", str(out), slopes=(1.0,))
    assert [Path(row["mask"]).relative_to(out).as_posix() for row in rows] == [
        "masks/scans/a.png",
        "masks/e.png",
        "masks/scans/b.png",
    ]
    assert above.is_file()


def test_patients_of_dicom_headers(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for number, (patient, level) in enumerate((("P7", 10), ("P3", 200), ("P7", 220))):
        dicom(level, patient).save_as(folder / f"{number}.dcm", enforce_file_format=True)
    assert [row["patient"] for row in rows_of(tmp_path, CONTRACT, folder)] == ["P7", "P3", "P7"]
    rows = rows_of(tmp_path, ruled(CONTRACT, 0.5, finding=("bright",), per="patient", combine="max"), folder)
    assert [(row["patient"], row["decision"], len(row["images"])) for row in rows] == [
        ("P7", "bright", 2),
        ("P3", "bright", 1),
    ]
    dicom(50, "").save_as(folder / "3.dcm", enforce_file_format=True)
    result = predicted(tmp_path, CONTRACT, folder, "--decide-per", "patient")
    assert (result.exit_code, "No patient is known of 1 image (3.dcm)" in result.output) == (2, True)


def dicom(level: int, patient: str) -> Dataset:
    """A file of 8 bits, 4 x 4 pixels of one grey."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.PatientID = patient
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 4, 4, 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = bytes([level] * 16)
    return data


@pytest.mark.parametrize(
    ("frame", "decided"),
    [("all", ["dark", "bright", "bright"]), ("middle", ["bright"]), (1, ["dark"]), (3, ["bright"])],
)
def test_frames_are_read_as_in_training(frame: Frame, decided: list[str], tmp_path: Path) -> None:
    data = dicom(10, "P7")
    data.NumberOfFrames, data.PixelData = 3, b"".join(bytes([level] * 16) for level in (10, 200, 220))
    path = tmp_path / "several.dcm"
    data.save_as(path, enforce_file_format=True)
    contract = replace(CONTRACT, decoding=Decoding("bilinear", frame=frame))
    rows = rows_of(tmp_path, contract, path)
    names = [f"{path}#{number}" for number in (1, 2, 3)] if frame == "all" else [str(path)]
    assert [(row["image"], row["decision"]) for row in rows] == list(zip(names, decided, strict=True))
    (row,) = rows_of(tmp_path, ruled(contract, 0.5, finding=("bright",), per="patient", combine="mean"), path)
    assert (row["patient"], [image["image"] for image in row["images"]]) == ("P7", names)


def test_masks_of_each_frame(tmp_path: Path) -> None:
    path = tmp_path / "several.gif"
    first, second = (Image.new("L", (4, 4), level) for level in (10, 200))
    first.save(path, save_all=True, append_images=[second])
    contract = replace(MASKS, decoding=Decoding("bilinear", frame="all"))
    rows = rows_of(tmp_path, contract, path, "--out", str(tmp_path / "drawn"), slopes=(1.0,))
    assert [row["image"] for row in rows] == [f"{path}#1", f"{path}#2"]
    assert [row["shares"]["cell"] for row in rows] == [0.0, 1.0]
    assert [Image.open(row["mask"]).getpixel((0, 0)) for row in rows] == [0, 255]
