"""Nodes of an ONNX graph, written as calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

Input = str | np.ndarray[Any, Any] | np.generic
ABSENT = ""
"""An optional input that isn't given."""


@dataclass
class Nodes:
    """Nodes and their constants, in the order in which they are added; `prefix` is that of every name."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: Input, output: str | None = None, **attributes: Any) -> str:
        """Add a node of an operator with these attributes; the name of its one output.

        `inputs` are names of tensors, or arrays, which become constants.
        """
        names = [item if isinstance(item, str) else self._constant(np.asarray(item)) for item in inputs]
        name = f"{self.prefix}{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output or name], name=name, **attributes))
        return output or name

    def _constant(self, values: np.ndarray[Any, Any]) -> str:
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name
