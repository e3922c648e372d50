"""The model as it was trained, in float32."""

from ttl.export.targets.onnx_target import OnnxTarget

TARGET = OnnxTarget("fp32", ("onnx",))
