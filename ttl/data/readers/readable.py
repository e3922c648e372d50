"""Checking the files of a data set, whoever names them: a folder or a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ttl.data.modality.facts import Facts
from ttl.data.modality.image import check_image
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.data.pool import Progress, in_threads
from ttl.data.readers.walk import Content
from ttl.data.sources import FileSource
from ttl.data.task import picked
from ttl.words.counts import counted, listed
from ttl.words.mask_values import MaskValues


@dataclass(frozen=True)
class Reading:
    """How the files of a data set are read: see `ttl.data.load_task`."""

    rendering: Rendering = AS_FILED
    skip_bad: bool = False
    mask_values: MaskValues | None = None
    per_pixel: bool | None = None  # whether masks are wanted, where a folder may be read with them or without
    on_progress: Progress | None = None


PLAIN = Reading()


@dataclass(frozen=True, eq=False)
class Checked:
    """The images that can be read, their positions among all, and why the others can't."""

    good: tuple[int, ...]
    source: FileSource
    bad: Mapping[str, str]  # id -> reason

    def skipped(self) -> list[str]:
        """A note on the images that can't be read; none if there are none."""
        return [f"{counted(len(self.bad), 'unreadable image')} skipped: {reasons(self.bad)}."] if self.bad else []


def check_images(ids: Sequence[str], paths: tuple[Path, ...], reading: Reading) -> Checked:
    """Decode each image once."""
    results = list(in_threads(partial(check_image, rendering=reading.rendering), paths, reading.on_progress))
    good = {i: fact for i, fact in enumerate(results) if isinstance(fact, Facts)}
    source = FileSource(tuple(good.values()), picked(paths, [*good]), reading.rendering)
    return Checked(tuple(good), source, {ids[i]: why for i, why in enumerate(results) if isinstance(why, str)})


def reasons(bad: Mapping[str, str]) -> str:
    """The first of the images that can't be read, with the reasons."""
    return listed(f"{name} ({reason})" for name, reason in bad.items())


def left_aside(root: Path, beside: Iterable[Path], contents: Sequence[Content], what: str) -> list[str]:
    """Notes on what lies under `root` and isn't read: paths that are `what`, and links that are not followed."""
    ignored = [*beside, *(path for content in contents for path in content.others)]
    repeated = [path for content in contents for path in content.repeated]
    both = ((ignored, "path", f"ignored, {what}"), (repeated, "link", "to a folder that is read anyway, not followed"))
    return [
        f"{counted(len(paths), thing)} {how}: {listed(path.relative_to(root).as_posix() for path in paths)}."
        for paths, thing, how in both
        if paths
    ]


def patients(facts: Sequence[Facts]) -> tuple[tuple[str, ...] | None, list[str]]:
    """Who each image is of, where all headers say so, and a note; one name for all, as anonymising leaves, is none."""
    named = tuple(fact.patient for fact in facts)
    if not all(named) or len(set(named)) < 2:
        return None, []
    return named, [f"Grouped by the headers' PatientID: {counted(len(set(named)), 'patient')}."]


def oddities(source: FileSource) -> list[str]:
    """Notes on images that were converted."""
    whose = "the window given" if source.rendering.window else "the header's window"
    stretched = "with more than 8 bits a pixel: stretched from the image's own darkest..brightest pixel to 0..255."
    odd = (
        (sum(fact.deep for fact in source.facts), "image", stretched),
        (sum(fact.windowed for fact in source.facts), "DICOM image", f"shown through {whose}."),
        (sum(fact.animated for fact in source.facts), "image", "with several frames: the first is used."),
    )
    return [f"{counted(number, thing)} {what}" for number, thing, what in odd if number]
