"""`ttl predict`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ttl.cli.command import Json, print_json, verb

if TYPE_CHECKING:
    from ttl.export.run import OnnxModel

TOGETHER = 64
"""Images a call."""


@verb("what an exported model makes of images", example="ttl predict ttl-run/model.onnx scan.png")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A file that ttl exported.")],
    images: Annotated[Path, typer.Argument(metavar="IMAGE|DIR", help="An image, or a folder of images.")],
    out: Annotated[Path, typer.Option(help="Of a segmentation: the folder of the masks and overlays.")] = Path("masks"),
    as_json: Json = False,
) -> None:
    """Say what an exported model makes of images: the class and the probability of each; or draw their masks."""
    from ttl.data import find_images
    from ttl.export.run import OnnxModel

    onnx_model = OnnxModel(model)
    paths = find_images(images)
    width = max(len(str(path)) for path in paths)
    look = _masks(onnx_model, paths, images, out) if onnx_model.contract.per_pixel else _classes(onnx_model, paths)
    rows = []
    for row, words in look:
        rows.append(row)
        if not as_json:
            typer.echo(f"{row['image']:<{width}}  {words}")
    if as_json:
        print_json(rows)
    elif onnx_model.contract.per_pixel:
        typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")


Row = tuple[dict[str, object], str]
"""The result of an image: as JSON, and in words."""


def _masks(model: OnnxModel, paths: Sequence[Path], root: Path, out: Path) -> Iterator[Row]:
    from ttl.deliver.pictures.predicted_masks import draw_masks

    for row in draw_masks(model, paths, root, out):
        shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
        yield dict(row), f"{shares}  {row['mask']}"


def _classes(model: OnnxModel, paths: Sequence[Path]) -> Iterator[Row]:
    """So many images are open at a time as are predicted together."""
    from ttl.data import open_image

    predicted: dict[Path, list[float]] = {}
    for start in range(0, len(paths), TOGETHER):
        chunk = paths[start : start + TOGETHER]
        rows = model.predict_images([open_image(path, model.contract.decoding.window) for path in chunk])
        predicted |= dict(zip(chunk, rows.tolist(), strict=True))
    for path, row in predicted.items():
        shares = dict(zip(model.contract.class_names, row, strict=True))
        chosen = max(shares, key=shares.__getitem__)
        words = "  ".join(f"{name} {value:.4f}" for name, value in shares.items())
        yield {"image": str(path), "class": chosen, "probabilities": shares}, f"{chosen}  ({words})"
