"""A PyTorch module made ready to be called, eager or compiled. Only a process that times PyTorch imports this."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import numpy as np
import torch
from torch import nn

from ttl.cost.callers import BOUND, COPIES, Caller
from ttl.cost.rounds import Runner
from ttl.cost.session import NO_CUDA
from ttl.cost.subject import COMPILED, CPU, CUDA, Setting, Subject
from ttl.errors import LatencyError, UsageError

Forward = Callable[[torch.Tensor], torch.Tensor]


def open_torch(subject: Subject, setting: Setting, rng: np.random.Generator) -> tuple[Caller, ...]:
    """Load a module; `torch.compile` compiles it in its first call.

    Raises:
        TTLError: what its loader raises.
        UsageError: there is no such device.
        LatencyError: CUDA was asked for and this PyTorch has none.
    """
    torch.set_num_threads(setting.threads)
    if setting.device not in (CPU, CUDA):
        raise UsageError(f"--device is {setting.device}: PyTorch is timed on {CPU} or {CUDA}.")
    if setting.device == CUDA and not torch.cuda.is_available():
        raise LatencyError(NO_CUDA.format(why="PyTorch finds none"))
    device = torch.device(setting.device)
    module = _load(subject).to(device)
    images = torch.from_numpy(rng.standard_normal((setting.batch, *subject.shape)).astype(np.float32))
    runtime = f"PyTorch {torch.__version__.partition('+')[0]} {subject.runtime}"
    forward: Forward = torch.compile(module) if subject.runtime == COMPILED else module
    ways = {CPU: images} if setting.device == CPU else {COPIES: images, BOUND: images.to(device)}
    return tuple(Caller(runtime, way, _runner(forward, given, way)) for way, given in ways.items())


def _load(subject: Subject) -> nn.Module:
    home, _, name = subject.loader.partition(":")
    found = getattr(import_module(home), name)(subject.path)
    module = found[0] if isinstance(found, tuple) else found
    assert isinstance(module, nn.Module)
    return module.eval()


def _runner(forward: Forward, images: torch.Tensor, way: str) -> Runner:
    """A call that returns when the outputs are computed, and with copies are back on the host."""

    def call() -> None:
        with torch.inference_mode():
            if way == COPIES:
                forward(images.to(CUDA)).cpu()
            else:
                forward(images)
        if way != CPU:
            torch.cuda.synchronize()

    return call
