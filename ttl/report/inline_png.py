"""Pictures of the run folder, inside the page."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from ttl.report.page_blocks import Picture

PNG = b"\x89PNG\r\n\x1a\n"


def inlined(folder: Path | None, file: str | None, picture: Picture) -> Picture:
    """A picture with the PNG file in it, or in words why there is none; `file` is relative to the run folder."""
    if file is None:
        return replace(picture, missing="There is no picture.")
    try:
        content = (folder / file).read_bytes() if folder else b""
    except OSError:
        content = b""
    if not content.startswith(PNG):
        return replace(picture, missing=f"{file} is missing, or is no PNG file.")
    return replace(picture, uri=f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}")
