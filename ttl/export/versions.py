"""The versions of onnxruntime that exported files are tested with.

Files of the exporter's own opset (20) and IR version (10), in each precision, with and without embedded preprocessing:
`make test-onnxruntime` runs them with the oldest, the tests with the newest. Before 1.18 no IR version above 9 is read.
"""

from __future__ import annotations

OLDEST = "1.18.0"
NEWEST = "1.31.1"
