"""One way to call a model, whatever it runs in."""

from __future__ import annotations

from dataclasses import dataclass

from ttl.cost.rounds import Runner
from ttl.cost.subject import CUDA

BOUND, COPIES = f"{CUDA}, io-binding", f"{CUDA}, copies"
"""The two ways to call a model on a GPU: images and outputs stay there, or come from the host and go back to it."""


@dataclass(frozen=True)
class Caller:
    """One way to call a model.

    Attributes:
        runtime: with its version, as `onnxruntime 1.31.1`.
        device: `cpu`; or on a GPU, where inputs and outputs are too: `cuda, io-binding`, or `cuda, copies`.
        call: does the work, and returns when it is done.
    """

    runtime: str
    device: str
    call: Runner
