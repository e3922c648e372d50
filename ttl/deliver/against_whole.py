"""A file of the chosen network beside the whole network's: what both cost, and what both do on the test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ttl.typed import Figure, OptionalKey
from ttl.words.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Side:
    """One file.

    Parameters are those of the network with its head, MACs multiply-adds of one image, `p50_ms` the median time of a
    call, None where it wasn't timed; `score` is the file's own metric on the test images, `rates` those where its rule
    decides.
    """

    file: str
    params: int
    macs: int
    size_bytes: OptionalKey[int] = None
    p50_ms: OptionalKey[float] = None
    score: Figure
    rates: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AgainstWhole:
    """Both, and the verdict of the study, which is on the two networks in float32.

    `time_ratio` is the cut's time divided by the whole's, undefined where they weren't timed; `timed_on` says where.
    """

    cut: Side
    whole: Side
    metric: str
    time_ratio: Estimate = field(default_factory=Estimate)
    timed_on: str = ""
    verdict: str
    reasons: tuple[str, ...] = ()
