"""What a field of a config carries beside its type and its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import Field

Default = TypeVar("Default")

Group = Literal[
    "files",
    "network",
    "search",
    "candidates",
    "judging",
    "fine-tuning",
    "head and learning rate",
    "data",
    "machine",
    "workers",
    "output",
]
"""In the order in which a verb's help lists them. A verb takes whole groups."""


@dataclass(frozen=True)
class Option:
    """The mark on a field: `epochs: Annotated[int, Option("At most so many", "fine-tuning")]`.

    Whether it is a switch, a flag that may be repeated, or one that takes two values follows from the field's type.

    Attributes:
        help: what it decides; without its choices, its default and the full stop, which are added.
        unset: what holds where there is no value, in words.
        choices: of the values of a `Literal`, what those mean whose names don't say it.
        metavar: of its values, where their type doesn't say enough.
        flag: its name on the command line without the dashes, where that isn't the field's.
        is_argument: it stands on the command line without a flag.
        only_in_toml: it has no flag.
        is_compared: a run folder that was made with another value is of another run. Not so of where results go, what
            computes them and who watches: that moves a figure by rounding at most, so a run may be taken up again
            from another machine, or with another number of threads.
        is_place: it names a file or folder, and is compared as one: `xray/` and `./xray` are one folder.
        decides_trial: the result of a fine-tune depends on it, and nothing else in a trial's identity tells it: the
            network, its weights and its input, the images in their splits, the truncation point and the seed have
            parts of their own there.
        version: of its default and its meaning; raise it whenever one of the two changes, so that no fine-tune made
            under the old ones passes for one under the new.
    """

    help: str
    group: Group
    unset: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    metavar: str | None = None
    flag: str | None = None
    is_argument: bool = False
    only_in_toml: bool = False
    is_compared: bool = True
    is_place: bool = False
    decides_trial: bool = False
    version: int = 1


def option(default: Default, help: str, group: Group, **more: Any) -> Default:
    """The same as a field's default: `epochs: int = option(10, "At most so many", "fine-tuning")`.

    Args:
        default: of the field.
        help: see `Option`, as for `group` and `more`.
    """
    marked: Any = Field(default)
    marked.metadata.append(Option(help, group, **more))
    return marked  # type: ignore[no-any-return]  # pydantic puts the default in its place


def kebab(name: str) -> str:
    """`image_size` as it is typed: `image-size`."""
    return name.replace("_", "-")


def flag_name(name: str, option: Option) -> str:
    """What an option is called on the command line, without the dashes."""
    return option.flag or kebab(name)


def as_typed(name: str, option: Option) -> str:
    """An option as the command line has it: `--image-size`, or `DATA`."""
    return name.upper() if option.is_argument else f"--{flag_name(name, option)}"


def snake(name: str) -> str:
    """`image-size` as the field is named: `image_size`."""
    return name.replace("-", "_")
