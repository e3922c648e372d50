"""A model made ready to be called: what is timed is one call, from input to finished output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ttl.cost.rounds import Runner
from ttl.cost.session import open_session
from ttl.cost.subject import CUDA, ONNXRUNTIME, OPENVINO, Setting, Subject
from ttl.errors import UsageError
from ttl.words.sides import AXES

BOUND, COPIES = f"{CUDA}, io-binding", f"{CUDA}, copies"
"""The two ways to call a model on a GPU: images and outputs stay there, or come from the host and go back to it."""
DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
COLOURS = 3
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Caller:
    """One way to call a model: the runtime with its version, `cpu` or a way on a GPU, and what does the work and
    returns when it is done."""

    runtime: str
    device: str
    call: Runner


def open_callers(subject: Subject, setting: Setting, rng: np.random.Generator) -> tuple[Caller, ...]:
    """Open a model: on the CPU there is one way to call it, on CUDA there are two, that with copies first.

    The images are random: dense convolutions take the same time whatever the values.

    Raises:
        ExportError: the file can't be opened.
        UsageError: its input doesn't fit the setting.
        LatencyError: CUDA was asked for and can't be had.
    """
    if subject.runtime == OPENVINO:
        from ttl.cost.openvino_callers import open_openvino

        return open_openvino(subject, setting, rng)
    if subject.runtime != ONNXRUNTIME:
        # PyTorch takes seconds to import: only a process that times it does.
        from ttl.cost.torch_callers import open_torch

        return open_torch(subject, setting, rng)
    session = open_session(subject.path, threads=setting.threads, device=setting.device)
    feed = image_feed(session.get_inputs(), subject.name, setting, rng)
    runtime, copying = f"onnxruntime {ort.__version__}", partial(session.run, None, feed)
    if setting.device != CUDA:
        return (Caller(runtime, setting.device, copying),)
    return Caller(runtime, COPIES, copying), Caller(runtime, BOUND, _bound(session, feed))


def _bound(session: Any, feed: Mapping[str, FloatArray]) -> Runner:
    """A call whose images lie on the GPU already, and whose outputs stay there; it waits until they are computed."""
    binding = session.io_binding()
    for name, array in feed.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array, CUDA, 0))
    for node in session.get_outputs():
        binding.bind_output(node.name, CUDA, 0)
    binding.synchronize_inputs()

    def call() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call


def image_feed(nodes: Sequence[Any], name: str, setting: Setting, rng: np.random.Generator) -> dict[str, FloatArray]:
    """The inputs of one call, random normal images of the shape that a file declares: anybody's file is timed.

    Its inputs, the `nodes`, have a name, a type and a shape.

    Raises:
        UsageError: the file, which is called `name`, takes something else, or its shape doesn't fit the setting.
    """
    if len(nodes) != 1 or nodes[0].type not in DTYPES or not nodes[0].shape:
        found = ", ".join(f"{node.name} {node.type} {node.shape}" for node in nodes) or "nothing"
        raise UsageError(f"{name} takes {found}: only models with one float tensor of images can be timed.")
    shape = _resolve(nodes[0].shape, name, setting)
    return {nodes[0].name: rng.standard_normal(shape).astype(DTYPES[nodes[0].type])}


def _resolve(dims: Sequence[int | str | None], name: str, setting: Setting) -> tuple[int, ...]:
    if isinstance(dims[0], int) and dims[0] != setting.batch:
        raise UsageError(f"{name} takes batches of {dims[0]} only: it can't be timed at batch {setting.batch}.")
    given = [setting.batch, *([COLOURS, *setting.sides] if len(dims) == 2 + AXES else [])]
    defaults: list[int | None] = [*given, *[None] * (len(dims) - len(given))]
    shape = [dim if isinstance(dim, int) else default for dim, default in zip(dims, defaults, strict=True)]
    fixed = tuple(dim for dim in shape if dim is not None)
    if len(fixed) < len(shape):
        raise UsageError(f"{name} takes tensors of shape {list(dims)}, of any size: give --image-size.")
    return fixed
