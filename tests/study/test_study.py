from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from toy_work import record_of
from ttl.errors import RunFolderError
from ttl.finetune.epoch import Epoch
from ttl.study.folder import Study
from ttl.study.record import TrialRecord
from ttl.study.run_record import SCHEMA, DataRecord, Machine, RunRecord, WeightsRecord
from ttl.study.trial import trial_id
from ttl.typed import to_json, write_sealed
from ttl.words.estimate import Estimate

DEFINITION = {"point": "layer2.0", "seed": 0, "recipe": {"epochs": 3, "lr": 1e-4}}
IDENTITY = "0123456789ab"
RUN = RunRecord(
    schema=SCHEMA,
    command="ttl run Röntgen",
    config={"lr": 0.1, "out": None, "seeds": [0, 1]},
    seed=0,
    resolved={},
    data=DataRecord("f00d", "digits"),
    weights=WeightsRecord(None, "random"),
    versions={"ttl": "0.2"},
    hardware=Machine(cpu="a CPU", cores=2, gpu=None, platform="Linux", torch_threads=1),
    started="2026-01-01T00:00:00+00:00",
    id="this-folder",
)
EPOCH = Epoch(1, "all", 0.1, nan, 0.5, {"auprc": 0.9}, images_per_second=nan, seconds=1.0)
RECORD = record_of(
    IDENTITY,
    run=RUN.id,
    val={"auprc": Estimate(0.9, 0.8, nan)},
    curve=(EPOCH,),
    predictions={"val": np.array([[0.25, 0.75], [nan, nan]]), "test": np.array([[1 / 3, 2 / 3]])},
)

HOLDER = """
import sys
from pathlib import Path
from ttl.study.folder import Study
with Study(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "run")


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `folder`."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def write_model(folder: Path) -> Path:
    (folder / "model.bin").write_bytes(b"weights")
    return folder / "model.bin"


def same(one: TrialRecord | None, other: TrialRecord) -> bool:
    """Two records, NaN alike."""
    return one is not None and to_json(one) == to_json(other)


def names(folder: Path) -> set[str]:
    """Every file below `folder`, the lock left out."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def disk_full(*args: Any, **kwargs: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(path: Path, content: bytes) -> NoReturn:
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    disk_full()


FULL = r"The run folder .*run can't be written \(No space left on device\): make room and give the same command"

full_disks = pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [(os, "replace", disk_full), (Path, "write_bytes", disk_full), (Path, "write_bytes", half_written)],
    ids=["replace", "write", "half a write"],
)


class TestTrialId:
    def test_it_never_changes(self) -> None:
        """Changing it would orphan every trial on people's disks."""
        assert trial_id(DEFINITION) == "8032c0639c5f"
        turned = {"recipe": {"lr": 1e-4, "epochs": 3}, "seed": 0, "point": "layer2.0"}
        assert list(turned) != list(DEFINITION)
        assert trial_id(turned) == trial_id(DEFINITION)

    @pytest.mark.parametrize(
        "change", [{"seed": 1}, {"point": "layer2.1"}, {"recipe": {"epochs": 3, "lr": 2e-4}}, {"more": None}]
    )
    def test_it_depends_on_all_that_defines_the_trial(self, change: dict[str, Any]) -> None:
        assert trial_id({**DEFINITION, **change}) != trial_id(DEFINITION)

    def test_it_is_a_plain_file_name(self) -> None:
        assert re.fullmatch(r"[0-9a-f]{12}", trial_id({"name": "../é"}))


class TestFiles:
    def test_what_is_written_is_read_back(self, study: Study) -> None:
        assert study.run() is None
        assert study.trial(IDENTITY) is None
        assert not study.folder.exists()
        study.write("run.json", replace(RUN, seed=1))
        study.write("run.json", RUN)
        assert study.run() == RUN
        assert names(study.folder) == {"run.json"}

    @full_disks
    def test_a_write_on_a_full_disk_leaves_what_was_there(
        self, study: Study, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failure: Callable[..., NoReturn]
    ) -> None:
        study.write("run.json", RUN)
        with monkeypatch.context() as full:
            full.setattr(owner, name, failure)
            with pytest.raises(RunFolderError, match=FULL):
                study.write("run.json", replace(RUN, seed=1))
        assert study.run() == RUN
        assert names(study.folder) == {"run.json"}

    def test_content_that_is_no_json_leaves_what_was_there(self, study: Study) -> None:
        study.write("run.json", RUN)
        with pytest.raises(ValueError, match="Unable to serialize unknown type"):
            study.write("run.json", replace(RUN, config={"lr": object()}))
        assert study.run() == RUN
        assert names(study.folder) == {"run.json"}

    def test_of_several_processes_the_main_one_writes(self, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", "1")
        with study.held():
            study.write("run.json", RUN)
            assert study.add(RECORD, disk_full) is RECORD
        assert not study.folder.exists()


class TestTrials:
    def test_a_trial_is_there_with_its_files_and_digests(self, study: Study) -> None:
        study.write("run.json", RUN)
        checkpoint = study.checkpoint(IDENTITY)
        checkpoint.parent.mkdir()
        checkpoint.touch()
        added = study.add(RECORD, write_model)
        again = study.trial(IDENTITY)
        assert same(again, added)
        assert again is not None
        np.testing.assert_array_equal(again.predictions["val"], RECORD.predictions["val"])
        assert (again.value, again.reached, isnan(again.val["auprc"].ci_high)) == (0.9, 0.9, True)
        assert study.weights(again, "model.bin").read_bytes() == b"weights"
        trial = f"trials/{IDENTITY}"
        assert names(study.folder) == {"run.json", f"{trial}/trial.json", f"{trial}/model.bin"}

    def test_a_paused_one_has_reached_its_best_epoch(self) -> None:
        curve = tuple(replace(EPOCH, epoch=i, val={"auprc": score}) for i, score in enumerate((0.5, nan, 0.8), start=1))
        paused = replace(RECORD, status="paused", epochs=2, curve=curve)
        assert paused.reached == paused.best_until(2) == 0.5
        assert paused.best_until(3) == 0.8
        assert isnan(replace(paused, curve=()).reached)

    def test_the_record_is_written_after_the_model_and_out_of_sight(self, study: Study) -> None:
        def look(folder: Path) -> Path:
            assert not study.trial_folder(IDENTITY).exists()
            assert names(folder) == set()
            return write_model(folder)

        study.add(RECORD, look)
        assert study.trial(IDENTITY) is not None

    @pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), OSError("full")], ids=repr)
    def test_when_writing_the_model_fails_nothing_is_left(self, study: Study, error: BaseException) -> None:
        def fail(folder: Path) -> NoReturn:
            write_model(folder)
            raise error

        expected = RunFolderError if isinstance(error, OSError) else type(error)
        with pytest.raises(expected, match=r"broken|full|^$"):
            study.add(RECORD, fail)
        assert study.trial(IDENTITY) is None
        assert list((study.folder / "trials").iterdir()) == []

    @full_disks
    def test_a_trial_on_a_full_disk_leaves_nothing(
        self, study: Study, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failure: Callable[..., NoReturn]
    ) -> None:
        with monkeypatch.context() as full:
            full.setattr(owner, name, failure)
            with pytest.raises(RunFolderError, match=FULL):
                study.add(RECORD, write_model)
        assert study.trial(IDENTITY) is None
        assert list((study.folder / "trials").iterdir()) == []

    def test_one_whose_record_was_removed_can_be_run_again(self, study: Study) -> None:
        """Removing a damaged trial.json is what its error message advises."""
        study.add(RECORD, write_model)
        (study.trial_folder(IDENTITY) / "trial.json").unlink()
        again = study.add(replace(RECORD, seed=1), write_model)
        assert same(study.trial(IDENTITY), again)
        assert names(study.folder) == {f"trials/{IDENTITY}/trial.json", f"trials/{IDENTITY}/model.bin"}


class TestDamage:
    """Each kind of damage is one sentence that names the file, and the field where there is one."""

    @pytest.mark.parametrize(
        "content",
        [b"", b'{"a": 1', b"not json", b"\xff\xfe\x00", b"[1, 2]", b'"text"', b"null", b"{}"],
        ids=["empty", "cut off", "text", "binary", "a list", "a string", "null", "an object"],
    )
    @pytest.mark.parametrize("name", ["run.json", f"trials/{IDENTITY}/trial.json"])
    def test_a_file_of_something_else(self, study: Study, name: str, content: bytes) -> None:
        path = study.folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        with pytest.raises(
            RunFolderError, match=rf"^{re.escape(str(path))} can't be (read|trusted): .+: remove it, or"
        ):
            study.run() if name == "run.json" else study.trial(IDENTITY)

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("seed", None, "the field seed: "),
            ("seed", ..., "the field seed is missing"),
            ("epochs", "3", "the field epochs: "),
            ("epochs", 2.5, "the field epochs: "),
            ("status", "done", "the field status: "),
            ("notes", "a note", "the field notes: "),
            ("val", {"auprc": 0.9}, "the field val.auprc: "),
            ("val", {"auprc": {"value": "high"}}, "the field val.auprc.value: "),
            ("curve", [{"epoch": 1}], "the field curve.0.phase is missing"),
            ("predictions", {"val": None}, "the field predictions.val: should be lists of numbers"),
            ("predictions", {"val": "0.5"}, "the field predictions.val: should be lists of numbers"),
            ("predictions", {"val": [{}]}, "the field predictions.val: "),
            ("predictions", {"val": ["high"]}, "the field predictions.val: "),
            ("predictions", {"val": [[0.5], [0.5, 0.5]]}, "the field predictions.val: "),
            ("id", "ba9876543210", "it is of the trial ba9876543210; remove the folder of that trial"),
            ("run", "elsewhere", "it was made in another run folder; remove the folder of that trial"),
            ("predictions", {"val": [[0.26, 0.74]]}, "its predictions of val aren't those that were written; remove"),
            ("predictions_sha256", {"test": "0" * 64}, "its predictions of test aren't those that were written; "),
        ],
    )
    def test_a_trial_with_a_field_that_doesnt_fit(self, study: Study, field: str, value: Any, why: str) -> None:
        """Also where its own digest was made to fit."""
        study.write("run.json", RUN)
        content = to_json(study.add(RECORD, write_model))
        path = study.trial_folder(IDENTITY) / "trial.json"
        if value is ...:
            del content[field]
        else:
            content[field] = value
        write_sealed(path, content)
        sentence = f"{path} can't be trusted: {why}"
        with pytest.raises(RunFolderError, match=f"^{re.escape(sentence)}"):
            study.trial(IDENTITY)

    def test_a_record_that_was_changed(self, study: Study) -> None:
        study.add(RECORD, write_model)
        path = study.trial_folder(IDENTITY) / "trial.json"
        path.write_text(path.read_text().replace('"value": 0.9,', '"value": 0.91,'))
        with pytest.raises(RunFolderError, match=rf"^{re.escape(str(path))} can't be trusted: it was changed after it"):
            study.trial(IDENTITY)

    def test_weights_that_were_changed(self, study: Study) -> None:
        record = study.add(RECORD, write_model)
        path = study.trial_folder(IDENTITY) / "model.bin"
        path.write_bytes(b"weighty")
        with pytest.raises(RunFolderError, match=r"model\.bin can't be trusted: its bytes aren't those that were writ"):
            study.weights(record, "model.bin")

    def test_a_trial_of_version_0_1_has_no_digests(self, study: Study) -> None:
        content = to_json(study.add(RECORD, write_model))
        for key in ("weights_sha256", "predictions_sha256", "run"):
            del content[key]
        (study.trial_folder(IDENTITY) / "trial.json").write_text(json.dumps(content))
        record = study.trial(IDENTITY)
        assert record is not None
        assert study.weights(record, "model.bin").is_file()

    def test_a_trial_folder_copied_from_another_run_is_noticed(self, study: Study, tmp_path: Path) -> None:
        study.write("run.json", RUN)
        study.add(RECORD, write_model)
        other = Study(tmp_path / "other")
        other.write("run.json", replace(RUN, id="other-folder"))
        shutil.copytree(study.trial_folder(IDENTITY), other.trial_folder(IDENTITY))
        with pytest.raises(RunFolderError, match=r"trial\.json can't be trusted: it was made in another run folder; "):
            other.trial(IDENTITY)


class TestHolding:
    def test_it_sweeps_what_an_interrupted_process_left(self, study: Study) -> None:
        study.add(RECORD, write_model)
        study.write("run.json", RUN)
        study.checkpoint("ba9876543210").touch()
        kept = names(study.folder)
        for folder in (study.folder, study.folder / "trials", study.folder / "cache"):
            left = folder / ".something.4711.0123abcd.part"
            left.mkdir(parents=True)
            write_model(left)
            (folder / ".file.json.4711.0123abcd.part").write_text("{")
        with study.held():
            assert names(study.folder) == kept
            (study.folder / "trials" / ".late.4711.0123abcd.part").mkdir()  # of a worker that is killed
        assert not list(study.folder.rglob("*.part"))

    def test_a_folder_can_be_held_again_and_again_and_beside_another(self, study: Study, tmp_path: Path) -> None:
        for _ in range(2):
            with study.held(), Study(tmp_path / "b").held():
                assert (study.folder / ".lock").read_text() == str(os.getpid())

    def test_a_failure_while_holding_comes_through_and_lets_go(self, study: Study) -> None:
        with pytest.raises(OSError, match="No space left"), study.held():
            disk_full()
        with study.held():
            assert study.folder.is_dir()

    def test_a_second_process_is_refused_until_the_holder_is_killed(self, study: Study) -> None:
        with holding(study.folder) as holder:
            left = study.folder / "trials" / f".{IDENTITY}.{holder.pid}.0123abcd.part"
            left.mkdir(parents=True)
            sentence = (
                f"The run folder {study.folder} is in use by process {holder.pid}: wait for it, or name another with "
                "--out"
            )
            with pytest.raises(RunFolderError, match=f"^{re.escape(sentence)}$"), study.held():
                pytest.fail("the folder was held twice")
            assert left.is_dir(), "the work of the holder was swept away"
            holder.kill()
            holder.wait()
            with study.held():
                assert (study.folder / ".lock").read_text() == str(os.getpid())
                assert not left.exists()

    def test_a_folder_whose_name_is_a_file_cannot_be_held_or_written(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("a file")
        sentence = r"The run folder .*run can't be written \(File exists\): name another"
        with pytest.raises(RunFolderError, match=sentence), Study(tmp_path / "run").held():
            pytest.fail("a file was held")
        study = Study(tmp_path / "run" / "run")
        with pytest.raises(RunFolderError, match=r"run can't be written \(Not a directory\)"):
            study.write("run.json", RUN)
        with pytest.raises(RunFolderError, match=r"run can't be written \(Not a directory\)"):
            study.add(RECORD, write_model)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on an always full disk")
    def test_a_folder_on_a_full_disk_cannot_be_held(self, study: Study) -> None:
        study.folder.mkdir()
        (study.folder / ".lock").symlink_to("/dev/full")
        with pytest.raises(RunFolderError, match=r"The run folder .*run can't be written"), study.held():
            pytest.fail("held without a lock")

    def test_a_disk_that_fills_up_while_the_folder_is_taken(self, tmp_path: Path) -> None:
        """In a process of its own, whose files may hold no byte: the limit would stop pytest too."""
        script = (
            "import resource, signal, sys\n"
            "from pathlib import Path\n"
            "from ttl.errors import RunFolderError\n"
            "from ttl.study.folder import Study\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
            "try:\n"
            "    with Study(Path(sys.argv[1])).held():\n"
            "        pass\n"
            "except RunFolderError as error:\n"
            "    print(error)\n"
        )
        command = [sys.executable, "-c", script, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "can't be written (File too large): make room" in done.stdout, done.stderr
