"""A run on images with masks: squares to be outlined, the smallest U-Net, one epoch."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from toy_runs import SIZES, content_of, squares, tiny, tiny_unet
from ttl.cli import app
from ttl.config import RunConfig
from ttl.data import read_image_lists
from ttl.data.kind import masks
from ttl.data.masked_images import MaskedImages
from ttl.data.modality.normalise import normalised
from ttl.deliver.pictures.predicted_masks import draw_masks
from ttl.errors import UsageError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.export.run import OnnxModel, trained_on
from ttl.run import export, finetune, plan, run
from ttl.run.context import context_of
from ttl.run.events import unwatched
from ttl.run.prepare import prepare
from ttl.run.testing import predict_test
from ttl.stats import SEGMENTATION_METRICS, PixelCalibration, metrics
from ttl.study.folder import Study


def test_a_run_leaves_figures_files_and_pictures(segmented: Path) -> None:
    content = content_of(segmented)
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
        assert all((segmented / path).is_file() for path in case["files"].values())
    page = (segmented / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= len(cases) * 3


def test_the_predictions_on_disk_give_the_reported_dice(segmented: Path) -> None:
    content = content_of(segmented)
    record = content_of(segmented / "trials" / content["chosen"]["trial"], "test.json")
    rows = np.asarray(record["rows"], dtype=np.float64)
    assert rows.shape == (3, 2, 5)
    own = metrics("segmentation", np.ones((3, 2)), rows, SEGMENTATION_METRICS)
    assert own == pytest.approx({name: figure["value"] for name, figure in content["chosen"]["test"].items()})


def test_the_report_has_what_recalibration_did_to_the_pixels(segmented: Path) -> None:
    content = content_of(segmented)
    for network in {"full", *content["probabilities"]} - {"split"}:
        trial = content[network]["trial"]
        pixels = np.asarray(content_of(segmented / "trials" / trial, "test.json")["pixels"], dtype=np.float64)
        after, before = map(PixelCalibration.of, pixels)
        of = content["probabilities"][network]
        assert of["log_loss"]["value"] == pytest.approx(after.log_loss.mean())
        assert of["log_loss_before"]["value"] == pytest.approx(before.log_loss.mean())
        assert of["brier_change"]["value"] == pytest.approx((after.brier - before.brier).mean())
        assert of["brier_change"]["ci_low"] < of["brier_change"]["ci_high"]
        assert set(of["bias"]) == {"foreground"}
        assert of["bias"]["foreground"]["value"] == pytest.approx(after.bias[:, 1].mean())
        assert of["error"] == pytest.approx(np.abs(after.gaps.mean(axis=0)).sum())
        assert of["expected_error"]["ci_low"] < of["expected_error"]["ci_high"]
        recalibration = content_of(segmented / "trials" / trial, "trial.json")["recalibration"]
        assert any(recalibration["prior_shift"])  # the classes are evened out in this run
        assert abs(of["log_loss_change"]["value"]) > 1e-6
    assert "Log loss before recalibration" in (segmented / "report.html").read_text()


def test_the_test_images_are_predicted_once_for_masks_and_probabilities(
    segmented: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, passes = shutil.copytree(segmented, tmp_path / "copied"), []
    trials = {content_of(segmented)[network]["trial"] for network in ("chosen", "full")}
    for trial in trials:
        (folder / "trials" / trial / "test.json").unlink()
    drawn = masks._logit_maps

    def counting(model: nn.Module, split: MaskedImages, *of: Any, **more: Any) -> Iterator[torch.Tensor]:
        passes.append(len(split.labels))
        return drawn(model, split, *of, **more)

    monkeypatch.setattr(masks, "_logit_maps", counting)
    setting = prepare(tiny_unet(data, folder, strategy="two-stage", select="best", balance="loss"), unwatched)
    study = Study(folder)
    context = context_of(setting, study)
    records = [study.trial(trial) for trial in trials]
    found = predict_test(context, [record for record in records if record], "run", unwatched)
    assert passes == [3] * len(trials)
    for trial in trials:
        stored = content_of(segmented / "trials" / trial, "test.json")
        assert np.asarray(stored["rows"], dtype=float) == pytest.approx(found[trial].rows, nan_ok=True)
        assert np.asarray(stored["pixels"], dtype=float) == pytest.approx(found[trial].pixels, nan_ok=True)


def test_the_file_takes_any_batch_and_any_sides_that_the_depth_divides(segmented: Path) -> None:
    content = content_of(segmented)
    graph = onnx.load(str(segmented / "full.onnx")).graph
    dims = [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim]
    assert dims[0] == "batch"
    assert all("32" in dim for dim in dims[2:])
    assert content["export"]["free_sides"]
    model = OnnxModel(segmented / "full.onnx")
    assert (model.contract.divisor, model.contract.sides) == (32, (32, 32))
    assert all(abs(delta) < 1e-3 for delta in content["export"]["parity_metric_delta"].values())


def test_the_file_draws_what_the_saved_model_draws(segmented: Path, data: Path) -> None:
    model, bundle = load_bundle(segmented / "trials" / content_of(segmented)["chosen"]["trial"])
    pixels = trained_on(Image.open(data / "images" / "01.png"), bundle.contract)
    drawn = next(OnnxModel(segmented / "model.onnx").maps([pixels]))
    inputs = normalised(torch.from_numpy(pixels[None].copy()), bundle.contract.mean, bundle.contract.std)
    with torch.no_grad():
        own = model(inputs).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(drawn[1], own, atol=1e-5)
    np.testing.assert_allclose(drawn.sum(0), 1, atol=1e-6)


def test_masks_are_drawn_at_the_images_own_size(segmented: Path, data: Path, tmp_path: Path) -> None:
    paths = sorted((data / "images").iterdir())[:3]
    rows = list(draw_masks(OnnxModel(segmented / "model.onnx"), read_image_lists(paths), tmp_path))
    for path, row in zip(paths, rows, strict=True):
        mask = np.asarray(Image.open(row.mask))
        assert mask.shape == np.asarray(Image.open(path)).shape
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask == 255).mean() == pytest.approx(row.shares["foreground"])
        assert row.overlay.is_file()


def test_the_same_command_again_trains_nothing(segmented: Path, data: Path) -> None:
    config = tiny_unet(data, segmented, strategy="two-stage", select="best", balance="loss")
    assert run(config).trained == 0


@pytest.mark.parametrize("strategy", ["svcca", "probe"])
def test_every_strategy_searches_a_unet(data: Path, tmp_path: Path, strategy: str) -> None:
    # SVCCA wants ten places a channel, and the deepest map has one for each 32 pixels.
    report = run(tiny_unet(data, tmp_path / "out", strategy=strategy, image_size=64), deliver=False).report
    assert report.search.reason
    assert report.chosen is not None
    assert report.chosen.cut.startswith("encoder.")
    looks = report.probe if strategy == "probe" else report.svcca.points
    assert len(looks) == len(report.points)
    assert all(0 <= look.mean <= 1 for look in report.probe)


def test_a_joint_search_starts_the_picked_cut_anew_and_counts_no_decoder_in_the_joint_network(
    data: Path, tmp_path: Path
) -> None:
    content_before = run(tiny_unet(data, tmp_path, epochs=2, strategy="joint"), deliver=False).report
    records = [json.loads(path.read_text()) for path in tmp_path.glob("trials/*/trial.json")]
    (joint,) = (record for record in records if record["cut"] == "joint network")
    assert joint["macs"] == content_before.points[-1].encoder_macs
    assert len(joint["heads"]) == len(content_before.points) == len(content_before.joint)
    assert all("start" not in record for record in records)


def test_three_classes_and_the_batch_norm_recipe(tmp_path: Path) -> None:
    data = squares(tmp_path / "data", classes=3)
    tuned = finetune(tiny_unet(data, tmp_path / "out", recipe="bn", epochs=2), "encoder.model.layer2.0")
    model, _ = load_bundle(tuned.folder)
    assert model.get_submodule("segmentation_head.0").weight.shape[0] == 3
    norms = sum(p.numel() for name, p in model.named_parameters() if name.startswith("encoder.") and p.dim() == 1)
    new = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("encoder."))
    assert tuned.record.trainable == {"head": new, "head+bn": new + norms}
    (file,) = export(tuned.folder, ExportConfig())
    assert file.state == "passed"
    path = tuned.folder / file.file
    rows = list(draw_masks(OnnxModel(path), read_image_lists([data / "images" / "00.png"]), tmp_path / "drawn"))
    with Image.open(rows[0].mask) as mask:
        assert mask.mode == "P"
        assert set(np.unique(np.asarray(mask))) <= {0, 1, 2}


def test_oblong_crops_train_and_draw(data: Path, tmp_path: Path) -> None:
    tuned = finetune(tiny_unet(data, tmp_path / "out", image_size="32x64"), "encoder.model.layer2.0")
    (file,) = export(tuned.folder, ExportConfig())
    model = OnnxModel(tuned.folder / file.file)
    assert (model.contract.sides, file.state) == ((32, 64), "passed")
    image = trained_on(Image.open(data / "images" / "02.png"), model.contract)
    assert next(model.maps([image])).shape == (2, 70, 64)


def test_a_plan_counts_crops(data: Path, tmp_path: Path) -> None:
    planned = plan(tiny_unet(data, tmp_path / "none"))
    sizes = [SIZES[int(path.stem) % 3] for path in (data / "images").iterdir()]
    most = sum(-(-h // 32) * -(-w // 32) for h, w in sizes)
    assert planned.macs_per_epoch % planned.points[-1].macs == 0
    assert 9 < planned.macs_per_epoch / (3 * planned.points[-1].macs) < most


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "test_resnet"}, r"has masks, and --model test_resnet is a classifier: give --model unet:ENCODER"),
        ({"pool": "max"}, r"--pool and --dropout are of a classifier's head"),
        ({"image_size": 40}, r"--image-size is 40, .* give a multiple of 32"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    data: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(tiny_unet(data, tmp_path / "out", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "unet:test_resnet"}, r"--model unet:test_resnet draws masks, and digits:0-1 has none"),
        ({"loss": "dice"}, r"--loss is of segmentations"),
    ],
)
def test_a_classification_set_is_none_for_a_unet(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(tiny(tmp_path, **changes))


def test_predict_writes_masks_and_bench_knows_the_size(segmented: Path, data: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    model = str(segmented / "model.onnx")
    drawn = runner.invoke(app, ["predict", model, str(data / "images"), "--out", str(tmp_path / "drawn"), "--json"])
    rows = json.loads(drawn.output)
    assert len(rows) == 15
    assert all(Path(row["mask"]).parent == tmp_path / "drawn" / "masks" for row in rows)
    printed = runner.invoke(app, ["predict", model, str(data / "images" / "00.png"), "--out", str(tmp_path / "one")])
    assert re.search(r"00\.png  background [\d.]+%  foreground [\d.]+%  .*one/masks/00\.png", printed.output)
    options = ["--threads", "1", "--runs", "8", "--processes", "1", "--json"]
    timed = runner.invoke(app, ["bench", model, *options])
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
    assert tuned.record.val["dice"].value > 0.6
    (record,) = export(tuned.folder, ExportConfig())
    assert record.state == "passed"
    path = tuned.folder / record.file
    image = sorted((realdata / name / "images").iterdir())[0]
    (row,) = draw_masks(OnnxModel(path), read_image_lists([image]), tmp_path / "drawn")
    truth = np.asarray(Image.open(sorted((realdata / name / "masks").iterdir())[0])) > 0
    drawn = np.asarray(Image.open(row.mask)) > 0
    assert 2 * (truth & drawn).sum() / (truth.sum() + drawn.sum()) > 0.5
