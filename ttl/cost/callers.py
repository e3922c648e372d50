"""A model made ready to be called: what is timed is one call, from input to finished output."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort

from ttl.cost.caller import BOUND, COPIES, Caller
from ttl.cost.feed import FloatArray, image_feed
from ttl.cost.rounds import Runner
from ttl.cost.session import open_session
from ttl.cost.subject import CUDA, ONNXRUNTIME, Setting, Subject


def open_callers(subject: Subject, setting: Setting, rng: np.random.Generator) -> tuple[Caller, ...]:
    """Open a model: on the CPU there is one way to call it, on CUDA there are two, that with copies first.

    Args:
        subject: the model.
        setting: how it is to be called.
        rng: draws the images: dense convolutions take the same time whatever the values.

    Raises:
        ExportError: the file can't be opened.
        UsageError: its input doesn't fit the setting.
        LatencyError: CUDA was asked for and can't be had.
    """
    if subject.runtime != ONNXRUNTIME:
        # PyTorch takes seconds to import: only a process that times it does.
        from ttl.cost.torch_callers import open_torch

        return open_torch(subject, setting, rng)
    session = open_session(subject.path, threads=setting.threads, device=setting.device)
    feed = image_feed(session, subject.name, batch=setting.batch, sides=setting.sides, rng=rng)
    runtime, copying = f"onnxruntime {ort.__version__}", partial(session.run, None, feed)
    if setting.device != CUDA:
        return (Caller(runtime, setting.device, copying),)
    return Caller(runtime, COPIES, copying), Caller(runtime, BOUND, bound(session, feed))


def bound(session: Any, feed: Mapping[str, FloatArray]) -> Runner:
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
