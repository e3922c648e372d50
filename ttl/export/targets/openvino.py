"""OpenVINO's IR, `x.xml` with the weights in `x.bin`: made by its own converter, compared by its own runtime.

What the file says of itself stands in its `rt_info` under `ttl`, as JSON: `model.get_rt_info(["ttl", "class_names"])`.
`sha256_weights` there is of the weights' file; `sha256_model` is of the model's file with 64 zeros in its own place.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
import onnx
import torch
from torch import nn

from ttl.cost.openvino_session import open_ir, openvino, port_of, weights_of
from ttl.cost.session import available_threads, check_file, resolve_threads
from ttl.cost.subject import CPU
from ttl.errors import ExportError, LatencyError
from ttl.export.contract import PREFIX, from_properties, to_properties
from ttl.export.graph_ends import check_ends
from ttl.export.onnx_graph import translate
from ttl.export.quantize import Quantized, quantize
from ttl.export.quiet import first_line, quiet
from ttl.export.run import FileModel
from ttl.export.targets.target import Order, Run, Target
from ttl.files import sha256

OF_MODEL, OF_WEIGHTS = "sha256_model", "sha256_weights"
ZEROS = "0" * 64
OWN_DIGEST = re.compile(rb'(<sha256_model value=")([0-9a-f]{64})(")')
END = b"</rt_info>\n</net>"
DAMAGED = "{path} is damaged or isn't an IR that ttl wrote: its bytes aren't those that were exported; export it again."


@dataclass(frozen=True)
class _Ir(Target):
    is_compressed: bool = False
    """Whether its weights are stored in half precision; they are computed with in float32."""

    @property
    def is_described(self) -> bool:
        """It has a contract and digests."""
        return True

    def write(self, model: nn.Module, path: Path, order: Order) -> Quantized | None:
        """See `Target`; the graph that is converted is that of the ONNX file."""
        library = openvino()
        graph = translate(model, order.images, opset=order.opset, divisor=order.divisor)
        quantized = None
        if order.calibration is not None:
            given = order.calibration
            if order.contract is not None:  # what judges the candidates, as ONNX files, reads it
                onnx.helper.set_model_props(graph, to_properties(order.contract))
            quantized = quantize(graph, given.images.numpy(), given.accept, weight_bits=given.weight_bits)
            graph = quantized.graph
        del graph.metadata_props[:]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            onnx.save(graph, str(folder / "x.onnx"))
            try:
                with quiet():
                    made = library.convert_model(str(folder / "x.onnx"))
                    library.save_model(made, str(folder / "x.xml"), compress_to_fp16=self.is_compressed)
            except Exception as error:  # it raises whatever its frontends raise
                raise ExportError(f"The model can't be converted by OpenVINO: {first_line(error)}") from error
            weights_of(path).write_bytes((folder / "x.bin").read_bytes())
            path.write_bytes((folder / "x.xml").read_bytes())
        self.seal(path, to_properties(order.contract) if order.contract else {})
        return quantized

    def open(self, path: Path, device: str) -> Sequence[Run]:
        """By OpenVINO, in float32."""
        if device != CPU:
            raise LatencyError(f"OpenVINO files are run on the {CPU}, and not on {device}.")
        return [_run_of(open_ir(path, threads=available_threads()))]

    def opened(self, path: Path) -> FileModel:
        """See `Target`."""
        return open_model(path)

    def properties(self, path: Path) -> dict[str, str]:
        """See `Target`."""
        return read_properties(path)

    def seal(self, path: Path, properties: Mapping[str, str]) -> None:
        """See `Target`."""
        content = OWN_DIGEST.sub(b"", path.read_bytes())
        head = re.sub(rb"\t\t<ttl>.*?</ttl>\n\t", b"", content, flags=re.DOTALL).rpartition(END)[0]
        own = {key.removeprefix(PREFIX): value for key, value in properties.items()}
        own |= {OF_WEIGHTS: sha256(weights_of(path)), OF_MODEL: ZEROS}
        rows = "".join(f"\t\t\t<{key} value={quoteattr(value)} />\n" for key, value in own.items())
        sealed = head + f"\t\t<ttl>\n{rows}\t\t</ttl>\n\t".encode() + END + b"\n"
        digest = hashlib.sha256(sealed).hexdigest().encode()
        path.write_bytes(OWN_DIGEST.sub(rb"\g<1>" + digest + rb"\g<3>", sealed))

    def rounded(self, model: nn.Module) -> nn.Module:
        """With half-precision weights where it stores those."""
        if not self.is_compressed:
            return model
        stored = copy.deepcopy(model)
        with torch.no_grad():
            for weights in stored.parameters():
                weights.copy_(weights.half().float())
        return stored

    def files(self, path: Path) -> tuple[Path, ...]:
        """See `Target`."""
        return path, weights_of(path)

    @contextmanager
    def beside(self, unchecked: Path, path: Path) -> Iterator[None]:
        """The weights' file is there before the model's that names its digest."""
        part = weights_of(unchecked)
        try:
            yield
            os.replace(part, weights_of(path))
        finally:
            part.unlink(missing_ok=True)


def open_model(path: Path, threads: int | None = None) -> FileModel:
    """An IR that `ttl export` wrote, ready to run on the CPU.

    Raises:
        ExportError: it is damaged, can't be run, or disagrees with its own metadata; or OpenVINO isn't installed.
    """
    properties = read_properties(path)
    contract = from_properties(properties, path)
    compiled = open_ir(path, threads=resolve_threads(threads))
    check_ends(map(port_of, compiled.inputs), map(port_of, compiled.outputs), contract, path)
    return FileModel(path, properties, contract, _run_of(compiled))


def read_properties(path: Path) -> dict[str, str]:
    """The metadata of an IR, under the keys that an ONNX file has, if both files are what was exported.

    Raises:
        ExportError: there is no such file, or it is damaged.
    """
    for each in (path, weights_of(path)):
        check_file(each)
    try:
        content, weights = path.read_bytes(), sha256(weights_of(path))
        found = OWN_DIGEST.findall(content)
        zeroed = OWN_DIGEST.sub(rb"\g<1>" + ZEROS.encode() + rb"\g<3>", content)
        if len(found) != 1 or hashlib.sha256(zeroed).hexdigest().encode() != found[0][1]:
            raise ExportError(DAMAGED.format(path=path))
        rows = ElementTree.fromstring(content).find("rt_info/ttl")
        own = {} if rows is None else {row.tag: row.get("value", "") for row in rows}
    except OSError as error:
        raise ExportError(f"{path} can't be read: {error.strerror or error}.") from error
    except (ElementTree.ParseError, ValueError) as error:
        raise ExportError(DAMAGED.format(path=path)) from error
    if own.pop(OF_WEIGHTS, "") != weights:
        raise ExportError(DAMAGED.format(path=weights_of(path)))
    del own[OF_MODEL]
    return {PREFIX + key: value for key, value in own.items()}


def _run_of(compiled: Any) -> Run:
    return lambda images: np.asarray(compiled(images)[0])


HOW = "Run by OpenVINO on the CPU, read back from the file"
TARGETS = {
    "openvino": _Ir("openvino", ("openvino", "xml"), how_run=HOW),
    "openvino-fp16": _Ir(
        "openvino-fp16",
        ("openvino", "fp16", "xml"),
        words="half-precision weights, whose numbers end at 65504",
        how_run=HOW,
        slack=4,
        is_compressed=True,
    ),
    "openvino-int8": _Ir("openvino-int8", ("openvino", "int8", "xml"), how_run=HOW, slack=None, is_calibrated=True),
}
