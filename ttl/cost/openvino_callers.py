"""An IR made ready to be called. Only a process that times OpenVINO imports this."""

from __future__ import annotations

import numpy as np

from ttl.cost.callers import Caller, image_feed
from ttl.cost.openvino_session import open_ir, openvino, port_of
from ttl.cost.subject import CPU, Setting, Subject
from ttl.errors import LatencyError


def open_openvino(subject: Subject, setting: Setting, rng: np.random.Generator) -> tuple[Caller, ...]:
    """Open an IR for the CPU; one request, one call after another.

    Raises:
        ExportError: OpenVINO isn't installed, or can't run the file.
        UsageError: its input doesn't fit the setting.
        LatencyError: CUDA was asked for.
    """
    if setting.device != CPU:
        raise LatencyError(f"OpenVINO is timed on the {CPU}, and not on {setting.device}: leave its files out.")
    compiled = open_ir(subject.path, threads=setting.threads)
    feed = image_feed([port_of(each) for each in compiled.inputs], subject.name, setting, rng)
    images = list(feed.values())
    request = compiled.create_infer_request()
    version = openvino().__version__.partition("-")[0]
    return (Caller(f"OpenVINO {version}", setting.device, lambda: request.infer(images)),)
