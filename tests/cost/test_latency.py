from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from ttl.cost.latency import Timings, bench, latency_rows
from ttl.cost.rounds import Rounds
from ttl.cost.session import Hardware, available_threads, hardware, open_session
from ttl.errors import ExportError, UsageError

MACHINE = Hardware(cpu="a cpu", cores=2, system="a system", onnxruntime="1.0", load_average=(0.0, 0.0, 0.0))


@dataclass
class Ratio:
    value: float
    ci_low: float
    ci_high: float


def median_ratio(a: np.ndarray, b: np.ndarray) -> Ratio:
    per_round = a / b
    return Ratio(float(np.median(per_round)), float(per_round.min()), float(per_round.max()))


def timings(**times_ms: list[float]) -> Timings:
    arrays = {name: np.array(times) for name, times in times_ms.items()}
    return Timings(Rounds(arrays, 10, True, 1.0), 1, 2, MACHINE)


def test_percentiles() -> None:
    (row,) = latency_rows(timings(a=list(range(1, 102))), reference=None, ratio=median_ratio)
    assert (row.p50_ms, row.p90_ms, row.runs) == (51.0, 91.0, 101)
    assert (row.ratio_to_full, row.ratio_ci) == (None, None)
    assert (row.runtime, row.device, row.batch, row.threads) == ("onnxruntime 1.0", "cpu", 1, 2)


@pytest.mark.parametrize(("runs", "given"), [(63, False), (64, True)])
def test_p90_needs_64_runs(runs: int, given: bool) -> None:
    (row,) = latency_rows(timings(a=[1.0] * runs), reference=None, ratio=median_ratio)
    assert (row.p90_ms is not None) == given


def test_ratio_is_paired_by_round() -> None:
    """The machine slows down eightfold on the way; in each round the small model takes half as long."""
    rows = latency_rows(timings(small=[1.0, 2.0, 8.0], full=[2.0, 4.0, 16.0]), reference="full", ratio=median_ratio)
    assert (rows[0].ratio_to_full, rows[0].ratio_ci) == (0.5, (0.5, 0.5))
    assert (rows[1].ratio_to_full, rows[1].ratio_ci) == (1.0, None)


def test_unknown_reference() -> None:
    with pytest.raises(UsageError, match="No model is called 'full': the reference is one of a, b"):
        latency_rows(timings(a=[1.0], b=[1.0]), reference="full", ratio=median_ratio)


def relu_file(path: Path, dims: list[int | str], kind: int = TensorProto.FLOAT, inputs: int = 1) -> Path:
    names = [f"x{i}" for i in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("Identity" if inputs == 1 else "Sum", names, ["y"])],
        "foreign",
        [helper.make_tensor_value_info(name, kind, dims) for name in names],
        [helper.make_tensor_value_info("y", kind, dims)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize(
    ("dims", "kind"),
    [
        (["n", 3, 4, 4], TensorProto.FLOAT),
        (["n", 3, "h", "w"], TensorProto.FLOAT),
        (["n", "c", "h", "w"], TensorProto.FLOAT),
        ([2, 1, 4, 4], TensorProto.FLOAT16),
        (["n", 7], TensorProto.DOUBLE),
    ],
)
def test_foreign_files_are_fed_what_they_declare(dims: list[int | str], kind: int, tmp_path: Path) -> None:
    path = relu_file(tmp_path / "a.onnx", dims, kind)
    result = bench({"a": path, "again": path}, batch=2, runs=5, threads=1, image_size=6)
    assert {name: len(times) for name, times in result.rounds.times_ms.items()} == {"a": 5, "again": 5}
    assert (result.batch, result.threads) == (2, 1)
    assert all((times > 0).all() for times in result.rounds.times_ms.values())


def test_threads_are_those_of_the_cpuset_and_hardware_is_recorded(tmp_path: Path) -> None:
    result = bench({"a": relu_file(tmp_path / "a.onnx", ["n", 3, 4, 4])}, runs=5)
    assert result.threads == available_threads() == result.hardware.cores
    assert result.hardware.onnxruntime == onnxruntime.__version__
    assert hardware().cpu


def test_sessions_stop_spinning_between_runs(tmp_path: Path) -> None:
    options = open_session(relu_file(tmp_path / "a.onnx", ["n", 3]), threads=1).get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.force_spinning_stop") == "1"


def test_own_images_are_used(tmp_path: Path) -> None:
    path = relu_file(tmp_path / "a.onnx", ["n", 3, 4, 4])
    images = np.zeros((1, 3, 4, 4), np.float32)
    assert len(bench({"a": path}, runs=5, inputs={"a": images}).rounds.times_ms["a"]) == 5
    with pytest.raises(UsageError, match=r"a takes images of shape \(2, 3, 4, 4\) and was given \(1, 3, 4, 4\)"):
        bench({"a": path}, batch=2, inputs={"a": images})


@pytest.mark.parametrize(
    ("dims", "options", "message"),
    [
        ([4, 3, 2, 2], {}, "a takes batches of 4 only: it can't be timed at batch 1"),
        (["n", 3, "h", "w"], {}, r"a takes tensors of shape \['n', 3, 'h', 'w'\].*give --image-size"),
        (["n", 3], {"batch": 0}, "batch is 0: it must be above 0"),
        (["n", 3], {"runs": 0}, "runs is 0"),
        (["n", 3], {"threads": 10_000}, "10000 threads can't be used: this process has"),
        (["n", 3], {"threads": 0}, "0 threads can't be used"),
    ],
)
def test_options_that_make_no_sense(
    dims: list[int | str], options: dict[str, int], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        bench({"a": relu_file(tmp_path / "a.onnx", dims)}, **options)  # type: ignore[arg-type]


def test_models_that_take_something_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a takes x0 tensor\(int64\).*only models with one float tensor"):
        bench({"a": relu_file(tmp_path / "a.onnx", ["n", 3], TensorProto.INT64)})
    with pytest.raises(UsageError, match=r"two takes x0 .*, x1 .*only models with one float tensor"):
        bench({"two": relu_file(tmp_path / "b.onnx", ["n", 3], inputs=2)})
    with pytest.raises(UsageError, match="There is nothing to time"):
        bench({})


def test_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("not a model")
    with pytest.raises(ExportError, match="can't be run as an ONNX model"):
        bench({"m": tmp_path / "m.onnx"})
