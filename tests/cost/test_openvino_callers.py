"""IR files are opened and called like ONNX files, in OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toy_timed import onnx_file
from ttl.cost.bench import bench
from ttl.cost.callers import open_callers
from ttl.cost.openvino_session import open_ir, weights_of
from ttl.cost.subject import CUDA, OPENVINO, Setting, Subject
from ttl.errors import ExportError, LatencyError, UsageError

openvino = pytest.importorskip("openvino", reason="OpenVINO isn't installed")
pytestmark = pytest.mark.consumers


def ir(path: Path, dims: list[int | str], inputs: int = 1) -> Path:
    openvino.save_model(openvino.convert_model(str(onnx_file(path.with_suffix(".onnx"), dims, inputs=inputs))), path)
    return path


def opened(path: Path, **setting: object) -> tuple[str, str]:
    subject = Subject(path.name, path, OPENVINO)
    (caller,) = open_callers(subject, Setting(**{"batch": 2, "threads": 1} | setting), np.random.default_rng(0))
    caller.call()
    return caller.runtime, caller.device


def test_one_is_opened_and_called(tmp_path: Path) -> None:
    path = ir(tmp_path / "x.xml", ["n", 3, "h", "w"])
    version = openvino.__version__.partition("-")[0]
    assert opened(path, sides=(4, 6)) == (f"OpenVINO {version}", "cpu")
    with pytest.raises(UsageError, match=r"x\.xml takes tensors of shape \[None, 3, None, None\], of any size"):
        opened(path)
    with pytest.raises(LatencyError, match="OpenVINO is timed on the cpu, and not on cuda"):
        opened(path, device=CUDA)
    np.testing.assert_array_equal(open_ir(path, threads=1)(np.ones((1, 3, 2, 2), np.float32))[0], -1)


def test_what_has_two_inputs_or_another_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only models with one float tensor of images can be timed"):
        opened(ir(tmp_path / "two.xml", [2, 3, 4, 4], inputs=2))
    with pytest.raises(UsageError, match=r"one\.xml takes batches of 1 only"):
        opened(ir(tmp_path / "one.xml", [1, 3, 4, 4]))


def test_a_damaged_one_is_one_sentence(tmp_path: Path) -> None:
    path = ir(tmp_path / "x.xml", [2, 3, 4, 4])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ExportError, match=r"x\.xml can't be run by OpenVINO: \S.*"):
        opened(path)
    weights_of(path).unlink()
    with pytest.raises(ExportError, match=r"x\.bin can't be read: No such file"):
        opened(path)


def test_weights_are_found_while_files_have_other_names(tmp_path: Path) -> None:
    assert weights_of(tmp_path / "m.xml.d" / "m.openvino.xml") == tmp_path / "m.xml.d" / "m.openvino.bin"
    assert weights_of(Path(".m.xml.12.ab.part")) == Path(".m.bin.12.ab.part")


def test_each_library_is_timed_by_itself(tmp_path: Path) -> None:
    path = ir(tmp_path / "x.xml", [1, 3, 4, 4])
    said: list[str] = []
    subjects = [Subject("a", path, OPENVINO), Subject("b", path.with_suffix(".onnx"))]
    measured = bench(subjects, threads=[1], runs=5, processes=1, seconds=1, inspect=False, tell=said.append)
    assert [times.runtime.partition(" ")[0] for times in measured.times] == ["onnxruntime", "OpenVINO"]
    assert all(times.runs >= 5 for times in measured.times)
    assert said == [f"{name}, batch 1, threads 1: process 1 of 1" for name in ("onnxruntime", "OpenVINO")]
