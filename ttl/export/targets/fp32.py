"""The model as it was trained, in float32."""

from ttl.export.targets.target import OnnxTarget

TARGET = OnnxTarget("fp32", ("onnx",))
