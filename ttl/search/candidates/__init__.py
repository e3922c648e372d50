"""The kinds of candidates, one a file: what of a pretrained network can be fine-tuned and chosen.

To add one: a file with a frozen dataclass that is a `ttl.study.candidate.Candidate`. One that can be delivered has a
name of its own, the fields `network` and `point` and then plain values, and a row in `CANDIDATES`. A `Cut` with another
head than a cut's has its own `take_over` too, or no joint network speaks for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields

from ttl.cut.points import TruncationPoint
from ttl.search.candidates.cut import Cut
from ttl.search.candidates.joint import Joint
from ttl.study.candidate import Candidate

__all__ = ["CANDIDATES", "Cut", "Joint", "described", "rebuilt"]

CANDIDATES: dict[str, Callable[..., Candidate]] = {"cut": Cut}


def described(candidate: Candidate) -> Mapping[str, object] | None:
    """Its kind and its plain values, as JSON values; None of a plain cut, which its point describes.

    Raises:
        TypeError: its kind has no row in `CANDIDATES`.
    """
    name = next((name for name, kind in CANDIDATES.items() if type(candidate) is kind), None)
    if name is None:
        raise TypeError(f"{type(candidate).__name__} has no row in ttl.search.candidates.CANDIDATES")
    _, _, *plain = fields(candidate)
    return None if name == "cut" else {"kind": name, **{each.name: getattr(candidate, each.name) for each in plain}}


def rebuilt(network: str, point: TruncationPoint, description: Mapping[str, object] | None) -> Candidate:
    """The candidate that `described` describes.

    Raises:
        KeyError, TypeError: there is no such kind, or its values are others.
    """
    values = dict(description or {"kind": "cut"})
    return CANDIDATES[str(values.pop("kind"))](network, point, **values)
