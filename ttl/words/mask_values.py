"""Which value or colour of a mask's pixels means which class, as `--mask-values` takes it."""

from __future__ import annotations

import re
from dataclasses import dataclass

OTHER = "other"  # all values that aren't named
IGNORED = "ignore"  # behind a value: its pixels are of no class and count in nothing
LARGEST = 2**31 - 1
MOST_CLASSES = 255
EXAMPLES = "0,128,255 or '#000000,#ff0000' or 0,other or 0,1,255=ignore"


@dataclass(frozen=True)
class MaskValues:
    """The value of each class, in the order of their numbers.

    Attributes:
        classes: grey values, or colours as `0xRRGGBB`; None stands for all values that aren't named.
        ignored: those of no class, likewise.
        by_colour: whether they are colours.
    """

    classes: tuple[int | None, ...]
    ignored: tuple[int | None, ...] = ()
    by_colour: bool = False

    def words(self, code: int | None) -> str:
        """A value as it is typed: `128`, `#ff0000`, `other`."""
        if code is None:
            return OTHER
        return f"#{code:06x}" if self.by_colour else str(code)

    def __str__(self) -> str:
        """All of them as they are typed; quoted where a shell needs it."""
        ignored = (f"{self.words(code)}={IGNORED}" for code in self.ignored)
        text = ",".join([*map(self.words, self.classes), *ignored])
        return f"'{text}'" if self.by_colour else text


def parsed(text: str) -> MaskValues:
    """`0,128,255`: the first value is class 0, the next class 1, and so on; spaces count for nothing.

    Raises:
        ValueError: it isn't made of values (or colours) with commas between them, or names one twice, or fewer than
            two classes.
    """
    classes: list[int | None] = []
    ignored: list[int | None] = []
    by_colour: set[bool] = set()
    for item in text.replace(" ", "").lower().split(","):
        value, _, ending = item.partition("=")
        if not re.fullmatch(rf"#[0-9a-f]{{6}}|[0-9]{{1,10}}|{OTHER}", value) or ending not in ("", IGNORED):
            raise ValueError(f"should be values or colours with commas between them, such as {EXAMPLES}")
        code = None if value == OTHER else int(value[1:], 16) if value[0] == "#" else int(value)
        if code in (*classes, *ignored):
            raise ValueError(f"should name {value} once")
        if code is not None:
            by_colour.add(value[0] == "#")
            if code > LARGEST:
                raise ValueError(f"should have no value above {LARGEST}")
        (ignored if ending else classes).append(code)
    if len(by_colour) > 1:
        raise ValueError("should be grey values or colours, not both: grey as a colour is #808080")
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"should name 2 to {MOST_CLASSES} classes, such as {EXAMPLES}")
    return MaskValues(tuple(classes), tuple(ignored), True in by_colour)
