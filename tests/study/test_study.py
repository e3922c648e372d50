from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ttl.errors import RunFolderError
from ttl.study.folder import Study, trial_id

DEFINITION = {"point": "layer2.0", "seed": 0, "recipe": {"epochs": 3, "lr": 1e-4}}
IDENTITY = "0123456789ab"
RECORD = {"point": "layer2.0", "score": 0.9}

HOLDER = """
import sys
from pathlib import Path
from ttl.study.folder import Study
with Study(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""

TRIER = """
import sys
from pathlib import Path
from ttl.errors import RunFolderError
from ttl.study.folder import Study
try:
    with Study(Path(sys.argv[1])).held():
        print("held")
except RunFolderError as error:
    print(error)
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


def write_model(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weights")


def names(folder: Path) -> set[str]:
    """Every file below `folder`, the lock left out."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def disk_full(*args: Any, **kwargs: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_written(path: Path, text: str, **kwargs: Any) -> NoReturn:
    path.write_bytes(text[: len(text) // 2].encode())
    disk_full()


FULL = r"The run folder .*run can't be written \(No space left on device\): make room and give the same command"

full_disks = pytest.mark.parametrize(
    ("owner", "name", "failure"),
    [(os, "replace", disk_full), (Path, "write_text", disk_full), (Path, "write_text", half_written)],
    ids=["replace", "write", "half a write"],
)


def test_trial_id_never_changes() -> None:
    """Changing it would orphan every trial on people's disks."""
    assert trial_id(DEFINITION) == "8032c0639c5f"


def test_trial_id_does_not_depend_on_the_order_of_keys() -> None:
    turned = {"recipe": {"lr": 1e-4, "epochs": 3}, "seed": 0, "point": "layer2.0"}

    assert list(turned) != list(DEFINITION)
    assert trial_id(turned) == trial_id(DEFINITION)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"point": "layer2.1"}, {"recipe": {"epochs": 3, "lr": 2e-4}}, {"more": None}]
)
def test_trial_id_depends_on_all_that_defines_the_trial(change: dict[str, Any]) -> None:
    assert trial_id({**DEFINITION, **change}) != trial_id(DEFINITION)


def test_trial_id_is_a_plain_file_name() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", trial_id({"name": "../é"}))


def test_what_is_written_is_read_back(study: Study) -> None:
    content = {"name": "Röntgen", "values": [1, 0.1, None], "nested": {"a": True}}

    study.write("run.json", content)

    assert study.read("run.json") == content
    assert names(study.folder) == {"run.json"}


def test_a_file_that_is_not_there_reads_as_none(study: Study) -> None:
    assert study.read("run.json") is None
    assert study.trial(IDENTITY) is None
    assert not study.folder.exists()


def test_writing_again_replaces(study: Study) -> None:
    study.write("run.json", {"a": 1})
    study.write("run.json", {"b": 2})

    assert study.read("run.json") == {"b": 2}


@full_disks
def test_a_write_on_a_full_disk_leaves_what_was_there(
    study: Study, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failure: Callable[..., NoReturn]
) -> None:
    study.write("run.json", {"a": 1})

    with monkeypatch.context() as full:
        full.setattr(owner, name, failure)
        with pytest.raises(RunFolderError, match=FULL):
            study.write("run.json", {"b": 2})

    assert study.read("run.json") == {"a": 1}
    assert names(study.folder) == {"run.json"}


def test_content_that_is_no_json_leaves_what_was_there(study: Study) -> None:
    study.write("run.json", {"a": 1})

    with pytest.raises(ValueError, match="not JSON compliant"):
        study.write("run.json", {"b": float("nan")})

    assert study.read("run.json") == {"a": 1}
    assert names(study.folder) == {"run.json"}


@pytest.mark.parametrize(
    "content",
    [b"", b'{"a": 1', b"not json", b"\xff\xfe\x00", b"[1, 2]", b'"text"', b"null"],
    ids=["empty", "cut off", "text", "binary", "a list", "a string", "null"],
)
@pytest.mark.parametrize("name", ["run.json", f"trials/{IDENTITY}/trial.json"])
def test_a_damaged_file_is_named(study: Study, name: str, content: bytes) -> None:
    path = study.folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    with pytest.raises(RunFolderError, match=rf"{re.escape(str(path))} can't be read \(.+\): remove it, or"):
        study.read(name)


def test_a_trial_is_there_with_its_files(study: Study) -> None:
    study.add(IDENTITY, RECORD, write_model)

    assert study.trial(IDENTITY) == RECORD
    assert (study.trial_folder(IDENTITY) / "model.bin").read_bytes() == b"weights"
    assert names(study.folder) == {f"trials/{IDENTITY}/trial.json", f"trials/{IDENTITY}/model.bin"}


def test_the_record_is_written_after_the_model_and_out_of_sight(study: Study) -> None:
    def look(folder: Path) -> None:
        write_model(folder)
        assert not study.trial_folder(IDENTITY).exists()
        assert names(folder) == {"model.bin"}

    study.add(IDENTITY, RECORD, look)

    assert study.trial(IDENTITY) == RECORD


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()], ids=repr)
def test_when_writing_the_model_fails_nothing_is_left(study: Study, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        write_model(folder)
        raise error

    with pytest.raises(type(error)):
        study.add(IDENTITY, RECORD, fail)

    assert study.trial(IDENTITY) is None
    assert list((study.folder / "trials").iterdir()) == []


def test_no_room_for_the_model_leaves_nothing(study: Study) -> None:
    def fail(folder: Path) -> None:
        write_model(folder)
        disk_full()

    with pytest.raises(RunFolderError, match=FULL):
        study.add(IDENTITY, RECORD, fail)

    assert list((study.folder / "trials").iterdir()) == []


@full_disks
def test_a_trial_on_a_full_disk_leaves_nothing(
    study: Study, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, failure: Callable[..., NoReturn]
) -> None:
    with monkeypatch.context() as full:
        full.setattr(owner, name, failure)
        with pytest.raises(RunFolderError, match=FULL):
            study.add(IDENTITY, RECORD, write_model)

    assert study.trial(IDENTITY) is None
    assert list((study.folder / "trials").iterdir()) == []


def test_a_record_that_is_no_json_leaves_nothing(study: Study) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        study.add(IDENTITY, {"score": float("nan")}, write_model)

    assert list((study.folder / "trials").iterdir()) == []


def test_a_trial_whose_record_was_removed_can_be_run_again(study: Study) -> None:
    """Removing a damaged trial.json is what its error message advises."""
    study.add(IDENTITY, RECORD, write_model)
    (study.trial_folder(IDENTITY) / "trial.json").unlink()

    study.add(IDENTITY, {"score": 0.1}, write_model)

    assert study.trial(IDENTITY) == {"score": 0.1}
    assert names(study.folder) == {f"trials/{IDENTITY}/trial.json", f"trials/{IDENTITY}/model.bin"}


def test_holding_sweeps_what_an_interrupted_process_left(study: Study) -> None:
    study.add(IDENTITY, RECORD, write_model)
    study.write("run.json", {"a": 1})
    kept = names(study.folder)
    left = study.folder / "trials" / ".ba9876543210.4711.part"
    left.mkdir()
    write_model(left)
    (study.folder / ".run.json.4711.part").write_text("{", encoding="utf-8")

    with study.held():
        assert names(study.folder) == kept
        assert not left.exists()


def test_a_folder_can_be_held_again_and_again(study: Study) -> None:
    for _ in range(2):
        with study.held():
            assert (study.folder / ".lock").read_text() == str(os.getpid())


def test_a_failure_while_holding_comes_through_and_lets_go(study: Study) -> None:
    with pytest.raises(OSError, match="No space left"), study.held():
        disk_full()

    with study.held():
        assert study.folder.is_dir()


def test_two_folders_can_be_held_at_once(tmp_path: Path) -> None:
    with Study(tmp_path / "a").held(), Study(tmp_path / "b").held():
        assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}


def test_a_second_process_is_told_who_holds_the_folder(study: Study) -> None:
    with study.held():
        command = [sys.executable, "-c", TRIER, str(study.folder)]
        second = subprocess.run(command, capture_output=True, text=True, check=True)

    assert second.stdout.strip() == (
        f"The run folder {study.folder} is in use by process {os.getpid()}: wait for it, or name another with --out"
    )


def test_the_folder_is_free_once_its_holder_is_killed(study: Study) -> None:
    with holding(study.folder) as holder:
        left = study.folder / "trials" / f".{IDENTITY}.{holder.pid}.part"
        left.mkdir(parents=True)
        with pytest.raises(RunFolderError, match=f"is in use by process {holder.pid}: wait"), study.held():
            pytest.fail("the folder was held twice")
        assert left.is_dir(), "the work of the holder was swept away"

        holder.kill()
        holder.wait()

        with study.held():
            assert (study.folder / ".lock").read_text() == str(os.getpid())
            assert not left.exists()


def test_a_folder_whose_name_is_a_file_cannot_be_held(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")

    with (
        pytest.raises(RunFolderError, match=r"The run folder .*run can't be written \(File exists\): name another"),
        Study(tmp_path / "run").held(),
    ):
        pytest.fail("a file was held")


def test_a_folder_in_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    study = Study(tmp_path / "file" / "run")

    with pytest.raises(RunFolderError, match=r"run can't be written \(Not a directory\)"):
        study.write("run.json", {})
    with pytest.raises(RunFolderError, match=r"run can't be written \(Not a directory\)"):
        study.add(IDENTITY, RECORD, write_model)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on an always full disk")
def test_a_folder_on_a_full_disk_cannot_be_held(study: Study) -> None:
    study.folder.mkdir()
    (study.folder / ".lock").symlink_to("/dev/full")

    with pytest.raises(RunFolderError, match=r"The run folder .*run can't be written"), study.held():
        pytest.fail("held without a lock")


def test_a_disk_that_fills_up_while_the_folder_is_taken(tmp_path: Path) -> None:
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
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "can't be written (File too large): make room" in done.stdout, done.stderr
