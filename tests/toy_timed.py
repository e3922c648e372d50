"""Toy models to be timed: ONNX files made by hand, and PyTorch modules as a loader gives them."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import nn


def onnx_file(path: Path, dims: list[int | str], kind: int = TensorProto.FLOAT, inputs: int = 1) -> Path:
    """A graph that gives back its input, or the sum of its inputs."""
    names = [f"x{i}" for i in range(inputs)]
    graph = helper.make_graph(
        [helper.make_node("Neg" if inputs == 1 else "Sum", names, ["y"])],
        "foreign",
        [helper.make_tensor_value_info(name, kind, dims) for name in names],
        [helper.make_tensor_value_info("y", kind, dims)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


class Scaled(nn.Module):
    """What is given, times what the file says; it notes the threads, the mode and the shapes it was called with."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.calls: list[tuple[int, bool, tuple[int, ...]]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls.append((torch.get_num_threads(), self.training, tuple(images.shape)))
        return self.factor * images


LOADED: list[Scaled] = []


def load(path: Path) -> Scaled:
    """A module in train mode, as a careless loader leaves it."""
    LOADED.append(Scaled(float(path.read_text())))
    return LOADED[-1]


def load_with_more(path: Path) -> tuple[Scaled, str]:
    """As `ttl.export.bundle.load_bundle` does."""
    return load(path), "and what it is"
