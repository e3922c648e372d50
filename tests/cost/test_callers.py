from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto

import toy_timed
from toy_timed import onnx_file
from ttl.cost import callers, torch_callers
from ttl.cost.callers import BOUND, COPIES, open_callers
from ttl.cost.subject import COMPILED, CUDA, EAGER, Setting, Subject
from ttl.errors import LatencyError, UsageError

RNG = np.random.default_rng(0)


class FakeSession:
    """A session on a GPU that writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="image", type="tensor(float)", shape=["n", 3, 4, 4])]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="logits"), SimpleNamespace(name="more")]

    def run(self, outputs: None, feed: dict[str, Any]) -> None:
        self.asked.append(("run", feed["image"].shape))

    def run_with_iobinding(self, binding: object) -> None:
        self.asked.append(("run bound", binding is self))

    def io_binding(self) -> FakeSession:
        return self

    def bind_ortvalue_input(self, name: str, value: Any) -> None:
        self.asked.append(("bind input", name, value))

    def bind_output(self, name: str, device: str, number: int) -> None:
        self.asked.append(("bind output", name, device, number))

    def synchronize_inputs(self) -> None:
        self.asked.append("inputs are there")

    def synchronize_outputs(self) -> None:
        self.asked.append("outputs are there")


def test_on_cuda_with_copies_and_with_what_stays_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeSession()
    on_gpu = SimpleNamespace(ortvalue_from_numpy=lambda array, device, number: (array.shape, device, number))
    monkeypatch.setattr(callers, "open_session", lambda path, threads, device: fake)
    monkeypatch.setattr(callers.ort, "OrtValue", on_gpu)
    copies, bound = open_callers(Subject("a", Path("a.onnx")), Setting(2, 1, CUDA), RNG)
    assert (copies.device, bound.device) == ("cuda, copies", "cuda, io-binding")
    assert fake.asked == [
        ("bind input", "image", ((2, 3, 4, 4), "cuda", 0)),
        ("bind output", "logits", "cuda", 0),
        ("bind output", "more", "cuda", 0),
        "inputs are there",
    ]
    fake.asked.clear()
    bound.call()
    assert fake.asked == [("run bound", True), "outputs are there"]
    fake.asked.clear()
    copies.call()
    assert fake.asked == [("run", (2, 3, 4, 4))]


@pytest.mark.parametrize(
    ("dims", "kind", "output"),
    [
        (["n", 3, 4, 4], TensorProto.FLOAT, (2, 3, 4, 4)),
        (["n", 3, "h", "w"], TensorProto.FLOAT, (2, 3, 6, 5)),
        (["n", "c", "h", "w"], TensorProto.FLOAT, (2, 3, 6, 5)),
        ([2, 1, 4, 4], TensorProto.FLOAT16, (2, 1, 4, 4)),
        (["n", 7], TensorProto.DOUBLE, (2, 7)),
    ],
)
def test_files_are_fed_what_they_declare(
    dims: list[int | str], kind: int, output: tuple[int, ...], tmp_path: Path
) -> None:
    subject = Subject("a", onnx_file(tmp_path / "a.onnx", dims, kind))
    (caller,) = open_callers(subject, Setting(2, 1, sides=(6, 5)), RNG)
    (found,) = caller.call()
    assert found.shape == output
    assert (caller.runtime, caller.device) == (f"onnxruntime {ort.__version__}", "cpu")


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([4, 3, 2, 2], "a takes batches of 4 only: it can't be timed at batch 1"),
        (["n", 3, "h", "w"], r"a takes tensors of shape \['n', 3, 'h', 'w'\].*give --image-size"),
    ],
)
def test_settings_that_do_not_fit_the_file(dims: list[int | str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        open_callers(Subject("a", onnx_file(tmp_path / "a.onnx", dims)), Setting(1, 1), RNG)


def test_files_that_take_something_else(tmp_path: Path) -> None:
    numbers = Subject("a", onnx_file(tmp_path / "a.onnx", ["n", 3], TensorProto.INT64))
    with pytest.raises(UsageError, match=r"a takes x0 tensor\(int64\).*only models with one float tensor"):
        open_callers(numbers, Setting(1, 1), RNG)
    two = Subject("two", onnx_file(tmp_path / "b.onnx", ["n", 3], inputs=2))
    with pytest.raises(UsageError, match=r"two takes x0 .*, x1 .*only models with one float tensor"):
        open_callers(two, Setting(1, 1), RNG)


def module(tmp_path: Path, runtime: str = EAGER, loader: str = "load") -> Subject:
    (tmp_path / "factor").write_text("2")
    return Subject("m", tmp_path / "factor", runtime, f"toy_timed:{loader}", (3, 4, 4))


@pytest.mark.parametrize("loader", ["load", "load_with_more"])
def test_a_module_is_called_in_eval_mode_on_so_many_threads(loader: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        (caller,) = open_callers(module(tmp_path, loader=loader), Setting(5, 1), RNG)
        caller.call()
    finally:
        torch.set_num_threads(threads)
    assert toy_timed.LOADED[-1].calls == [(1, False, (5, 3, 4, 4))]
    assert caller.runtime == f"PyTorch {torch.__version__.partition('+')[0]} eager"


def test_a_compiled_module_is_what_torch_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def compiled(model: toy_timed.Scaled) -> toy_timed.Scaled:
        given.append(model)
        return model

    monkeypatch.setattr(torch, "compile", compiled)
    (caller,) = open_callers(module(tmp_path, COMPILED), Setting(1, torch.get_num_threads()), RNG)
    caller.call()
    assert given == [toy_timed.LOADED[-1]]
    assert len(toy_timed.LOADED[-1].calls) == 1
    assert caller.runtime.endswith(" compiled")


def test_a_module_on_cuda_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class OnGpu:
        def to(self, device: object) -> OnGpu:
            asked.append(f"to {device}")
            return self

        def cpu(self) -> None:
            asked.append("back")

    def model(images: object) -> OnGpu:
        asked.append("model")
        return OnGpu()

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: asked.append("wait"))
    bound, copying = (torch_callers._runner(model, OnGpu(), way) for way in (BOUND, COPIES))
    assert asked == []
    bound()
    assert asked == ["model", "wait"]
    asked.clear()
    copying()
    assert asked == ["to cuda", "model", "back", "wait"]


def test_devices_that_pytorch_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LatencyError, match="CUDA was asked for, and PyTorch finds none"):
        open_callers(module(tmp_path), Setting(1, 1, CUDA), RNG)
    with pytest.raises(UsageError, match="--device is tpu"):
        open_callers(module(tmp_path), Setting(1, 1, "tpu"), RNG)
