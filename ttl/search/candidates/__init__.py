"""The kinds of candidates, one a file: what of a pretrained network can be fine-tuned and chosen.

To add one: a file with a frozen dataclass that is a `ttl.study.candidate.Candidate`. One that can be delivered is a
`Cut` with more fields, plain values all, that is called after its point (`layer3.1/8`), and has a row in `CANDIDATES`.
"""

from collections.abc import Mapping
from dataclasses import fields

from ttl.cut.points import TruncationPoint
from ttl.search.candidates.cut import Cut
from ttl.search.candidates.joint import Joint
from ttl.study.candidate import Candidate

__all__ = ["CANDIDATES", "Cut", "Joint", "described", "rebuilt"]

CANDIDATES: dict[str, type[Cut]] = {"cut": Cut}


def described(candidate: Candidate) -> Mapping[str, object] | None:
    """Its kind and its plain values, as JSON values; None of a plain cut, which its point describes."""
    name = next(name for name, kind in CANDIDATES.items() if type(candidate) is kind)
    values = {field.name: getattr(candidate, field.name) for field in fields(candidate)}
    plain = {key: value for key, value in values.items() if key not in ("network", "point")}
    return None if name == "cut" else {"kind": name, **plain}


def rebuilt(network: str, point: TruncationPoint, description: Mapping[str, object] | None) -> Cut:
    """The candidate that `described` describes.

    Raises:
        KeyError: there is no such kind.
        TypeError: its values are others.
    """
    values = dict(description or {"kind": "cut"})
    kind = CANDIDATES[str(values.pop("kind"))]
    return kind(network, point, **values)
