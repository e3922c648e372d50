"""`ttl check` on a small run folder: whole, and with files that were damaged, removed or copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from toy_timed import onnx_file
from ttl.cli import app
from ttl.deliver.file_record import EXPORTS, Exports, FileRecord
from ttl.export.digest import seal
from ttl.files import sha256
from ttl.run.trial_run import JOINT_WEIGHTS
from ttl.study.folder import RUN, TRIAL, TRIALS, Study
from ttl.study.run_record import DataRecord, Machine, RunRecord, WeightsRecord
from ttl.typed import SEAL, digest_of

from .events import finished

TRIAL_FILE, WEIGHTS = f"{TRIALS}/stem-0/{TRIAL}", f"{TRIALS}/stem-0/{JOINT_WEIGHTS}"

RECORDED = {TRIAL_FILE: WEIGHTS, EXPORTS: "model.onnx"}
"""What can't be trusted either where the file that has its digest can't."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a trial, an exported file, a picture and a page."""
    folder = tmp_path_factory.mktemp("check") / "run"
    study, none = Study(folder), "0" * 64
    machine, data, weights = Machine("a", 2, None, "linux", 1), DataRecord(none, "cells"), WeightsRecord(None, "none")
    study.write(RUN, RunRecord(2, "ttl run", {}, 0, {}, data, weights, {}, machine, "2026-01-01", id="first"))

    def write_weights(part: Path) -> Path:
        (part / JOINT_WEIGHTS).write_bytes(bytes(range(64)))
        return part / JOINT_WEIGHTS

    scores = {"val": np.array([0.25, 0.75])}
    study.add(replace(finished().record, run="first", heads=("stem",), predictions=scores), write_weights)
    path = onnx_file(folder / "model.onnx", [1, 3, 4, 4])
    path.write_bytes(seal(path.read_bytes(), {"ttl.cut": '"stem"'}))
    record = FileRecord(file=path.name, state="passed", precision="fp32", trial="stem-0", sha256=sha256(path))
    study.write(EXPORTS, Exports({path.name: record}))
    Image.new("L", (8, 8), 99).save(folder / "seen.png")
    (folder / "report.html").write_text("<h1>A page</h1>")
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy, for tests that damage it."""
    return shutil.copytree(written, tmp_path / "run")


def checked(folder: Path) -> tuple[int, dict[str, str]]:
    """The exit status, and file -> state and why."""
    result = CliRunner().invoke(app, ["check", str(folder), "--json"])
    return result.exit_code, {row["file"]: f"{row['state']}: {row['why']}" for row in json.loads(result.stdout)}


def test_a_whole_folder_is_listed_file_by_file_and_summed(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    result = CliRunner().invoke(app, ["check", str(written)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"whole        {EXPORTS}",
        "whole        model.onnx",
        "not checked  report.html: `ttl report` makes it anew",
        f"whole        {RUN}",
        "whole        seen.png",
        f"whole        {WEIGHTS}",
        f"whole        {TRIAL_FILE}",
        "",
        "7 files: 6 whole, 1 not checked.",
    ]
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


def flip(at: int) -> Callable[[Path], None]:
    """Change one byte, and not how many there are."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return damage


def other_number(path: Path) -> None:
    """A figure of a JSON file, made a better one by hand."""
    path.write_text(path.read_text().replace("0.5", "0.9"))


def no_number(path: Path) -> None:
    """A value that JSON hasn't, under a digest that fits."""
    content = json.loads(path.read_text())
    del content[SEAL]
    content["found"] = float("nan")
    path.write_text(json.dumps({**content, SEAL: digest_of(content)}, indent=1))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("name", "damage", "state"),
    [
        (WEIGHTS, flip(7), "damaged: its bytes aren't those that were written"),
        (TRIAL_FILE, other_number, "was changed after it was written"),
        (TRIAL_FILE, cut_short, "it isn't JSON"),
        (TRIAL_FILE, no_number, "it isn't JSON (NaN is no number in it)"),
        ("model.onnx", flip(-3), "its bytes aren't those that were exported"),
        ("model.onnx", lambda path: onnx_file(path, [1, 3, 8, 8]), "its bytes aren't those that passed the checks"),
        ("seen.png", flip(40), "damaged: "),
        (EXPORTS, lambda path: path.write_text("{}"), "the field files is missing"),
        (WEIGHTS, Path.unlink, "missing: remove the folder, and give the same command again"),
        ("model.onnx", Path.unlink, f"missing: {EXPORTS} has it: `ttl export` or the same `ttl run` makes it anew"),
    ],
)
def test_a_damaged_or_missing_file_is_named_and_the_command_fails(
    folder: Path, name: str, damage: Callable[[Path], object], state: str
) -> None:
    damage(folder / name)
    status, states = checked(folder)
    assert status == 1
    assert state in states[name]
    bad = [file for file, words in states.items() if words.startswith(("damaged", "missing"))]
    assert {name} <= set(bad) <= {name, RECORDED.get(name)}
    last = CliRunner().invoke(app, ["check", str(folder)]).stdout.splitlines()[-1]
    assert last.startswith(f"{len(states)} files: {len(states) - 1 - len(bad)} whole, ")


def test_a_trial_of_another_run_folder_is_noticed(folder: Path, written: Path) -> None:
    study = Study(folder)
    run = study.run()
    assert run is not None
    study.write(RUN, replace(run, id="second"))
    status, states = checked(folder)
    assert status == 1
    assert "made in another run folder" in states[TRIAL_FILE]


def test_a_folder_of_no_run_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"ttl: {tmp_path} is no run folder, it has no {RUN}: give the folder of a run\n"
