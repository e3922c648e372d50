"""What lies beside an exported file: the same facts as JSON, and a model card for a person (Mitchell et al., 2019)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ttl.export.metadata import Metadata
from ttl.typed import from_json
from ttl.words.estimate import Estimate
from ttl.words.metric import metric


def write_beside(path: Path, metadata: Metadata, record: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write `NAME.json` and `NAME.md` beside the file `NAME.onnx`.

    Args:
        path: the exported file.
        metadata: what it says about itself.
        record: what was checked on it: `file`, `sha256`, `size_bytes`, `opset`, `checks`, `sentence`, ...

    Returns:
        both paths.

    Raises:
        OSError: they can't be written.
    """
    content = {"metadata": asdict(metadata), "export": dict(record)}
    described, card = beside(path)
    described.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    card.write_text(model_card(metadata, record), encoding="utf-8")
    return described, card


def beside(path: Path) -> tuple[Path, Path]:
    """`NAME.json` and `NAME.md` of the file `NAME.onnx`."""
    return path.with_suffix(".json"), path.with_suffix(".md")


def model_card(metadata: Metadata, record: Mapping[str, Any]) -> str:
    """The model card, as Markdown."""
    said = metadata
    parts = [
        f"# {record['file']}: {said.kind} of {said.data_name or 'images'}",
        f"`{said.backbone}` up to `{said.cut}` (truncation point {said.index}), "
        f"{said.params:,} parameters with its head, {said.macs:,} multiply-adds an image up to the cut, "
        f"{said.precision}, {int(record['size_bytes']):,} bytes.",
        "## What it is for",
        f"It gives each {'pixel' if said.kind == 'segmentation' else 'image'} a probability for "
        f"{', '.join(said.class_names)}. It was measured on the test images of one data set, below, and on nothing "
        "else: on images from another device, clinic or population measure it again. It is not a medical device.",
        "## What it takes and gives",
        *_contract(said),
        "## How good it is",
        _metrics_table(said, record),
        str(record.get("sentence") or ""),
        "## What was checked on this file",
        _table(("Check", "Found", "Wanted"), ((c["name"], c["found"], c["wanted"]) for c in record["checks"])),
        "## Where it comes from",
        _table(("", ""), _origin(said, record)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _contract(said: Metadata) -> list[str]:
    if said.embeds_preprocessing:
        return [
            "Input `image`: decoded images, uint8 `(batch, height, width, channels)`, 1 or 3 channels (RGB), of any "
            "size; resizing, scaling and normalising are in the file. "
            f"Output `probabilities`: {_outputs(said)}."
        ]
    size = f"any height and width that are multiples of {said.divisor}" if said.free_sides else f"{said.image_size} px"
    resize = (
        "at their own size" if said.kind == "segmentation" else f"resized whole ({said.interpolation}, antialiased)"
    )
    grey = " Grey images are repeated to 3 channels." if said.channels == 1 else ""
    return [
        f"Input `image`: float32 `(batch, 3, height, width)`, {size}, {resize}, pixels / 255, less {list(said.mean)}, "
        f"divided by {list(said.std)}, a channel each.{grey}",
        f"Output `logits`: {_outputs(said)}; {'a sigmoid' if _is_sigmoid(said) else 'softmax'} makes probabilities of "
        "them.",
    ]


def _is_sigmoid(said: Metadata) -> bool:
    return said.kind == "multilabel" or (said.kind == "segmentation" and len(said.class_names) == 2)


def _outputs(said: Metadata) -> str:
    ends = ", height, width)" if said.kind == "segmentation" else ")"
    return f"float32 `(batch, classes{ends}`, classes in the order {', '.join(said.class_names)}"


def _metrics_table(said: Metadata, record: Mapping[str, Any]) -> str:
    """What the fine-tuned model reached, and what this file gives on the same test images."""
    names = list(dict.fromkeys(name for split in said.metrics.values() for name in split))
    if not names:
        return "Not measured."
    unit = str(record.get("distance_unit") or "")
    splits = [split for split in ("val", "test") if split in said.metrics]
    heads = ["Metric", *({"val": "Validation", "test": "Test"}[split] + " (95 % interval)" for split in splits)]
    rows = [[metric(n, unit).name, *(_written(said.metrics[split].get(n), n, unit) for split in splits)] for n in names]
    own = record.get("test")
    if own:
        heads.append("Test, this file")
        found = [_written({"value": own[name]}, name, unit) if name in own else "" for name in names]
        rows = [[*line, value] for line, value in zip(rows, found, strict=True)]
    return _table(heads, rows)


def _written(found: Mapping[str, float | None] | None, name: str, unit: str) -> str:
    estimate, known = from_json(Estimate, found or {}, where="The model's metrics"), metric(name, unit)
    if not estimate.is_defined:
        return "undefined"
    return known.text(estimate.value) + (f" ({known.interval(estimate)})" if estimate.has_interval else "")


def _origin(said: Metadata, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Data", f"{said.data_name}, fingerprint {said.data_fingerprint}"),
        ("Fine-tuned", f"recipe {said.recipe}, from: {said.weights}"),
        ("Licence", said.licence),
        ("File", f"SHA-256 {record['sha256']}, opset {record['opset']}"),
        ("Made with", ", ".join(f"{name} {version}" for name, version in said.versions.items())),
    ]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
