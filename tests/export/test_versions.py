from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = {f"{name}{end}" for name in ("fp32", "fp16", "int8", "pixels") for end in ("", "-embedded")}


def run(name: str, folder: Path) -> int:
    """Call a script with a folder, as `make test-onnxruntime` does; its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, str(folder)])
        try:
            runpy.run_path(str(HERE / name), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    assert run("write_files.py", path) == 0
    return path


def test_the_documentation_names_the_oldest_and_the_newest_that_files_are_tested_with() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.findall(r"^onnxruntime==(.+)$", pins, re.MULTILINE) == [ort.__version__]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (oldest,) = re.findall(r"^OLDEST_ONNXRUNTIME := (.+)$", makefile, re.MULTILINE)
    tested = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"| onnxruntime, CPU | {oldest} and {ort.__version__}, on" in tested


def test_the_files_give_again_what_they_gave(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {path.stem for path in folder.glob("*.onnx")} == KINDS
    assert run("run_elsewhere.py", folder) == 0
    assert len(re.findall(r"\(allowed ", capsys.readouterr().out)) == len(KINDS)
    for name in KINDS:
        assert all(np.ptp(values) > 0 for values in np.load(folder / f"{name}.npz").values() if values.size > 3)


def test_what_differs_or_cannot_be_run_is_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("fp32", "int8"):
        (tmp_path / f"{name}.onnx").write_bytes((folder / f"{name}.onnx").read_bytes())
    stored = dict(np.load(folder / "fp32.npz"))
    np.savez(tmp_path / "fp32.npz", **(stored | {"out1": stored["out1"] * 1.001}))
    np.savez(tmp_path / "int8.npz", in0=np.zeros((1, 3, 5, 5), np.float32), out0=np.zeros((1, 3), np.float32))
    assert run("run_elsewhere.py", tmp_path) == 1
    out = capsys.readouterr().out
    assert re.search(r"^fp32 +1\.0e-03 of the largest output", out, re.MULTILINE)
    assert re.search(r"^int8 +fails: ", out, re.MULTILINE)
    assert run("run_elsewhere.py", tmp_path / "nothing") == 1
