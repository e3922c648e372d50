"""Test images that the report shows, with what networks make of them, and their pictures in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ttl.errors import RunFolderError
from ttl.typed import Figure, OptionalKey

Which = Literal["full", "chosen"]
"""The whole network, and the one that is cut where the search chose."""


@dataclass(frozen=True, kw_only=True)
class MaskCase:
    """A test image, why it is shown, its figures (network -> metric -> value) and its pictures (what -> file)."""

    id: str
    why: str
    figures: Mapping[Which, Mapping[str, Figure]]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MaskCases:
    """What the networks draw on some images."""

    split: str
    classes: tuple[str, ...]
    cases: tuple[MaskCase, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a network gives for an image, or for a label of it."""

    name: Annotated[str, Field(alias="class")]
    probability: float
    right: bool


@dataclass(frozen=True, kw_only=True)
class CamCase:
    """A test image with its maps: of each network the class that the map is of, its rows and columns, and its file.

    `truth` is the image's class, or the label with `no` before it where that is absent; `files` has the `image`, too.
    """

    id: str
    why: str
    truth: str
    says: Mapping[Which, Answer]
    map_of: Mapping[Which, str]
    map_size: Mapping[Which, tuple[int, ...]]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CamCases:
    """Grad-CAM of some images; only `missing`, the reason, where it could not be drawn."""

    split: OptionalKey[str] = None
    cases: Annotated[tuple[CamCase, ...], Field(exclude_if=lambda cases: not cases)] = ()
    missing: OptionalKey[str] = None


def write_pictures(run_folder: Path, name: str, number: int, pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Write the PNG files of one case into a folder of the run folder; key -> path, relative to the run folder.

    Raises:
        RunFolderError: no room, or no right to write.
    """
    paths = {key: f"{name}/{number}-{key}.png" for key in pictures}
    try:
        (run_folder / name).mkdir(exist_ok=True)
        for key, path in paths.items():
            (run_folder / path).write_bytes(pictures[key])
    except OSError as error:
        raise RunFolderError(
            f"The pictures in {run_folder / name} can't be written ({error.strerror}): make room and give the same "
            "command again, what was computed is kept"
        ) from error
    return paths
