"""A model in OpenVINO's IR, ready to run. Only what is asked for OpenVINO imports this: it is an extra."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ttl.errors import ExportError

MISSING = "OpenVINO isn't installed: pip install 'ttl[openvino]'."
CPU_DEVICE = "CPU"
TYPES = {"f32": "tensor(float)"}


@dataclass(frozen=True)
class Port:
    """An input or output, described as onnxruntime does it; a dimension is None where it is free."""

    name: str
    type: str
    shape: tuple[int | None, ...]


def port_of(found: Any) -> Port:
    """What OpenVINO has of an input or output."""
    kind = found.get_element_type().get_type_name()
    shape = tuple(dim.get_length() if dim.is_static else None for dim in found.get_partial_shape())
    return Port(found.get_any_name(), TYPES.get(kind, f"tensor({kind})"), shape)


def openvino() -> Any:
    """The library.

    Raises:
        ExportError: it isn't installed.
    """
    if find_spec("openvino") is None:
        raise ExportError(MISSING)
    import openvino

    return openvino


def weights_of(path: Path) -> Path:
    """The second file of an IR: `x.bin` of `x.xml`, under its provisional name, too."""
    before, _, behind = path.name.rpartition(".xml")
    return path.with_name(f"{before}.bin{behind}")


def open_ir(path: Path, *, threads: int) -> Any:
    """An IR compiled for the CPU, which computes in float32 whatever the machine prefers.

    Raises:
        ExportError: OpenVINO isn't installed, or can't run the file.
    """
    core = openvino().Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    try:
        model = core.read_model(path.read_bytes(), weights_of(path).read_bytes())
        return core.compile_model(model, CPU_DEVICE, options)
    except OSError as error:
        raise ExportError(f"{error.filename or path} can't be read: {error.strerror or error}.") from error
    except RuntimeError as error:
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no reason")
        raise ExportError(f"{path} can't be run by OpenVINO: {reason}") from error
