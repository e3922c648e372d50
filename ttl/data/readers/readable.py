"""Checking the files of a data set, whoever names them: a folder or a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ttl.data.modality.image import check_image
from ttl.data.modality.rendering import AS_FILED, Rendering
from ttl.data.pool import Progress, in_threads
from ttl.data.readers.dicom_notes import dicom_notes, of_frames
from ttl.data.readers.every_frame import check_frames, frame_id
from ttl.data.readers.walk import Content
from ttl.data.sources import FileSource
from ttl.data.task import picked
from ttl.words.counts import counted, grouped_reasons, listed
from ttl.words.mask_values import MaskValues


@dataclass(frozen=True)
class Reading:
    """How the files of a data set are read: see `ttl.data.load_task`."""

    rendering: Rendering = AS_FILED
    skip_bad: bool = False
    mask_values: MaskValues | None = None
    per_pixel: bool | None = None  # whether masks are wanted, where a folder may be read with them or without
    known: tuple[str, ...] = ()  # classes that a model tells apart, of which a folder may hold one alone
    on_progress: Progress | None = None


PLAIN = Reading()


@dataclass(frozen=True, eq=False)
class Checked:
    """The images that can be read, of which files they are, and why others can't."""

    ids: tuple[str, ...]
    good: tuple[int, ...]  # of each image the position of its file among all; several are frames of one
    source: FileSource
    bad: Mapping[str, str]  # id -> reason

    def skipped(self) -> list[str]:
        """A note on the images that can't be read; none if there are none."""
        return [f"{counted(len(self.bad), 'unreadable image')} skipped: {reasons(self.bad)}."] if self.bad else []


def check_images(ids: Sequence[str], paths: tuple[Path, ...], reading: Reading) -> Checked:
    """Decode each image once: one of a file, or where all are asked for each of its frames."""
    every = reading.rendering.frame == "all"
    check = partial(check_frames if every else check_image, rendering=reading.rendering)
    results = list(in_threads(check, paths, reading.on_progress))
    bad = {ids[i]: why for i, why in enumerate(results) if isinstance(why, str)}
    found = [
        (i, fact)
        for i, facts in enumerate(results)
        if not isinstance(facts, str)
        for fact in (facts if isinstance(facts, tuple) else (facts,))
    ]
    good = tuple(i for i, _ in found)
    own = tuple(frame_id(ids[i], fact.frame) if every else ids[i] for i, fact in found)
    source = FileSource(tuple(fact for _, fact in found), picked(paths, good), reading.rendering)
    return Checked(own, good, source, bad)


def reasons(bad: Mapping[str, str]) -> str:
    """Why images can't be read, with the first of each reason."""
    return grouped_reasons(bad)


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


def oddities(source: FileSource) -> list[str]:
    """Notes on images that were converted."""
    asked = source.rendering
    whose = "the window given" if asked.window else "the header's window"
    if asked.value_range is not None:
        scale = "the values of --range are 0 and 255."
    else:
        scale = "stretched from the image's own darkest..brightest pixel to 0..255."
    outliers = "with outliers (hot or dead pixels, markers, missing data), which are black or white and set no scale."
    several = [path for path, fact in zip(source.paths, source.facts, strict=True) if fact.frame]
    files = counted(len(set(several)), "file")
    odd = (
        (sum(fact.deep for fact in source.facts), "image", f"with more than 8 bits a channel: {scale}"),
        (sum(fact.clipped for fact in source.facts), "image", f"{outliers} With --range the scale is yours."),
        (sum(fact.windowed for fact in source.facts), "DICOM image", f"shown through {whose}."),
        (len(several), "image", of_frames(source.rendering.frame, files)),
    )
    return [*(f"{counted(number, thing)} {what}" for number, thing, what in odd if number), *dicom_notes(source)]
