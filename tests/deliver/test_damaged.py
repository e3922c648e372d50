"""A run folder whose files aren't what was written: what refuses, what is made anew, what is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from toy_timed import onnx_file
from ttl.cli import app
from ttl.config import RunConfig
from ttl.deliver.file_record import is_whole
from ttl.errors import RunFolderError
from ttl.export.contract import read_contract
from ttl.export.options import ExportConfig
from ttl.run import export, run
from ttl.run.exporting_flow import deliverable_in
from ttl.study.folder import Study
from ttl.typed import SEAL, write_sealed


def ttl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def flip(path: Path, place: int = -1000) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Change a JSON file and its digest with it."""
    content = json.loads(path.read_text())
    content.pop(SEAL)
    change(content)
    write_sealed(path, content)


def chosen(folder: Path) -> Path:
    return folder / "trials" / json.loads((folder / "report.json").read_text())["chosen"]["trial"]


@pytest.mark.parametrize("damage", ["flipped", "cut short"])
def test_predict_and_bench_refuse_a_damaged_file_in_one_sentence(folder: Path, damage: str, tmp_path: Path) -> None:
    model = folder / "model.onnx"
    if damage == "flipped":
        flip(model)
    else:
        model.write_bytes(model.read_bytes()[:-1])
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "scan.png")
    whole = folder / "full.onnx"
    for arguments in (
        ("predict", model, tmp_path / "scan.png"),
        ("bench", model, whole, "--seconds", 1),
        ("bench", folder, "--no-compiled", "--seconds", 1),
    ):
        result = ttl(*arguments)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
        assert result.stderr.startswith(f"ttl: {model} is damaged")
        assert "Traceback" not in result.output
    assert ttl("predict", whole, tmp_path / "scan.png").exit_code == 0


@pytest.mark.usefixtures("timed_here")
def test_bench_times_a_foreign_file(ran: Path, tmp_path: Path) -> None:
    foreign = onnx_file(tmp_path / "foreign.onnx", ["n", 3, 8, 8])
    options = ("--seconds", 0.1, "--runs", 3, "--processes", 1, "--threads", 1)
    result = ttl("bench", foreign, ran / "model.onnx", *options)
    assert result.exit_code == 0, result.output
    assert "foreign.onnx" in result.output


@pytest.mark.usefixtures("timed_here")
def test_run_makes_damaged_files_anew(folder: Path, config: RunConfig) -> None:
    def stamps() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.onnx")}

    again, first = config.model_copy(update={"out": folder}), stamps()
    before = {path.name: path.read_bytes() for path in folder.glob("*.onnx")}
    assert set(before) == {"model.onnx", "full.onnx"}
    run(again)
    assert stamps() == first  # nothing to do
    for name in before:
        flip(folder / name)
        assert run(again).trained == 0
        assert {path.name: path.read_bytes() for path in folder.glob("*.onnx")} == before
    assert all(stamps()[name] > first[name] for name in before)
    assert read_contract(folder / "model.onnx").provenance.network == config.model


def test_a_file_is_whole_as_long_as_its_bytes_are_those_on_record(folder: Path) -> None:
    study = Study(folder)
    assert is_whole(study, "model.onnx")
    assert is_whole(study, "full.onnx")
    flip(folder / "full.onnx")
    assert is_whole(study, "model.onnx")
    assert not is_whole(study, "full.onnx")
    (folder / "exports.json").unlink()  # what passed isn't on record any more
    assert not is_whole(study, "model.onnx")


@pytest.mark.parametrize("split", ["val", "test"])
def test_predictions_that_the_weights_do_not_give_refuse_the_export(folder: Path, split: str) -> None:
    trial = chosen(folder)

    def change(by: float) -> None:
        def shift(record: Any) -> None:
            row = record["rows" if split == "test" else "predictions"]
            row = (row if split == "test" else row[split])[3]
            row[:] = [row[0] - by, row[1] + by]
            record["predictions_sha256"] = {}

        edit(trial / ("test.json" if split == "test" else "trial.json"), shift)

    change(0.00008)  # rounding of another machine
    assert deliverable_in(folder, None).trial == trial.name
    change(0.00008)
    with pytest.raises(RunFolderError) as refused:
        export(folder, ExportConfig())
    assert str(refused.value).startswith(f"{trial} holds predictions of the {split} images that its weights don't give")
    assert "a probability by 0.00016" in str(refused.value)


def test_predictions_of_fewer_images_refuse_the_export(folder: Path) -> None:
    def shorten(record: Any) -> None:
        record["predictions"]["val"].pop()
        record["predictions_sha256"] = {}

    edit(chosen(folder) / "trial.json", shorten)
    with pytest.raises(RunFolderError, match="predictions of the val images that its weights don't give"):
        export(folder, ExportConfig())


def test_predictions_that_were_changed_afterwards_refuse_the_export(folder: Path) -> None:
    edit(chosen(folder) / "trial.json", lambda record: record["predictions"]["val"].pop())
    with pytest.raises(RunFolderError, match="its predictions of val aren't those that were written"):
        export(folder, ExportConfig())


def test_weights_of_another_trial_refuse_the_export(folder: Path) -> None:
    own = chosen(folder)
    other = next(path for path in (folder / "trials").iterdir() if path != own)
    shutil.copy(other / "model.safetensors", own)
    with pytest.raises(RunFolderError, match=r"model\.safetensors is damaged: its bytes aren't those that were saved"):
        export(folder, ExportConfig())


@pytest.mark.usefixtures("no_export")
def test_records_that_do_not_fit_are_named(folder: Path) -> None:
    edit(folder / "exports.json", lambda content: content["files"]["model.onnx"].update(size_bytes="many"))
    with pytest.raises(
        RunFolderError, match=r"exports\.json can't be trusted: the field files\.model\.onnx\.size_bytes"
    ):
        export(folder, ExportConfig(precision=("fp16",)))


@pytest.mark.usefixtures("no_export")
def test_export_sweeps_what_a_dead_process_left(folder: Path, tmp_path: Path) -> None:
    left, cached = folder / ".model.onnx.999999999.12345678.part", folder / "cache" / ".a.npy.999999999.1234.part"
    kept = tmp_path / "elsewhere" / ".model.onnx.1.12345678.part"
    kept.parent.mkdir()
    for path in (left, cached, kept):
        path.write_text("half")
    export(folder, ExportConfig(), out=kept.parent)
    assert not left.exists()
    assert not cached.exists()
    assert kept.exists()  # process 1 is at work
