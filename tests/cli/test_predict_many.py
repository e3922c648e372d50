"""`ttl predict` on many images: several places, broken files, streams, CSV, what is never overwritten or read."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from toy_predictor import CONTRACT, LABELS, MASKS, bright, grey, network, predicted, rows_of, ruled
from ttl.data import read_image_lists
from ttl.export import images_through
from ttl.export.embed.preprocessing import embed_preprocessing
from ttl.export.file_decisions import ImageDecision, image_decisions
from ttl.export.run import OnnxModel


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [Path(row["image"]).name for row in rows]


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_several_places_each_image_once_in_their_order(tmp_path: Path) -> None:
    for name in ("in/b.png", "in/a.png", "c.png", "t/d.png", "t/e.png"):
        grey(tmp_path / name, 200)
    table = tmp_path / "t" / "list.csv"
    table.write_text("scan,who\ne.png,P1\nd.png,P2\n../in/a.png,P3\n")
    places = [tmp_path / "c.png", tmp_path / "in", table, tmp_path / "in" / "b.png"]
    rows = rows_of(tmp_path, CONTRACT, places, "--image-column", "scan", "--group-column", "who")
    assert names(rows) == ["c.png", "a.png", "b.png", "e.png", "d.png"]
    assert [row.get("patient") for row in rows] == [None, "P3", None, "P1", "P2"]
    result = predicted(tmp_path, CONTRACT, places[:2], "--image-column", "scan")
    assert (result.exit_code, "The column 'scan' is of a manifest" in result.output) == (2, True)
    result = predicted(tmp_path, CONTRACT, [tmp_path / "c.png", tmp_path / "gone"])
    assert (result.exit_code, f"There is no file or folder {tmp_path / 'gone'}" in result.output) == (1, True)


def test_an_image_of_two_patients_is_refused(tmp_path: Path) -> None:
    grey(tmp_path / "a.png", 9)
    for name in "xy":
        (tmp_path / f"{name}.csv").write_text(f"path,patient\na.png,{name}\n")
    result = predicted(tmp_path, CONTRACT, [tmp_path / "x.csv", tmp_path / "y.csv"])
    assert (result.exit_code, "named twice, as one of the patient x and of y" in result.output) == (1, True)


def broken(folder: Path, total: int, bad: dict[int, bytes]) -> Path:
    for n in range(total):
        path = grey(folder / f"{n:03}.png", 10 + n % 200)
        if n in bad:
            path.write_bytes(bad[n])
    return folder


BAD = {0: b"", 7: b"no image at all", 299: b"\x89PNG\r\n\x1a\n" + b"\0" * 30}


def test_300_images_3_broken_are_300_rows_3_of_them_errors(tmp_path: Path) -> None:
    folder = broken(tmp_path / "in", 300, BAD)
    table = tmp_path / "out.csv"
    result = predicted(tmp_path, CONTRACT, folder, "--json", "--csv", str(table))
    assert result.exit_code == 1
    assert "3 of 300 images can't be predicted: " in result.stderr
    assert len(result.stderr.splitlines()) == 1
    rows = json.loads(result.stdout)
    assert names(rows) == [f"{n:03}.png" for n in range(300)]
    assert {n: row["error"] for n, row in enumerate(rows) if "error" in row} == {
        0: "an empty file",
        7: "not an image, or damaged at its beginning",
        299: rows[299]["error"],
    }
    assert all(("class" in row) != ("error" in row) for row in rows)
    written = cells(table.read_text(encoding="utf-8"))
    assert [row["error"] for row in written] == [row.get("error", "") for row in rows]
    assert [row["class"] for row in written] == [row.get("class", "") for row in rows]
    text = predicted(tmp_path, CONTRACT, folder)
    assert (text.exit_code, len(text.stdout.splitlines())) == (1, 300)
    assert "000.png  not predicted: an empty file" in text.stdout


def test_rows_with_and_without_a_broken_neighbour_are_the_same(tmp_path: Path) -> None:
    whole = rows_of(tmp_path, CONTRACT, broken(tmp_path / "whole", 40, {}))
    result = predicted(
        tmp_path, CONTRACT, broken(tmp_path / "in", 40, {0: b"", 16: b"x", 17: b"x", 39: b"x"}), "--json"
    )
    rows = json.loads(result.stdout)
    for n, (row, same) in enumerate(zip(rows, whole, strict=True)):
        assert ("error" in row) == (n in (0, 16, 17, 39))
        if "error" not in row:
            assert row["probabilities"] == same["probabilities"]


def test_embedded_files_and_masks_have_error_rows_too(tmp_path: Path) -> None:
    folder = broken(tmp_path / "in", 5, {1: b"x", 4: b""})
    onnx.save(embed_preprocessing(network(CONTRACT), CONTRACT), tmp_path / "embedded.onnx")
    given = list(image_decisions(OnnxModel(tmp_path / "embedded.onnx"), read_image_lists([folder]), CONTRACT.rule))
    assert [isinstance(each, ImageDecision) for each in given] == [True, False, True, True, False]
    out = tmp_path / "drawn"
    result = predicted(tmp_path, MASKS, folder, "--out", str(out), "--json", slopes=(1.0,))
    assert result.exit_code == 1
    rows = json.loads(result.stdout)
    assert ["error" in row for row in rows] == [False, True, False, False, True]
    assert sorted(path.name for path in (out / "masks").iterdir()) == ["000.png", "002.png", "003.png"]


def test_a_patient_with_a_broken_image_is_not_decided_on(tmp_path: Path) -> None:
    broken(tmp_path, 4, {2: b"x"})
    table = tmp_path / "list.csv"
    table.write_text("path,patient\n000.png,P1\n002.png,P2\n001.png,P1\n003.png,P2\n")
    result = predicted(tmp_path, ruled(CONTRACT, 0.5, finding=("bright",), per="patient"), table, "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["patient"], len(first["images"])) == ("P1", 2)
    assert second["error"] == "1 of 2 images can't be used: 002.png (not an image, or damaged at its beginning)"
    assert "decision" not in second
    assert names(second["images"]) == ["003.png", "002.png"]


def test_rows_come_as_they_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = broken(tmp_path / "in", 40, {})
    onnx.save(network(CONTRACT), tmp_path / "model.onnx")
    opened: list[Path] = []
    real = images_through.image_or_reason
    monkeypatch.setattr(images_through, "image_or_reason", lambda path, how: opened.append(path) or real(path, how))
    decided: Iterator[object] = image_decisions(
        OnnxModel(tmp_path / "model.onnx"), read_image_lists([folder]), CONTRACT.rule
    )
    assert not opened
    next(decided)
    assert len(opened) == images_through.TOGETHER


def test_json_is_whole_where_the_work_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, calls = broken(tmp_path / "in", 40, {}), [0]
    real = OnnxModel.predict

    def failing(self: OnnxModel, *given: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            raise OSError(5, "Input/output error")
        return real(self, *given, **options)

    monkeypatch.setattr(OnnxModel, "predict", failing)
    result = predicted(tmp_path, CONTRACT, folder, "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)) == images_through.TOGETHER


def test_too_little_memory_for_an_image_is_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: OnnxModel, *given: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(OnnxModel, "predict", failing)
    result = predicted(tmp_path, CONTRACT, grey(tmp_path / "a.png", 9), "--json")
    assert json.loads(result.stdout)[0]["error"] == "it needs more memory than there is"


def test_no_number_is_an_error_and_not_a_decision(tmp_path: Path) -> None:
    result = predicted(tmp_path, CONTRACT, grey(tmp_path / "a.png", 9), "--json", slopes=(np.nan, 1.0))
    assert result.exit_code == 1
    rows = json.loads(result.stdout or "[]")
    assert all("error" in row for row in rows)
    assert rows or "gives NaN or infinity" in result.stderr


def test_an_image_of_too_many_pixels_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of 20,000 x 20,000 pixels by Pillow's own limit."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000_000)
    Image.new("1", (5000, 4001)).save(tmp_path / "large.png")
    result = predicted(tmp_path, CONTRACT, tmp_path / "large.png", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)[0]["error"]
    assert error == "it has more than 20 million pixels, the most that are decoded: scale it down, or cut it"


def test_csv_of_images_labels_and_patients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, contract = grey(tmp_path / "=1+1.png", 140), ruled(LABELS, 0.3, 0.5)
    result = predicted(tmp_path, contract, image, "--csv", "-")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = cells(result.stdout)
    assert row["decision"] == "dark|bright"
    assert float(row["probability bright"]) == pytest.approx(1 / (1 + np.exp(-bright(140))), abs=1e-6)
    (row,) = cells(predicted(tmp_path, contract, image, "--csv", "-", "--threshold", "0.99").stdout)
    assert (row["decision"], row["decided_by"]) == ("", "options")
    table = tmp_path / "list.csv"
    table.write_text("path,patient\n=1+1.png,=cmd()\n")
    (row,) = cells(
        predicted(tmp_path, ruled(CONTRACT, 0.5, finding=("bright",), per="patient"), table, "--csv", "-").stdout
    )
    assert (row["patient"], row["images"], row["decision"]) == ("'=cmd()", "1", "bright")
    monkeypatch.chdir(tmp_path)
    (row,) = cells(predicted(tmp_path, CONTRACT, Path("=1+1.png"), "--csv", "-").stdout)
    assert row["image"] == "'=1+1.png"


def test_csv_of_masks(tmp_path: Path) -> None:
    result = predicted(
        tmp_path, MASKS, grey(tmp_path / "a.png", 200), "--csv", "-", "--out", str(tmp_path / "out"), slopes=(1.0,)
    )
    (row,) = cells(result.stdout)
    assert (row["share ground"], row["share cell"]) == ("0.0", "1.0")
    assert Path(row["mask"]).is_file()


def test_csv_never_overwrites_what_is_read(tmp_path: Path) -> None:
    grey(tmp_path / "a.png", 9)
    table = tmp_path / "list.csv"
    table.write_text("path\na.png\n")
    for place in (table, tmp_path / "model.onnx", tmp_path / "." / "a.png"):
        result = predicted(tmp_path, CONTRACT, table, "--csv", str(place))
        assert (result.exit_code, "is one of the files that are read" in result.output) == (2, True)
    assert table.read_text() == "path\na.png\n"
    result = predicted(tmp_path, CONTRACT, table, "--csv", "-", "--json")
    assert (result.exit_code, "both write to stdout" in result.output) == (2, True)


def test_files_left_out_for_their_suffix_are_named(tmp_path: Path) -> None:
    grey(tmp_path / "in" / "a.png", 9)
    for name in ("notes.txt", "b.nii"):
        (tmp_path / "in" / name).write_text("x")
    result = predicted(tmp_path, CONTRACT, tmp_path / "in", "--json")
    assert (result.exit_code, names(json.loads(result.stdout))) == (0, ["a.png"])
    assert "Left out 2 files whose suffix is no image's: b.nii, notes.txt" in result.stderr
    (tmp_path / "in" / "a.png").unlink()
    result = predicted(tmp_path, CONTRACT, tmp_path / "in")
    assert "There is no image under" in result.output
    assert "which holds b.nii, notes.txt" in result.output


def test_masks_within_the_images_are_not_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    grey(folder / "a.png", 200)
    grey(folder / "masks" / "b.png", 10)  # somebody's own image: it is no mask of ours
    for level in (200, 30):
        grey(folder / "a.png", level)
        result = predicted(tmp_path, MASKS, folder, "--json", "--out", str(folder / "drawn"), slopes=(1.0,))
        assert result.exit_code == 0, result.output
        assert names(json.loads(result.stdout)) == ["a.png", "b.png"]
    assert "Left out 4 pictures that ttl predict drew" in result.stderr
    assert Image.open(folder / "drawn" / "masks" / "a.png").getpixel((0, 0)) == 0


def test_what_was_not_drawn_is_not_replaced(tmp_path: Path) -> None:
    image = grey(tmp_path / "in" / "a.png", 200)
    truth = grey(tmp_path / "set" / "masks" / "a.png", 77)
    options = ("--out", str(tmp_path / "set"))
    for place in (image, image.parent):
        result = predicted(tmp_path, MASKS, place, *options, slopes=(1.0,))
        assert result.exit_code == 1
        assert "would be replaced, and is not as ttl predict drew it: name another folder with --out" in result.output
        assert Image.open(truth).getpixel((0, 0)) == 77
    assert not (tmp_path / "set" / "overlays").exists()
    truth.unlink()
    assert predicted(tmp_path, MASKS, image, *options, slopes=(1.0,)).exit_code == 0
    assert predicted(tmp_path, MASKS, image, *options, slopes=(1.0,)).exit_code == 0  # its own
    grey(truth, 78)  # corrected by hand
    assert predicted(tmp_path, MASKS, image, *options, slopes=(1.0,)).exit_code == 1
    assert Image.open(truth).getpixel((0, 0)) == 78


def test_masks_of_several_places_go_apart(tmp_path: Path) -> None:
    places = [grey(tmp_path / name / "a.png", 200).parent for name in "xy"]
    rows = rows_of(tmp_path, MASKS, places, "--out", str(tmp_path / "out"), slopes=(1.0,))
    assert [Path(row["mask"]).relative_to(tmp_path / "out").as_posix() for row in rows] == [
        "masks/x/a.png",
        "masks/y/a.png",
    ]


def test_threads_beyond_the_cores_are_refused(tmp_path: Path) -> None:
    image = grey(tmp_path / "a.png", 200)
    assert predicted(tmp_path, CONTRACT, image, "--threads", "1").exit_code == 0
    result = predicted(tmp_path, CONTRACT, image, "--threads", "9999")
    assert (result.exit_code, "9999 threads can't be used" in result.output) == (2, True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("options", [(), ("--csv", "-"), ("--json",)])
def test_stdout_of_another_encoding(tmp_path: Path, encoding: str, options: tuple[str, ...]) -> None:
    image = grey(tmp_path / "größe.png", 200)
    onnx.save(network(replace(CONTRACT, class_names=("größer", "細胞"))), tmp_path / "model.onnx")
    done = subprocess.run(
        [sys.executable, "-m", "ttl", "predict", str(tmp_path / "model.onnx"), str(image), *options],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if options == ("--json",):
        assert json.loads(done.stdout)[0]["class"] == "細胞"
    elif encoding == "latin-1":  # which has no Chinese
        assert "größe.png" in done.stdout.decode(encoding)
        assert b"\\u7d30\\u80de" in done.stdout
    else:
        assert "größe.png" in done.stdout.decode()
        assert "細胞" in done.stdout.decode()
