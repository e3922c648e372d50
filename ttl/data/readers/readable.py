"""Checking the files of a data set, whoever names them: a folder or a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ttl.data.modality.image import check_image
from ttl.data.modality.rendering import AS_FILED, Frame, Rendering
from ttl.data.pool import Progress, in_threads
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
    per_pixel: bool = False  # masks are wanted, where a folder may be read with them or without
    on_progress: Progress | None = None


PLAIN = Reading()
SHOWN = 3  # windows that a note names


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
    whose = "the window given" if source.rendering.window else "the header's window"
    stretched = "with more than 8 bits a pixel: stretched from the image's own darkest..brightest pixel to 0..255."
    several = [path for path, fact in zip(source.paths, source.facts, strict=True) if fact.frame]
    files = counted(len(set(several)), "file")
    odd = (
        (sum(fact.deep for fact in source.facts), "image", stretched),
        (sum(fact.windowed for fact in source.facts), "DICOM image", f"shown through {whose}."),
        (len(several), "image", _of_frames(source.rendering.frame, files)),
    )
    return [*(f"{counted(number, thing)} {what}" for number, thing, what in odd if number), *_windows(source)]


def _windows(source: FileSource) -> list[str]:
    """A note on headers' windows that differ; none where they don't."""
    windows = Counter(fact.window for fact in source.facts if fact.window is not None)
    if len(windows) < 2:
        return []
    commonest = listed((f"{center:g}/{width:g}" for (center, width), _ in windows.most_common()), SHOWN)
    return [
        f"The headers' windows differ (center/width {commonest}): equal values are other greys from image to image; "
        "where values mean the same, as in CT, --window shows all alike."
    ]


def _of_frames(asked: Frame, files: str) -> str:
    """What was read of files with several frames, as the end of a note."""
    if asked == "all":
        return f"are all frames of {files}: those of one file are kept together."
    which = f"frame {asked}" if isinstance(asked, int) else f"the {asked} one"
    return f"with several frames: {which} is used (--frame takes another, or all)."
