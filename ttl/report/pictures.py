"""Pictures of the run folder, inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ttl.report.blocks import Picture
from ttl.report.reading import Report, mapping

PNG = b"\x89PNG\r\n\x1a\n"


def embedded(report: Report, case: Mapping[str, Any], key: str, caption: str, alt: str, note: str = "") -> Picture:
    """The picture that a case names under `files`, or in words why there is none.

    Args:
        report: knows the folder.
        case: of `overlays` or `cams`.
        key: of `files`.
        caption: below the picture.
        alt: what it shows, for whoever can't see it.
        note: below the caption.
    """
    file = mapping(case, "files").get(key)
    if not isinstance(file, str):
        return Picture(caption, alt, note=note, missing="There is no picture.")
    try:
        content = (report.folder / file).read_bytes() if report.folder else b""
    except OSError:
        content = b""
    if not content.startswith(PNG):
        return Picture(caption, alt, note=note, missing=f"{file} is missing, or is no PNG file.")
    uri = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(caption, alt, uri, note)
