from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from ttl.export.versions import NEWEST, OLDEST

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = {f"{name}{end}" for name in ("fp32", "fp16", "int8", "pixels") for end in ("", "-embedded")}


def script(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, HERE / name, folder], capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    done = script("write_files.py", path)
    assert done.returncode == 0, done.stderr
    return path


def test_the_newest_is_the_one_that_the_tests_run_with() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.findall(r"^onnxruntime==(.+)$", pins, re.MULTILINE) == [NEWEST] == [ort.__version__]
    assert [int(part) for part in OLDEST.split(".")] < [int(part) for part in NEWEST.split(".")]


def test_the_files_give_again_what_they_gave(folder: Path) -> None:
    assert {path.stem for path in folder.glob("*.onnx")} == KINDS
    done = script("run_elsewhere.py", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"\(allowed ", done.stdout)) == len(KINDS)
    for name in KINDS:
        assert all(np.ptp(values) > 0 for values in np.load(folder / f"{name}.npz").values() if values.size > 3)


def test_what_differs_or_cannot_be_run_is_told(folder: Path, tmp_path: Path) -> None:
    for name in ("fp32", "int8"):
        (tmp_path / f"{name}.onnx").write_bytes((folder / f"{name}.onnx").read_bytes())
    stored = dict(np.load(folder / "fp32.npz"))
    np.savez(tmp_path / "fp32.npz", **(stored | {"out1": stored["out1"] * 1.001}))
    np.savez(tmp_path / "int8.npz", in0=np.zeros((1, 3, 5, 5), np.float32), out0=np.zeros((1, 3), np.float32))
    done = script("run_elsewhere.py", tmp_path)
    assert done.returncode == 1
    assert re.search(r"^fp32 +1\.0e-03 of the largest output", done.stdout, re.MULTILINE)
    assert re.search(r"^int8 +fails: ", done.stdout, re.MULTILINE)
    assert script("run_elsewhere.py", tmp_path / "nothing").returncode == 1
