"""How numbers are written in the report: three significant digits, one suffix style, real minus signs.

Every function writes a missing number (`nan`) as an en dash, so that an unfinished study can be shown as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MISSING = "–"  # noqa: RUF001  an en dash is what a reader expects in an empty cell
MINUS = "−"  # noqa: RUF001  a hyphen is too short to be seen as a sign
SUFFIXES = ("", " k", " M", " G", " T", " P", " E")


def significant(value: float, digits: int = 3) -> str:
    """A number to `digits` significant digits without an exponent where it is readable: 0.0123, 12.3, 123."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e6:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{decimals}f}".replace("-", MINUS)


def large(value: float) -> str:
    """A count of parameters or MACs with a decimal suffix: 8.55 M, 3.30 G."""
    if not math.isfinite(value):
        return MISSING
    step = 0
    while abs(value) >= 999.5 and step < len(SUFFIXES) - 1:
        value, step = value / 1000, step + 1
    return significant(value) + SUFFIXES[step]


def whole(value: float) -> str:
    """A whole number with thin groups of three: 1 170."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if math.isfinite(value) else MISSING


def share(part: float, whole_: float) -> float:
    """`part / whole_`, and `nan` where the whole is zero or either is missing."""
    return part / whole_ if whole_ else math.nan


def percent(ratio: float) -> str:
    """A share as a percentage; never rounded to 0% or 100% when it is not: 26%, 8.3%, 99.6%."""
    if not math.isfinite(ratio):
        return MISSING
    value = 100 * ratio
    if value >= 10 and (round(value) != 100 or math.isclose(value, 100, abs_tol=0.005)):
        return f"{value:.0f}%"
    return f"{significant(value, 2 if value < 10 else 4)}%"


def score(value: float) -> str:
    """A metric between 0 and 1, three decimals."""
    return f"{value:.3f}".replace("-", MINUS) if math.isfinite(value) else MISSING


def signed(value: float) -> str:
    """A difference of two metrics, with its sign: +0.003."""
    if not math.isfinite(value):
        return MISSING
    return score(0.0) if round(value, 3) == 0 else f"{value:+.3f}".replace("-", MINUS)


def distance(value: float, unit: str = "") -> str:
    """A distance in `unit`, one or two decimals: 4.31 px, 12.3 px."""
    if not math.isfinite(value):
        return MISSING
    return f"{value:.{2 if abs(value) < 9.995 else 1}f} {unit}".rstrip().replace("-", MINUS)


def signed_distance(value: float, unit: str = "") -> str:
    """A difference of two distances, with its sign: +0.42 px."""
    rounded = round(value, 2) or 0.0
    return f"{'+' if rounded > 0 else ''}{distance(rounded, unit)}"


def ratio(value: float) -> str:
    """A ratio to the whole network, two decimals."""
    return f"{value:.2f}" if math.isfinite(value) else MISSING


def milliseconds(value: float) -> str:
    """A latency given in milliseconds."""
    return f"{significant(value)} ms" if math.isfinite(value) else MISSING


def size(n_bytes: float) -> str:
    """A file size given in bytes, in decimal units: 34.2 MB."""
    if not math.isfinite(n_bytes):
        return MISSING
    return f"{large(n_bytes)}B" if n_bytes >= 999.5 else f"{n_bytes:.0f} B"


def duration(seconds: float) -> str:
    """A time given in seconds: 12.3 s, 4 min 5 s, 1 h 12 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{significant(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plain(value: object) -> str:
    """Any JSON value as one line of text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {plain(item)}" for key, item in value.items()) or MISSING
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain(item) for item in value) or MISSING
    return MISSING if value is None else str(value)
