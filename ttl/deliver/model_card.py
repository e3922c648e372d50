"""What lies beside an exported file: the same facts as JSON, and a model card for a person (Mitchell et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ttl.deliver.file_record import FileRecord
from ttl.export.contract import Contract, contract_to_json
from ttl.files import write_text
from ttl.typed import to_json, write_sealed
from ttl.words.estimate import Estimate
from ttl.words.metric import metric


def write_beside(path: Path, contract: Contract, record: FileRecord) -> tuple[Path, Path]:
    """Write `NAME.json` and `NAME.md` beside the exported file `NAME.onnx`; both paths.

    Raises:
        OSError: they can't be written.
    """
    content = {"metadata": contract_to_json(contract), "export": to_json(record)}
    described, card = beside(path)
    write_sealed(described, content)
    write_text(card, model_card(contract, record))
    return described, card


def beside(path: Path) -> tuple[Path, Path]:
    """`NAME.json` and `NAME.md` of the file `NAME.onnx`."""
    return path.with_suffix(".json"), path.with_suffix(".md")


def model_card(contract: Contract, record: FileRecord) -> str:
    """The model card, as Markdown."""
    origin, checks = contract.provenance, record.checks or ()
    parts = [
        f"# {record.file}: {contract.kind} of {origin.data_name or 'images'}",
        f"`{origin.network}` up to `{origin.cut}` (truncation point {origin.index}), "
        f"{origin.params:,} parameters with its head, {origin.macs:,} multiply-adds an image up to the cut, "
        f"{contract.precision}, {record.size_bytes or 0:,} bytes.",
        "## What it is for",
        f"It gives each {'pixel' if contract.per_pixel else 'image'} a probability for "
        f"{', '.join(contract.class_names)}. It was measured on the test images of one data set, below, and on nothing "
        "else: on images from another device, clinic or population measure it again. It is not a medical device.",
        "## What it takes and gives",
        *_ends(contract),
        "## How good it is",
        _metrics_table(contract, record),
        record.sentence or "",
        "## What was checked on this file",
        _table(("Check", "Found", "Wanted"), ((check.name, check.found, check.wanted) for check in checks)),
        "## Where it comes from",
        _table(("", ""), _origin(contract, record)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _ends(contract: Contract) -> list[str]:
    dims = ", height, width)" if contract.per_pixel else ")"
    gives = f"float32 `(batch, classes{dims}`, classes in the order {', '.join(contract.class_names)}"
    if contract.embeds_preprocessing:
        return [
            "Input `image`: decoded images, uint8 `(batch, height, width, channels)`, 1 or 3 channels (RGB), of any "
            f"size; resizing, scaling and normalising are in the file. Output `probabilities`: {gives}."
        ]
    height, width = contract.sides
    size = f"{height} px" if height == width else f"{height} x {width} px (height, width)"
    if contract.free_sides:
        size = f"any height and width that are multiples of {contract.divisor}"
    whole = f"resized whole ({contract.decoding.interpolation}, antialiased)"
    grey = " Grey images are repeated to 3 channels." if contract.channels == 1 else ""
    return [
        f"Input `image`: float32 `(batch, 3, height, width)`, {size}, "
        f"{'at their own size' if contract.per_pixel else whole}, pixels / 255, less {list(contract.mean)}, "
        f"divided by {list(contract.std)}, a channel each.{grey}",
        f"Output `logits`: {gives}; {'a sigmoid' if contract.activation == 'sigmoid' else 'softmax'} makes "
        "probabilities of them.",
    ]


def _metrics_table(contract: Contract, record: FileRecord) -> str:
    """What the fine-tuned model reached, and what this file gives on the same test images."""
    unit, own = record.distance_unit or "", record.test or {}
    titles = {"val": "Validation", "test": "Test"}
    splits = {title: contract.metrics[split] for split, title in titles.items() if split in contract.metrics}
    names = list(dict.fromkeys(name for found in splits.values() for name in found))
    if not names:
        return "Not measured."
    heads = ["Metric", *(f"{title} (95 % interval)" for title in splits), *(["Test, this file"] if own else [])]
    rows = [
        [metric(name, unit).name, *(_written(found.get(name, Estimate()), name, unit) for found in splits.values())]
        + ([_written(Estimate(own[name]), name, unit) if name in own else ""] if own else [])
        for name in names
    ]
    return _table(heads, rows)


def _written(found: Estimate, name: str, unit: str) -> str:
    known = metric(name, unit)
    if not found.is_defined:
        return "undefined"
    return known.text(found.value) + (f" ({known.interval(found)})" if found.has_interval else "")


def _origin(contract: Contract, record: FileRecord) -> list[tuple[str, str]]:
    origin = contract.provenance
    return [
        ("Data", f"{origin.data_name}, fingerprint {origin.data_fingerprint}"),
        ("Fine-tuned", f"recipe {origin.recipe}, from: {origin.weights}"),
        ("Licence", origin.licence),
        ("File", f"SHA-256 {record.sha256}, opset {record.opset}"),
        ("Made with", ", ".join(f"{name} {version}" for name, version in origin.versions.items())),
    ]


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
