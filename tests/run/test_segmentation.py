"""A run on images with masks: squares to be outlined, the smallest U-Net, one epoch."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from ttl.cli import app
from ttl.config import RunConfig
from ttl.data.modality.image import channels_first
from ttl.deliver.pictures.predicted_masks import draw_masks
from ttl.errors import UsageError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.export.run import OnnxModel
from ttl.finetune import normalised
from ttl.run import export, finetune, plan, run
from ttl.stats import SEGMENTATION_METRICS, metrics

SIZES = ((48, 40), (32, 32), (70, 64))


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


def tiny(data: Path, out: Path, **changes: object) -> RunConfig:
    options = {"data": str(data), "model": "unet:resnet10t", "weights": "none", "image_size": 32, "epochs": 1}
    return RunConfig.model_validate({**options, "out": out, **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "first"
    run(tiny(data, folder, strategy="two-stage", select="best", balance="loss"))
    return folder


def test_a_run_leaves_figures_files_and_pictures(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    assert (content["status"], content["metric"], content["task"]["kind"]) == ("finished", "dice", "segmentation")
    assert content["task"]["distance_unit"] == "px"
    for figures in (content["chosen"], content["full"]):
        assert tuple(figures["test"]) == SEGMENTATION_METRICS
        assert figures["encoder_params"] < figures["params"]
        assert figures["encoder_macs"] < figures["macs"]
    assert content["comparison"]["metric"] == "dice"
    assert content["comparison"]["margin"] == 0.02
    assert {"background", "foreground"} == set(content["per_class"]["chosen"]["dice"])
    cases = content["overlays"]["cases"]
    assert cases[0]["why"] == "worst 1 of 3"
    for case in cases:
        assert all((finished / path).is_file() for path in case["files"].values())
    page = (finished / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= len(cases) * 3


def test_the_predictions_on_disk_give_the_reported_dice(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    record = json.loads((finished / "trials" / content["chosen"]["trial"] / "trial.json").read_text())
    rows = np.asarray(record["predictions"]["test"], dtype=np.float64)
    assert rows.shape == (3, 2, 5)
    found = metrics("segmentation", np.ones((3, 2)), rows, SEGMENTATION_METRICS)
    assert found == pytest.approx({name: figure["value"] for name, figure in content["chosen"]["test"].items()})


def test_the_file_takes_any_batch_and_any_sides_that_the_depth_divides(finished: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    graph = onnx.load(str(finished / "full.onnx")).graph
    dims = [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim]
    assert dims[0] == "batch"
    assert all("32" in dim for dim in dims[2:])
    assert content["export"]["free_sides"]
    model = OnnxModel(finished / "full.onnx")
    assert (model.contract.divisor, model.contract.sides) == (32, (32, 32))
    assert all(abs(delta) < 1e-3 for delta in content["export"]["parity_metric_delta"].values())


def test_the_file_draws_what_the_saved_model_draws(finished: Path, data: Path) -> None:
    content = json.loads((finished / "report.json").read_text())
    model, bundle = load_bundle(finished / "trials" / content["chosen"]["trial"])
    pixels = channels_first(Image.open(data / "images" / "01.png"), 1)
    drawn = next(OnnxModel(finished / "model.onnx").maps([pixels]))
    inputs = normalised(torch.from_numpy(pixels[None].copy()), bundle.contract.mean, bundle.contract.std)
    with torch.no_grad():
        own = model(inputs).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(drawn[1], own, atol=1e-5)
    np.testing.assert_allclose(drawn.sum(0), 1, atol=1e-6)


def test_masks_are_drawn_at_the_images_own_size(finished: Path, data: Path, tmp_path: Path) -> None:
    paths = sorted((data / "images").iterdir())[:3]
    rows = list(draw_masks(OnnxModel(finished / "model.onnx"), paths, data / "images", tmp_path))
    for path, row in zip(paths, rows, strict=True):
        mask = np.asarray(Image.open(row["mask"]))
        assert mask.shape == np.asarray(Image.open(path)).shape
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask == 255).mean() == pytest.approx(row["shares"]["foreground"])
        assert Path(row["overlay"]).is_file()


def test_the_same_command_again_trains_nothing(finished: Path, data: Path) -> None:
    again = run(tiny(data, finished, strategy="two-stage", select="best", balance="loss"))
    assert again.trained == 0


@pytest.mark.parametrize("strategy", ["joint", "svcca", "probe"])
def test_every_strategy_searches_a_unet(data: Path, tmp_path: Path, strategy: str) -> None:
    # SVCCA wants ten places a channel, and the deepest map has one for each 32 pixels.
    content = run(tiny(data, tmp_path / "out", strategy=strategy, image_size=64), deliver=False).report
    assert content["search"]["reason"]
    assert content["chosen"]["cut"].startswith("encoder.")
    if strategy != "svcca":
        curve = content[strategy]
        assert len(curve) == len(content["points"])
        assert all(0 <= row["mean"] <= 1 for row in curve)
    else:
        assert len(content["svcca"]["points"]) == len(content["points"])


def test_a_joint_search_starts_the_picked_cut_anew_and_counts_no_decoder_in_the_joint_network(
    data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    content = run(tiny(data, folder, epochs=2), deliver=False).report
    records = [json.loads(path.read_text()) for path in folder.glob("trials/*/trial.json")]
    (joint,) = (record for record in records if record["cut"] == "joint network")
    assert joint["macs"] == content["points"][-1]["encoder_macs"]
    assert len(joint["heads"]) == len(content["points"])
    assert all("start" not in record for record in records)


def test_three_classes_and_the_batch_norm_recipe(tmp_path: Path) -> None:
    data = squares(tmp_path / "data", classes=3)
    tuned = finetune(tiny(data, tmp_path / "out", recipe="bn", epochs=2), "encoder.model.layer2.0")
    record = tuned.record
    model, _ = load_bundle(tuned.folder)
    assert model.get_submodule("segmentation_head.0").weight.shape[0] == 3
    norms = sum(p.numel() for name, p in model.named_parameters() if name.startswith("encoder.") and p.dim() == 1)
    new = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("encoder."))
    assert record["trainable"] == {"head": new, "head+bn": new + norms}
    (file,) = export(tuned.folder, ExportConfig())
    assert file.parity_max_abs <= file.parity_tolerance
    path = tuned.folder / file.file
    rows = list(draw_masks(OnnxModel(path), [data / "images" / "00.png"], data / "images", tmp_path / "drawn"))
    with Image.open(rows[0]["mask"]) as mask:
        assert mask.mode == "P"
        assert set(np.unique(np.asarray(mask))) <= {0, 1, 2}


def test_a_plan_counts_crops(data: Path, tmp_path: Path) -> None:
    planned = plan(tiny(data, tmp_path / "none"))
    config = tiny(data, tmp_path / "none")
    sizes = [SIZES[int(path.stem) % 3] for path in (data / "images").iterdir()]
    most = sum(-(-h // 32) * -(-w // 32) for h, w in sizes)
    assert planned.macs_per_epoch % planned.points[-1].macs == 0
    assert 9 < planned.macs_per_epoch / (3 * planned.points[-1].macs) < most
    assert config.recipe is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "resnet10t"}, r"has masks, and --model resnet10t is a classifier: give --model unet:ENCODER"),
        ({"pool": "max"}, r"--pool and --dropout are of a classifier's head"),
        ({"image_size": 40}, r"--image-size is 40, .* give a multiple of 32"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(tiny(data, tmp_path / "out", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "unet:resnet10t"}, r"--model unet:resnet10t draws masks, and digits:0-1 has none"),
        ({"loss": "dice"}, r"--loss is of segmentations"),
    ],
)
def test_a_classification_set_is_none_for_a_unet(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    options = {"data": "digits:0-1", "model": "resnet10t", "weights": "none", "image_size": 32, "out": tmp_path}
    with pytest.raises(UsageError, match=message):
        run(RunConfig.model_validate(options | changes))


def test_predict_writes_masks_and_bench_knows_the_size(finished: Path, data: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    drawn = runner.invoke(
        app, ["predict", str(finished / "model.onnx"), str(data / "images"), "--out", str(tmp_path / "drawn"), "--json"]
    )
    rows = json.loads(drawn.output)
    assert len(rows) == 15
    assert all(Path(row["mask"]).parent == tmp_path / "drawn" / "masks" for row in rows)
    one = str(data / "images" / "00.png")
    said = runner.invoke(app, ["predict", str(finished / "model.onnx"), one, "--out", str(tmp_path / "one")])
    assert re.search(r"00\.png  background [\d.]+%  foreground [\d.]+%  .*one/masks/00\.png", said.output)
    timed = runner.invoke(app, ["bench", str(finished / "model.onnx"), "--threads", "1", "--runs", "64", "--json"])
    assert timed.exit_code == 0, timed.output
    assert json.loads(timed.stdout)["rows"][0]["batch"] == 1


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "model", "weights"),
    [
        ("membrane", "unet:resnet18", "resnet18_stem_to_layer3.pth"),
        ("nuclei", "unet:mobilenet_v2", "mobilenet_v2.pth"),
    ],
)
def test_a_lower_cut_draws_real_images(realdata: Path, tmp_path: Path, name: str, model: str, weights: str) -> None:
    config = RunConfig(
        data=str(realdata / name),
        model=model,
        weights=str(realdata / "weights" / weights),
        image_size=128,
        epochs=1,
        train_fraction=0.3,
        out=tmp_path / "out",
    )
    tuned = finetune(config, "3")
    # Far above what guessing gives: half of a membrane's pixels are foreground at random, 8 % of the nuclei's.
    assert tuned.record["test"]["dice"]["value"] > 0.6
    (record,) = export(tuned.folder, ExportConfig())
    assert record.parity_max_abs <= record.parity_tolerance
    path = tuned.folder / record.file
    image = sorted((realdata / name / "images").iterdir())[0]
    (row,) = draw_masks(OnnxModel(path), [image], image.parent, tmp_path / "drawn")
    truth = np.asarray(Image.open(sorted((realdata / name / "masks").iterdir())[0])) > 0
    drawn = np.asarray(Image.open(row["mask"])) > 0
    assert 2 * (truth & drawn).sum() / (truth.sum() + drawn.sum()) > 0.5
