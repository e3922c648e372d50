"""Runs that take seconds: two digits or squares to outline, the smallest networks, one epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ttl.config import RunConfig
from ttl.run.events import Event, Note

TIMELESS = ("seconds", "images_per_second", "latency", "started", "run", "content_sha256", "sha256", "id", "at")
STEPS = {"batch_size": 8, "lr": 3e-3}
"""Of an epoch that trains the toys enough."""
SIZES = ((48, 40), (32, 32), (70, 64))
POINTS = ["maxpool", "layer1.0", "layer2.0", "layer3.0", "layer4.0"]
"""Of the network that `tiny` cuts."""


def tiny(out: Path, **changes: object) -> RunConfig:
    """Two digits, a ResNet of half a million parameters, one epoch on one thread, of steps that train it enough."""
    options = {"data": "digits:0-1", "model": "test_resnet", "weights": "none", "image_size": 32, "epochs": 1}
    return RunConfig.model_validate({**options, **STEPS, "strategy": "two-stage", "threads": 1, "out": out, **changes})


def tiny_unet(data: Path, out: Path, **changes: object) -> RunConfig:
    """The same ResNet as a U-Net's encoder."""
    options = {"data": str(data), "model": "unet:test_resnet", "weights": "none", "image_size": 32, "epochs": 1}
    return RunConfig.model_validate({**options, "threads": 1, "out": out, **changes})


def squares(folder: Path, n: int = 15, classes: int = 2) -> Path:
    """Noise with a brighter square each (two of different brightness for three classes), of several image sizes."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(n):
        height, width = SIZES[i % len(SIZES)]
        pixels, mask = rng.integers(0, 60, (height, width)), np.zeros((height, width), np.uint8)
        for label in range(1, classes):
            top, left = rng.integers(0, height - 14), rng.integers(0, width - 14)
            pixels[top : top + 12, left : left + 12] = 90 * label + rng.integers(0, 30)
            mask[top : top + 12, left : left + 12] = label
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{i:02}.png")
        Image.fromarray(mask * np.uint8(255) if classes == 2 else mask).save(folder / "masks" / f"{i:02}.png")
    return folder


def timeless(content: Any) -> Any:
    """JSON values without what differs between two equal runs."""
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMELESS}
    return [timeless(value) for value in content] if isinstance(content, list) else content


def content_of(folder: Path, name: str = "report.json") -> dict[str, Any]:
    """A JSON file of a run folder."""
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


def notes_in(events: list[Event]) -> list[str]:
    """The sentences among what happened."""
    return [event.text for event in events if isinstance(event, Note)]
