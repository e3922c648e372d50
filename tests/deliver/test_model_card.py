"""The model card and the JSON beside an exported file."""

from __future__ import annotations

import json
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from ttl.data.kind import KINDS
from ttl.deliver.against_whole import AgainstWhole, Side
from ttl.deliver.file_record import FileRecord
from ttl.deliver.model_card import model_card, write_beside
from ttl.export.checks import Check
from ttl.export.contract import Contract, Decoding, Provenance
from ttl.stats import Aim, DecisionRule, Recalibration, Threshold
from ttl.typed import to_json
from ttl.words.estimate import Estimate

MASKS = KINDS["segmentation"]
CONTRACT = Contract(
    kind=KINDS["binary"],
    class_names=("normal", "pneu|monia"),
    sides=(112, 112),
    channels=1,
    mean=(0.5, 0.5, 0.5),
    std=(0.2, 0.2, 0.2),
    decoding=Decoding("bilinear"),
    provenance=Provenance(
        network="resnet18",
        weights="ImageNet",
        cut="layer3.1",
        index=6,
        params=2_783_000,
        macs=352_000_000,
        ttl_version="0.1.0",
        data_fingerprint="ab" * 32,
        data_name="xray",
        recipe="full",
        licence="CC0",
        versions={"torch": "2.15.0"},
    ),
    metrics={
        "val": {"auprc": Estimate(0.92, 0.88, 0.95)},
        "test": {"auprc": Estimate(0.96, 0.94, 0.98), "ece": Estimate()},
    },
)
RECORD = FileRecord(
    file="model.int8.onnx",
    state="passed",
    precision="int8",
    trial="48c95fa44c29",
    size_bytes=2_880_000,
    sha256="cd" * 32,
    opset=20,
    parity_max_abs=0.1,
    parity_tolerance=nan,
    sentence="Difference in test AUPRC from fp32 -0.0024.",
    checks=(Check("ONNX checker, full", "passed"),),
    test={"auprc": 0.958},
)


def test_the_card_of_a_classifier() -> None:
    card = model_card(CONTRACT, RECORD)
    for part in (
        "# model.int8.onnx: binary of xray\n",
        "`resnet18` up to `layer3.1` (truncation point 6), 2,783,000 parameters",
        "It is not a medical device.",
        '2 classes, by their numbers: 0 "normal", 1 "pneu|monia"; sensitivity and precision are of "pneu|monia"',
        "- Input `image`: float32 `(batch, 3, 112, 112)`.\n- Output `logits`: float32 `(batch, 2)`.",
        "Make colour grey: (19595 R + 38470 G + 7471 B + 32768) >> 16, in whole numbers.",
        "Resize to height 112 and width 112 by the bilinear filter, antialiased",
        "mean [0.5, 0.5, 0.5] and std [0.2, 0.2, 0.2], a channel each, float32 (batch, 3, 112, 112).",
        "a softmax over them makes probabilities",
        "| AUPRC | 0.920 (0.880 to 0.950) | 0.960 (0.940 to 0.980) | 0.958 |",
        "| calibration error | undefined | undefined |  |",
        "Difference in test AUPRC from fp32 -0.0024.",
        "| ONNX checker, full | passed |  |",
        f"SHA-256 {'cd' * 32}, opset 20",
        "| Licence | CC0 |",
    ):
        assert part in card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": KINDS["multilabel"]}, "of each 1 / (1 + exp(-logit))."),
        (
            {"kind": MASKS, "free_sides": True, "divisor": 16},
            "Pad at the bottom to a multiple of 16 and on the right to one of 16",
        ),
        ({"kind": MASKS, "free_sides": True}, "Output `logits`: float32 `(batch, 1, height, width)`."),
        ({"kind": MASKS, "class_names": ("a", "b", "c")}, "Output `logits`: float32 `(batch, 3, 112, 112)`."),
        ({"kind": MASKS}, '`logits` has one output, that of 1 "pneu|monia": 1 / (1 + exp(-logit))'),
        ({"kind": MASKS, "sides": (100, 112)}, "An image with a side beyond 100 x 112 is done in windows"),
        ({"sides": (165, 342)}, "Resize to height 165 and width 342 by the bilinear filter"),
        ({"decoding": Decoding("bicubic", fit="crop")}, "take the middle min(h, w * 112 / 112) rows"),
        ({"decoding": Decoding("bicubic", fit="pad")}, "of a black image."),
        ({"decoding": Decoding("bicubic", window=(40.0, 400.0))}, "in the window of centre 40 and width 400."),
        ({"decoding": Decoding("bicubic", value_range=(-5.0, 9.5))}, "with low -5.0 and high 9.5."),
        ({"decoding": Decoding("bicubic", stretch="percentiles")}, "k = ceil(0.001 * n)"),
        ({"decoding": Decoding("bicubic")}, "of colour the upper 8 bits"),
        ({"decoding": Decoding("bicubic", frame=3)}, "take number 3 (from 1 on)."),
        ({"embeds_preprocessing": True}, "Input `image`: uint8 `(batch, height, width, channels)`."),
        ({"embeds_preprocessing": True}, "Output `probabilities`: float32 `(batch, 2)`."),
    ],
)
def test_what_it_takes_and_gives(change: dict[str, object], words: str) -> None:
    assert words in model_card(replace(CONTRACT, **change), RECORD)


RULE = DecisionRule(
    ("pneu|monia",), (0.1 + 0.2,), Aim("sensitivity", 0.95), (Threshold(0.1 + 0.2, 0.975, 0.81, 40, 62),), "patient"
)
SCALED = Recalibration("temperature", (2.0, 2.0), (0.5, -0.5), (0.25, -0.25), 120, 0.6, 0.5, 0.02, 0.69)


def test_the_card_says_how_the_file_decides() -> None:
    card = model_card(replace(CONTRACT, decision=RULE), RECORD)
    for part in (
        'Each patient (by the mean probability of the images) with a probability of "pneu|monia" from 0.3 on is '
        "positive (chosen for a sensitivity of 0.95 at least, with a confidence of 0.8",
        "| Of | Threshold | Validation patients with it | without | Sensitivity there | Specificity there |",
        '| "pneu\\|monia" | 0.30000000000000004 | 40 | 62 | 0.975 | 0.810 |',
        "where they are given, are of decisions at a probability of 0.5 (where classes exclude each other, of the most "
        "probable one), not at the threshold above",
    ):
        assert part in card
    assert "No operating point was set" not in card


def test_without_an_operating_point_the_card_says_so() -> None:
    card = model_card(CONTRACT, RECORD)
    assert 'most probable of "normal", "pneu|monia". No operating point was set for it on validation images.' in card
    assert "| Threshold |" not in card
    assert "not at the threshold" not in card
    of_labels = model_card(replace(CONTRACT, kind=KINDS["multilabel"]), RECORD)
    assert '| "normal" | 0.5 |\n| "pneu\\|monia" | 0.5 |' in of_labels


def test_the_threshold_of_masks_has_no_rates() -> None:
    rule = DecisionRule(("pneu|monia",), (0.43,), Aim("dice"), per="pixel")
    card = model_card(replace(CONTRACT, kind=MASKS, decision=rule), RECORD)
    assert 'Each pixel with a probability of "pneu|monia" from 0.43 on is positive (chosen for the best Dice).' in card
    assert '| Of | Threshold |\n| --- | --- |\n| "pneu\\|monia" | 0.43 |' in card


def test_the_card_says_what_was_done_to_the_probabilities() -> None:
    card = model_card(replace(CONTRACT, recalibration=SCALED), RECORD)
    assert f"Probabilities: {SCALED.words()} That is in the weights. Before, for the shares" in card
    assert 'the logits were shifted by "normal" +0.2500, "pneu|monia" -0.2500, in the weights too.' in card
    plain = replace(SCALED, method="none", scale=(1.0, 1.0), shift=(0.0, 0.0), prior_shift=(0.0, 0.0))
    card = model_card(replace(CONTRACT, recalibration=plain), RECORD)
    assert f"Probabilities: {plain.words()}\n" in card
    assert "wasn't looked at" in model_card(CONTRACT, RECORD)
    of_masks = replace(SCALED, method="scale and shift", scale=(2.0,), shift=(-0.5,), prior_shift=(-0.25,))
    card = model_card(replace(CONTRACT, kind=MASKS, recalibration=of_masks), RECORD)
    assert 'shifted by "pneu|monia" -0.2500, in' in card


def test_the_card_says_that_a_model_is_undertrained_and_how_often_the_test_images_were_looked_at() -> None:
    card = model_card(replace(CONTRACT, undertrained="under-trained: it was; give it more"), replace(RECORD, looks=7))
    assert "The model is under-trained: it was; give it more." in card
    assert "The test images had been looked at 7 times when this file was made" in card
    plain = model_card(CONTRACT, RECORD)
    assert "under-trained" not in plain
    assert "looked at 7" not in plain


def test_without_metrics_it_says_so() -> None:
    assert "Not measured." in model_card(replace(CONTRACT, metrics={}), RECORD)


def test_both_files_lie_beside(tmp_path: Path) -> None:
    described, card = write_beside(tmp_path / "model.int8.onnx", CONTRACT, RECORD)
    assert (described.name, card.name) == ("model.int8.json", "model.int8.md")
    content = json.loads(described.read_text())
    assert content["metadata"]["class_names"] == ["normal", "pneu|monia"]
    assert content["export"] == to_json(RECORD)
    assert content["export"] == {
        "file": "model.int8.onnx",
        "state": "passed",
        "precision": "int8",
        "trial": "48c95fa44c29",
        "size_bytes": 2_880_000,
        "sha256": "cd" * 32,
        "opset": 20,
        "parity_max_abs": 0.1,
        "parity_tolerance": None,
        "sentence": "Difference in test AUPRC from fp32 -0.0024.",
        "checks": [{"name": "ONNX checker, full", "found": "passed", "wanted": ""}],
        "test": {"auprc": 0.958},
    }
    assert "pneu|monia" in card.read_text()


def test_the_card_has_the_rates_of_this_file() -> None:
    rates = {"sensitivity": Estimate(0.9, 0.8, 0.95), "specificity": Estimate(0.75, 0.6, 0.86)}
    card = model_card(CONTRACT, replace(RECORD, at_point=rates))
    assert "| sensitivity | 0.900 (0.800 to 0.950) |" in card
    assert "| specificity | 0.750 (0.600 to 0.860) |" in card
    assert "where it decides" not in model_card(CONTRACT, RECORD)


def test_the_card_compares_the_cut_with_the_whole_network() -> None:
    cut = Side(
        file="model.onnx",
        params=2_783_000,
        macs=352_000_000,
        size_bytes=11_140_000,
        p50_ms=4.2,
        score=0.958,
        rates={"sensitivity": Estimate(0.9, 0.8, 0.95)},
    )
    whole = Side(file="full.onnx", params=11_178_000, macs=480_000_000, size_bytes=44_710_000, p50_ms=6.3, score=0.961)
    against = AgainstWhole(
        cut=cut,
        whole=whole,
        metric="auprc",
        time_ratio=Estimate(0.667, 0.6, 0.7),
        timed_on="onnxruntime, cpu",
        verdict="As good",
        reasons=("AUPRC: shown to be as good.",),
    )
    card = model_card(CONTRACT, RECORD, against)
    for part in (
        "|  | model.onnx | full.onnx |",
        "| Parameters, head included | 2,783,000 | 11,178,000 |",
        "| Multiply-adds an image | 352,000,000 | 480,000,000 |",
        "| Median time of a call (onnxruntime, cpu) | 4.20 ms | 6.30 ms |",
        "| Test AUPRC | 0.958 | 0.961 |",
        "| Test sensitivity | 0.900 (0.800 to 0.950) |  |",
        "The time is 0.67 of the whole network's (95 % interval 0.60 to 0.70).",
        "The verdict on the two networks: As good. AUPRC: shown to be as good.",
    ):
        assert part in card
    untimed = replace(against, time_ratio=Estimate(), timed_on="", cut=replace(cut, p50_ms=None))
    card = model_card(replace(CONTRACT, precision="int8"), RECORD, untimed)
    assert "It wasn't timed against the whole network" in card
    assert "The verdict on the two networks, in float32: As good." in card
    assert "Median time" not in card
    assert "## Against the whole network" not in model_card(CONTRACT, RECORD)
