"""int8: quantised on training images, accepted or refused by the task metric."""

from ttl.export.quantize.keep import Attempt, Quantized, Verdict, quantize

__all__ = ["Attempt", "Quantized", "Verdict", "quantize"]
