"""int8: quantised on training images, accepted or refused by the task metric."""

from ttl.export.quantize.keep import Quantized, Verdict, quantize

__all__ = ["Quantized", "Verdict", "quantize"]
