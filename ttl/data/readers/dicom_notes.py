"""What a person should know of the DICOM files of a set, and of files with several frames."""

from __future__ import annotations

from collections import Counter

from ttl.data.modality.rendering import Frame
from ttl.data.sources import FileSource
from ttl.words.counts import counted, listed

SHOWN = 3  # windows that a note names


def dicom_notes(source: FileSource) -> list[str]:
    """Notes on headers whose windows differ, and on files that were made for something else than the others."""
    return [*_windows(source), *_uses(source)]


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


def _uses(source: FileSource) -> list[str]:
    """Notes on DICOM files that were made for something else than the others."""
    uses = (
        ("localizer", "localizers, by which others were planned (ImageType)"),
        ("raw", "raw, to be processed before they are seen (PresentationIntentType)"),
    )
    return [
        f"{counted(number, 'image')} beside {len(source) - number} others are {what}: take away those not meant."
        for use, what in uses
        if 0 < (number := sum(fact.use == use for fact in source.facts)) < len(source)
    ]


def of_frames(asked: Frame, files: str) -> str:
    """What was read of files with several frames, as the end of a note."""
    if asked == "all":
        return f"are all frames of {files}: those of one file are kept together."
    which = f"frame {asked}" if isinstance(asked, int) else f"the {asked} one"
    return f"with several frames: {which} is used (--frame takes another, or all)."
