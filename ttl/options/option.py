"""Options as fields of a config: the mark that each carries, the frozen model that holds them, its words of refusal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from ttl.errors import RunFolderError

Default = TypeVar("Default")

Group = Literal[
    "files", "network", "search", "candidates", "judging", "deciding", "fine-tuning", "head and learning rate",
    "data", "machine", "workers", "output",
]  # fmt: skip
"""In the order in which a verb's help lists them. A verb takes whole groups."""
Affects = Literal["trial", "run", "decision", "nothing"]
"""What another value of an option makes another one.

`trial`: the result of a fine-tune depends on it, and nothing else in a trial's identity stands for it: the network, its
weights and its input, the images in their splits, the truncation point and the seed have parts of their own there.
`decision`: what is decided on the probabilities of a model that is there already, or by which groups one looks at them.
A finished run may be given another one; its ledger has it.
`nothing`: where results go, what computes them and who watches. That moves a figure by rounding at most, so a run may
be taken up again from another machine, or with another number of threads.
"""


@dataclass(frozen=True)
class Option:
    """The mark on a field: `epochs: Annotated[int, Option("At most so many", "fine-tuning")]`.

    Whether it is a switch, a flag that may be repeated, or one that takes two values follows from the field's type.
    """

    help: str  # what it decides; without its choices, its default and the full stop, which are added
    group: Group
    affects: Affects = "run"
    unset: str = ""  # what holds where there is no value, in words
    # of the values of a `Literal`, what those mean whose names aren't clear
    choices: Mapping[str, str] = field(default_factory=dict)
    metavar: str | None = None
    flag: str | None = None  # its name on the command line without the dashes, where that isn't the field's
    is_argument: bool = False  # it stands on the command line without a flag
    only_in_toml: bool = False
    is_place: bool = False  # it names a file or folder, and is compared as one: `xray/` and `./xray` are one folder
    # of its default and its meaning; raise it whenever one of the two changes, so that no fine-tune made under the old
    # ones passes for one under the new
    version: int = 1


def option(default: Default, help: str, group: Group, affects: Affects = "run", **more: Any) -> Default:
    """The same as a field's default: `epochs: int = option(10, "At most so many", "fine-tuning")`; see `Option`."""
    marked: Any = Field(default)
    marked.metadata.append(Option(help, group, affects, **more))
    return marked  # type: ignore[no-any-return]  # pydantic puts the default in its place


def kebab(name: str) -> str:
    """`image_size` as it is typed: `image-size`."""
    return name.replace("_", "-")


def as_typed(name: str, option: Option) -> str:
    """An option as the command line has it: `--image-size`, or `DATA`."""
    return name.upper() if option.is_argument else f"--{option.flag or kebab(name)}"


class Options(BaseModel):
    """Options of one kind, checked; each is described once, at its field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        marks = cls.marks()
        for name in cls.model_fields:
            if name not in marks:
                raise TypeError(f"{cls.__name__}.{name} has no Option: give it one, with help and group")

    @classmethod
    def marks(cls) -> dict[str, Option]:
        """Field name -> its mark, in the order of the fields."""
        fields = cls.model_fields.items()
        return {name: mark for name, field in fields for mark in field.metadata if isinstance(mark, Option)}

    def is_default(self, name: str) -> bool:
        """Whether an option has the value that it has where nothing is given."""
        return bool(getattr(self, name) == type(self).model_fields[name].default)

    def to_json(self) -> dict[str, JsonValue]:
        """All options as JSON values, under their snake_case names; paths as strings."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, options: Mapping[str, object]) -> Self:
        """What `to_json` wrote.

        Raises:
            RunFolderError: `options` isn't that, so the run folder is damaged or of another version.
        """
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise RunFolderError(
                f"The options recorded in the run folder can't be read ({clauses(error, {})}): "
                "it is damaged or was written by another version of ttl, so use another folder."
            ) from None

    def differences(self, other: Self) -> list[str]:
        """Names, as on the command line, of the options that differ and that change what a run computes."""
        return [
            option.flag or kebab(name)
            for name, option in self.marks().items()
            if option.affects not in ("decision", "nothing")
            and self._comparable(name, option) != other._comparable(name, option)
        ]

    def _comparable(self, name: str, option: Option) -> object:
        value = getattr(self, name)
        return os.path.abspath(value) if option.is_place and value is not None else value

    def trial_definition(self) -> dict[str, JsonValue]:
        """The part of a trial's identity that options decide.

        Only what differs from the defaults is in it, so that an option that is new renames no trial that was made
        before there was one. The version of each default is, once it has been raised, so that a trial made under
        another default isn't taken for one under this.

        Returns:
            option -> its value; once its version is above 1 `[value, version]`, and `["default", version]` where it
            has its default.
        """
        values, definition = self.to_json(), dict[str, JsonValue]()
        for name, option in self.marks().items():
            is_default = self.is_default(name)
            if option.affects == "trial" and not (is_default and option.version == 1):
                value = "default" if is_default else values[name]
                definition[name] = value if option.version == 1 else [value, option.version]
        return definition


# Where pydantic's own words would need a programmer.
REWORDED = {
    "greater_than": "should be above {gt:g}",
    "greater_than_equal": "should be at least {ge}",
    "less_than": "should be below {lt:g}",
    "less_than_equal": "should be at most {le}",
    "string_type": "should be a text",
    "int_type": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "path_type": "should be a path",
    "extra_forbidden": "is no option",
}


def clauses(error: ValidationError, origin: Mapping[str, str]) -> str:
    """All that is wrong, in one sentence without its full stop; `origin` is where each option came from."""
    return "; ".join(dict.fromkeys(_clause(detail, origin) for detail in error.errors()))


def _clause(detail: ErrorDetails, origin: Mapping[str, str]) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = REWORDED.get(detail["type"], text).format(**detail.get("ctx", {}))
    if not detail["loc"]:
        return text
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"No {name} was given: name it, on the command line or as {name} = ... in the TOML file"
    return f"{origin.get(name, kebab(name))} is {detail['input']!r}, and {text}"
