"""What becomes of a run folder that was damaged: `check` names it, and nothing goes on with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from toy_runs import content_of, notes_in, timeless, tiny
from ttl.errors import ExportError, RunFolderError
from ttl.export.options import ExportConfig
from ttl.export.run import OnnxModel
from ttl.report import write_report
from ttl.run import check, export, run
from ttl.run.delivering import subjects_of
from ttl.run.events import Event
from ttl.typed import to_json


def states(folder: Path, state: str) -> dict[str, str]:
    return {found.file: found.why for found in check(folder) if found.state == state}


def chosen_trial(folder: Path) -> Path:
    return Path("trials") / content_of(folder)["chosen"]["trial"]


def flip(path: Path, at: float = 0.5) -> None:
    """One bit of a file, at that share of its length."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


def change(path: Path, **values: object) -> None:
    """Some fields of a JSON file, without a new digest."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_finished_run_is_whole(finished: Path) -> None:
    found = {state.file: state.state for state in check(finished)}
    assert set(found.values()) == {"whole", "not checked"}
    assert {name for name, state in found.items() if state == "not checked"} == {
        "report.html",
        "model.md",
        "full.md",
    }
    written = {path.relative_to(finished).as_posix() for path in finished.rglob("*") if path.is_file()}
    assert written - {".lock"} == set(found)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is no run folder, it has no run\.json"):
        check(tmp_path)


def test_a_flipped_bit_is_noticed_in_every_file(copied: Path) -> None:
    names = [state.file for state in check(copied) if state.state == "whole"]
    for name in names:
        before = (copied / name).read_bytes()
        flip(copied / name)
        damaged = states(copied, "damaged")
        assert name in damaged, name
        (copied / name).write_bytes(before)
    assert not states(copied, "damaged")


def test_missing_files_are_named(copied: Path) -> None:
    trial = chosen_trial(copied)
    for name in ("model.onnx", trial / "model.safetensors", trial / "bundle.json"):
        (copied / name).unlink()
    other = next(path for path in (copied / "trials").iterdir() if path.name != trial.name)
    (other / "trial.json").unlink()
    assert {
        f"{trial}/bundle.json",
        f"{trial}/model.safetensors",
        "model.onnx",
        f"trials/{other.name}/trial.json",
    } == set(states(copied, "missing"))


def test_a_damaged_file_is_made_anew_by_the_same_run_and_refused_by_others(copied: Path) -> None:
    before = (copied / "model.onnx").read_bytes()
    flip(copied / "model.onnx")
    for use in (OnnxModel, lambda path: subjects_of(path.parent)):
        with pytest.raises(ExportError, match=r"model\.onnx is damaged"):
            use(copied / "model.onnx")
    assert run(tiny(copied)).trained == 0
    assert OnnxModel(copied / "model.onnx").contract
    assert (copied / "model.onnx").stat().st_size == pytest.approx(len(before), rel=0.01)
    assert not states(copied, "damaged")


def test_predictions_that_the_weights_do_not_give_are_not_exported(copied: Path) -> None:
    """Both are what their digests say: the trial was put together from two."""
    content = content_of(copied)
    trials = [copied / "trials" / content[name]["trial"] for name in ("chosen", "full")]
    if trials[0] == trials[1]:
        trials[1] = copied / "trials" / next(c["trial"] for c in content["candidates"] if c["trial"] != trials[0].name)
    record, other = (json.loads((trial / "trial.json").read_text()) for trial in trials)
    record |= {key: other[key] for key in ("predictions", "predictions_sha256")}
    del record["content_sha256"]
    (trials[0] / "trial.json").write_text(json.dumps(record))
    with pytest.raises(RunFolderError, match=r"holds predictions of the val images that its weights don't give"):
        export(copied, ExportConfig())


Damage = Callable[[Path], None]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: change(f / "report.json", metric="auroc"), r"report\.json can't be trusted: it was changed"),
        (lambda f: (f / "report.json").write_text('{"schema": 1'), r"report\.json can't be read: it isn't JSON"),
        (lambda f: (f / "report.json").write_text('{"schema": 1}'), r"report\.json can't be trusted: the field"),
    ],
)
def test_a_damaged_report_is_not_shown(copied: Path, damage: Damage, sentence: str) -> None:
    damage(copied)
    with pytest.raises(RunFolderError, match=sentence):
        write_report(copied)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda f: change(f / "run.json", seed="one"), r"run\.json can't be trusted: it was changed"),
        (lambda f: change(f / "exports.json", files=[]), r"exports\.json can't be trusted"),
        (lambda f: change(f / "delivered.json", trials=["a", "b"]), r"delivered\.json can't be trusted"),
    ],
)
def test_a_run_does_not_go_on_from_what_was_changed(copied: Path, damage: Damage, sentence: str) -> None:
    damage(copied)
    with pytest.raises(RunFolderError, match=sentence):
        run(tiny(copied))


def test_weights_that_were_changed_are_not_exported(copied: Path) -> None:
    flip(copied / chosen_trial(copied) / "model.safetensors", at=0.9)
    with pytest.raises(RunFolderError, match=r"model\.safetensors is damaged"):
        export(copied, ExportConfig())


@pytest.mark.parametrize("file", ["model.safetensors", "bundle.json", "trial.json"])
@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["flipped", "gone"])
def test_a_fine_tune_of_a_damaged_model_is_done_again(copied: Path, file: str, damage: Damage) -> None:
    before, exported = run(tiny(copied)).report, (copied / "delivered.json").stat().st_mtime_ns
    path = copied / chosen_trial(copied) / file
    damage(path)
    events: list[Event] = []
    again = run(tiny(copied), watch=events.append)
    assert again.trained == 1
    assert {state.state for state in check(copied)} == {"whole", "not checked"}
    assert timeless(to_json(again.report)["chosen"]) == timeless(to_json(before)["chosen"])
    if path.name != "trial.json" or damage is flip:  # a trial without a record is one that hasn't been run
        said = f"{path} is damaged or gone: that fine-tune is done again, and files exported of it don't count"
        assert said in notes_in(events)
        assert (copied / "delivered.json").stat().st_mtime_ns > exported
    assert run(tiny(copied)).trained == 0


def test_a_trial_of_another_run_folder_is_noticed(copied: Path, tmp_path: Path) -> None:
    run(tiny(tmp_path / "other"), deliver=False)
    trial = chosen_trial(copied)
    shutil.rmtree(tmp_path / "other" / trial, ignore_errors=True)
    shutil.copytree(copied / trial, tmp_path / "other" / trial)
    assert f"{trial}/trial.json" in states(tmp_path / "other", "damaged")
    with pytest.raises(RunFolderError, match="it was made in another run folder; remove the folder of that trial"):
        run(tiny(tmp_path / "other"), deliver=False)
