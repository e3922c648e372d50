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
    if onnx_model.contract.per_pixel:
        _draw(onnx_model, paths, images, out, as_json)
        return
    predicted = dict(_predicted(onnx_model, paths))
    chosen = {path: max(shares, key=shares.__getitem__) for path, shares in predicted.items()}
    if as_json:
        print_json(
            [{"image": str(path), "class": chosen[path], "probabilities": predicted[path]} for path in predicted]
        )
        return
    width = max(len(str(path)) for path in paths)
    for path, shares in predicted.items():
        words = "  ".join(f"{name} {value:.4f}" for name, value in shares.items())
        typer.echo(f"{path!s:<{width}}  {chosen[path]}  ({words})")


def _predicted(model: OnnxModel, paths: Sequence[Path]) -> Iterator[tuple[Path, dict[str, float]]]:
    """Each image with the probabilities of its classes; so many are open at a time as are predicted together."""
    from ttl.data import open_image

    for start in range(0, len(paths), TOGETHER):
        chunk = paths[start : start + TOGETHER]
        rows = model.predict_images([open_image(path, model.contract.decoding.window) for path in chunk])
        for path, row in zip(chunk, rows, strict=True):
            yield path, dict(zip(model.contract.class_names, row.tolist(), strict=True))


def _draw(model: OnnxModel, paths: Sequence[Path], root: Path, out: Path, as_json: bool) -> None:
    """Masks and overlays as files, and a line each."""
    from ttl.deliver.pictures.predicted_masks import draw_masks

    width, drawn = max(len(str(path)) for path in paths), []
    for row in draw_masks(model, paths, root, out):
        drawn.append(row)
        if not as_json:
            shares = "  ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
            typer.echo(f"{row['image']:<{width}}  {shares}  {row['mask']}")
    if as_json:
        print_json(drawn)
    else:
        typer.echo(f"Masks are in {out / 'masks'}, the images with their outlines in {out / 'overlays'}.")
