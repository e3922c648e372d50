"""The report of a made-up study, of the types that a run writes: ResNet-18 on chest X-rays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ttl.cost.latency import Latency
from ttl.data.describe import Description, Duplicates, Spread
from ttl.data.kind import KINDS
from ttl.data.modality.overlay import heat, picture
from ttl.data.task import Duplicate
from ttl.deliver.file_record import FileRecord
from ttl.deliver.pictures.cases import Answer, CamCase, CamCases
from ttl.export.checks import Check, FileComparison
from ttl.finetune.epoch import Epoch
from ttl.report.schema import RunReport, decided, on_test, run_report, searched
from ttl.search.evidence.curve import Look
from ttl.stats import Bin, DecisionRule, Power, Recalibration
from ttl.stats.operating import Threshold
from ttl.study.ledger import Look as LookAtTest
from ttl.study.run_record import DataRecord, Machine, RunRecord, WeightsRecord
from ttl.study.undertrained import Undertrained
from ttl.typed import write
from ttl.words.estimate import Estimate

# name, stage, is_stage_end, channels, reduction, params, MACs
POINTS = [
    ("stem", 1, True, 64, 4, 9_536, 118_013_952),
    ("layer1.0", 2, False, 64, 4, 83_520, 349_224_960),
    ("layer1.1", 2, True, 64, 4, 157_504, 580_435_968),
    ("layer2.0", 3, False, 128, 8, 387_648, 760_623_104),
    ("layer2.1", 3, True, 128, 8, 683_072, 991_834_112),
    ("layer3.0", 4, False, 256, 16, 1_602_112, 1_171_972_096),
    ("layer3.1", 4, True, 256, 16, 2_782_784, 1_403_183_104),
    ("layer4.0", 5, False, 512, 32, 6_455_872, 1_583_321_088),
    ("layer4.1", 5, True, 512, 32, 11_176_512, 1_814_532_096),
]
NAMES = [name for name, *_ in POINTS]
CHOSEN = 7
# index: (validation AUPRC, test AUPRC, half width of the interval)
TRIED = {
    1: (0.861, 0.842, 0.034),
    3: (0.921, 0.914, 0.026),
    5: (0.958, 0.949, 0.019),
    6: (0.968, 0.957, 0.016),
    7: (0.972, 0.963, 0.014),
    8: (0.969, 0.958, 0.016),
    9: (0.970, 0.960, 0.015),
}
# of each point the mean AUPRC and its standard error
PROBE = [(0.842, 0.011), (0.871, 0.010), (0.894, 0.009), (0.906, 0.009), (0.919, 0.008), (0.925, 0.008), (0.922, 0.008),
         (0.909, 0.009), (0.891, 0.010)]  # fmt: skip
JOINT = [(0.858, 0.018), (0.893, 0.014), (0.917, 0.011), (0.936, 0.008), (0.951, 0.006), (0.961, 0.004), (0.967, 0.002),
         (0.968, 0.0), (0.966, 0.002)]  # fmt: skip
# of each point percentiles of the canonical correlations, and the overlap with random ones
COMPARED = [
    ((0.964, 0.988, 0.996, 0.999, 1.0), 0.0),
    ((0.931, 0.972, 0.989, 0.996, 0.999), 0.0),
    ((0.873, 0.941, 0.972, 0.989, 0.998), 0.0),
    ((0.741, 0.868, 0.929, 0.966, 0.991), 0.001),
    ((0.562, 0.748, 0.851, 0.918, 0.977), 0.012),
    ((0.351, 0.564, 0.712, 0.826, 0.939), 0.061),
    ((0.212, 0.421, 0.586, 0.731, 0.892), 0.143),
    ((0.114, 0.284, 0.447, 0.609, 0.812), 0.271),
    ((0.078, 0.219, 0.371, 0.529, 0.744), 0.352),
]
CHANCE = (0.031, 0.143, 0.262, 0.378, 0.512)


def changed(value: Any, path: str, new: Any) -> Any:
    """A copy in which what `path` names is another: `changed(study, "latency.0.ratio_ci", None)`."""
    name, _, rest = path.partition(".")
    if is_dataclass(value):
        return replace(value, **{name: changed(getattr(value, name), rest, new) if rest else new})  # type: ignore[type-var]
    if isinstance(value, Mapping):
        return {**value, name: changed(value[name], rest, new) if rest else new}
    at = int(name) % len(value)
    return (*value[:at], changed(value[at], rest, new) if rest else new, *value[at + 1 :])


def save(folder: Path, study: RunReport) -> None:
    """The report.json of a study."""
    write(folder / "report.json", study)


def estimate(value: float, half_width: float) -> Estimate:
    return Estimate(value, round(value - half_width, 4), round(min(1.0, value + half_width), 4))


def metrics(auprc: float, half_width: float) -> dict[str, Estimate]:
    return {
        "auprc": estimate(auprc, half_width),
        "auroc": estimate(auprc - 0.021, half_width + 0.004),
        "accuracy": estimate(auprc - 0.062, half_width + 0.012),
    }


def curve(best: float, epochs: int) -> tuple[Epoch, ...]:
    rows = []
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / 3)
        overfit = 0.004 * max(0, epoch - 0.8 * epochs)
        rows.append(
            Epoch(
                epoch=epoch,
                phase="all",
                lr=1e-4 if epoch < 9 else 5e-5,
                train_loss=0.05 + 0.6 * left,
                val_loss=0.16 + 0.45 * left + 4 * overfit,
                val={"auprc": best - 0.18 * left * (1.1 if epoch % 2 else 0.9) - overfit},
                images_per_second=892.0,
                seconds=4.2,
            )
        )
    return tuple(rows)


def point(index: int) -> searched.PointRecord:
    name, stage, is_stage_end, channels, reduction, params, macs = POINTS[index - 1]
    return searched.PointRecord(
        index=index,
        name=name,
        kind="block",
        stage=stage,
        is_stage_end=is_stage_end,
        channels=channels,
        reduction=reduction,
        params=params,
        macs=macs,
        shape=(channels, 112 // reduction, 112 // reduction),
        channel_axis=0,
        image_channels=3,
        is_finished=False,
        is_within_weights=index <= CHOSEN,
    )


def figures(index: int) -> dict[str, Any]:
    """What `chosen`, `full` and a candidate have in common."""
    val, test, half_width = TRIED[index]
    name, *_, params, macs = POINTS[index - 1]
    costs = {"trial": f"3fa9c1d{index}", "cut": name, "index": index, "params": params, "macs": macs}
    return costs | {"val": metrics(val, half_width), "test": metrics(test, half_width)}


def candidate(index: int) -> searched.CandidateResult:
    epochs = 9 + index % 4
    rows = curve(TRIED[index][0], epochs)
    return searched.CandidateResult(
        **figures(index),
        trials=(f"3fa9c1d{index}",),
        epochs=epochs,
        best_epoch=max(rows, key=lambda row: row.val["auprc"]).epoch,
        seconds=epochs * 4.2,
        curve=rows,
        notes=(),
    )


def evidence(values: list[tuple[float, float]]) -> tuple[Look, ...]:
    """The curve of the probe, or of the joint network."""
    return tuple(Look(cut, mean, se) for cut, (mean, se) in zip(NAMES, values, strict=True))


def svcca() -> searched.Svcca:
    """The features before and after the whole network's fine-tune."""
    points = (
        searched.ComparedPoint(cut=cut, percentiles=percentiles, overlap=overlap)
        for cut, (percentiles, overlap) in zip(NAMES, COMPARED, strict=True)
    )
    return searched.Svcca(points=tuple(points), random=CHANCE, threshold=0.1)


def class_record(name: str, auprc: float, threshold: float | None = None) -> on_test.ClassRecord:
    """One class in one network, which decides by a threshold, or by the most probable class."""
    return on_test.ClassRecord(
        name=name,
        positives=854,
        negatives=316,
        auroc=estimate(auprc - 0.021, 0.018),
        auprc=estimate(auprc, 0.014),
        roc=on_test.RocCurve(
            false_positive_rate=(0.0, 0.0, 0.04, 0.3, 1.0),
            sensitivity=(0.0, 0.61, 0.87, 0.96, 1.0),
            threshold=(math.nan, 0.93, 0.5, 0.22, 0.01),
        ),
        precision_recall=on_test.PrecisionRecallCurve(
            recall=(0.0, 0.61, 0.87, 1.0), precision=(1.0, 1.0, 0.98, 0.73), threshold=(math.nan, 0.93, 0.5, 0.01)
        ),
        threshold=threshold,
        at_threshold=on_test.OperatingPoint(
            sensitivity=estimate(0.87, 0.02), specificity=estimate(0.96, 0.02), precision=estimate(0.983, 0.01)
        ),
    )


def confidence(shift: float) -> on_test.Confidence:
    """Three bins of 390 images, and the histogram of their confidence."""
    bins = tuple(Bin(390, c - 0.05, c + 0.05, c, estimate(c + shift, 0.04)) for c in (0.62, 0.81, 0.94))
    histogram = on_test.Histogram(edges=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0), counts=(120, 140, 160, 290, 460))
    return on_test.Confidence(bins=bins, histogram=histogram)


def at_point(threshold: float, counts: tuple[int, int, int, int]) -> decided.AtPoint:
    """What a threshold of one finding decides: found, missed, false alarms, rightly left alone."""
    found, missed, alarms, spared = counts
    rates = {
        "sensitivity": found / (found + missed),
        "specificity": spared / (spared + alarms),
        "ppv": found / (found + alarms),
        "npv": spared / (spared + missed),
    }
    rates["balanced_accuracy"] = (rates["sensitivity"] + rates["specificity"]) / 2
    set_on = (Threshold(threshold, 0.902, 0.949, 684, 253),)
    rule = DecisionRule(finding=("pneumonia",), thresholds=(threshold,), set_on=set_on)
    return decided.AtPoint(
        rule=rule,
        words=rule.words(("normal", "pneumonia")),
        rates={name: estimate(round(rate, 4), 0.024) for name, rate in rates.items()},
        counts=counts,
    )


def decisions() -> decided.Decisions:
    """Both networks by the best balanced accuracy on validation."""
    return decided.Decisions(
        split="test",
        units=1170,
        prevalence=0.7299,
        endpoint=decided.Endpoint(
            metric="balanced_accuracy", margin=0.05, non_inferior=True, difference=Estimate(0.004, -0.011, 0.0192)
        ),
        full=at_point(0.41, (746, 108, 16, 300)),
        chosen=at_point(0.62, (743, 111, 13, 303)),
    )


def believable(temperature: float, gain: float) -> decided.Believable:
    """Probabilities divided by a temperature; of 1 they were left as they are."""
    recalibration = Recalibration(
        method="none" if temperature == 1 else "temperature",
        scale=(1 / temperature,) * 2,
        shift=(0.0, 0.0),
        prior_shift=(0.0, 0.0),
        units=937,
        log_loss_before=0.2511,
        log_loss_after=0.2511 - gain,
        gain_error=0.0042,
        constant_log_loss=0.583,
    )
    return decided.Believable(
        recalibration=recalibration,
        log_loss=estimate(0.243, 0.03),
        log_loss_before=estimate(0.243 + gain, 0.03),
        log_loss_change=estimate(-gain, 0.006),
        brier=estimate(0.071, 0.011),
        brier_before=estimate(0.071 + gain / 3, 0.011),
        brier_change=estimate(-gain / 3, 0.002),
        error=0.031,
        expected_error=Estimate(0.024, 0.014, 0.0362),
        bias={"pneumonia": estimate(0.012, 0.015)},
    )


def power() -> Power:
    """What 1170 test images can show."""
    assumed = "both with an AUROC of 0.95 and errors correlated at 0.8, each at its own threshold"
    return Power(1170.0, 0.64, 1700, assumed, "balanced_accuracy", 0.05)


def undertrained(*, blocks: bool) -> Undertrained:
    """A fine-tune that needs more epochs; `blocks`: that must not be delivered as a cut."""
    return Undertrained(log_loss=0.581 if blocks else 0.243, constant=0.583, spread=3.1, falling=True)


def looks() -> tuple[LookAtTest, ...]:
    """Two networks and their files, each once."""
    at = "2026-05-04T10:31:0{}+00:00"
    tested = [("3fa9c1d7", None), ("3fa9c1d9", None), ("3fa9c1d7", "model.onnx"), ("3fa9c1d9", "full.onnx")]
    return tuple(
        LookAtTest(occasion="run", trial=trial, images=1170, file=file, rule="" if file else "A rule.", at=at.format(n))
        for n, (trial, file) in enumerate(tested)
    )


def cams() -> CamCases:
    """Two cases of Grad-CAM, the second one wrong in the truncated network."""
    cases = []
    for number, (name, right) in enumerate((("pneumonia/12.png", True), ("normal/7.png", False))):
        truth = name.split("/")[0]
        cases.append(
            CamCase(
                id=name,
                why="both right, one of 990" if right else "truncated wrong, whole right, one of 41",
                truth=truth,
                says={
                    "chosen": Answer(name="pneumonia", probability=0.974, right=right),
                    "full": Answer(name=truth, probability=0.81, right=True),
                },
                map_of={"chosen": "pneumonia", "full": truth},
                map_size={"chosen": (14, 14), "full": (4, 4)},
                files={key: f"cams/{number}-{key}.png" for key in ("image", "full", "chosen")},
            )
        )
    return CamCases(split="test", cases=tuple(cases))


def draw_cams(folder: Path) -> None:
    """The pictures of the two cases."""
    (folder / "cams").mkdir()
    pixels = np.full((1, 8, 8), 60, np.uint8)
    for number in range(2):
        (folder / f"cams/{number}-image.png").write_bytes(picture(pixels))
        for key in ("full", "chosen"):
            (folder / f"cams/{number}-{key}.png").write_bytes(heat(pixels, np.eye(4, dtype=np.float32)))


def task() -> Description:
    duplicate = Duplicate("normal/3.png", "normal/903.png", "train", "test", "identical", 0)
    return Description(
        name="chest X-rays",
        kind=KINDS["binary"],
        class_names=("normal", "pneumonia"),
        images=5854,
        channels=1,
        width_px=Spread(384, 1281.0, 2517),
        height_px=Spread(127, 888.0, 2713),
        groups_shared=0,
        duplicates=Duplicates(pairs=3, identical=1, images=2, first=(duplicate,)),
        fingerprint="9b74c9897bac770ffc029102a200c5de" * 2,
        notes=("Split by patient.", "2 unreadable images skipped"),
        counts={
            "train": {"normal": 1012, "pneumonia": 2735},
            "val": {"normal": 253, "pneumonia": 684},
            "test": {"normal": 316, "pneumonia": 854},
        },
        split_images={"train": 3747, "val": 937, "test": 1170},
        groups={"train": 1204, "val": 301, "test": 377},
    )


def model() -> run_report.ModelRecord:
    return run_report.ModelRecord(
        name="resnet18",
        image_size=112,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation="bilinear",
        weights=run_report.WeightsRecord(
            source="resnet18_stem_to_layer3.pth",
            loaded=90,
            missing=("layer4.0.conv1.weight", "layer4.0.bn1.weight", "layer4.1.conv2.weight"),
            ignored=(),
            sha256="ab" * 32,
            entry="",
            summary="90 tensors loaded from resnet18_stem_to_layer3.pth; 3 missing (start at random).",
        ),
    )


def recipe() -> run_report.RecipeRecord:
    return run_report.RecipeRecord(
        name="full",
        source="Peng et al., BMVC 2023, arXiv 2106.05152",
        phases="everything at 0.0001; batch norms in training mode",
        epochs_cap=12,
        batch_size=64,
        accumulate=1,
        augment="ttl",
        dropout=0.0,
        balance="none",
        amp="no",
        processes=1,
        seeds=(0,),
    )


def search() -> searched.SearchRecord:
    coarse, fine = NAMES[::2], NAMES[1::2]
    return searched.SearchRecord(
        strategy="two-stage",
        select="best",
        reason="layer3.1 has the best validation AUPRC of the 7 candidates tried.",
        fine_tunes=9,
        epochs=75,
        train_macs=431_000_000_000_000,
        seconds=1432.0,
        steps=(
            searched.SearchStep(phase="coarse", points=tuple(coarse)),
            searched.SearchStep(phase="fine", points=tuple(fine), epochs=2),
            searched.SearchStep(phase="fine", points=("layer3.0", "layer4.0")),
        ),
        stopped=searched.StoppedFineTunes(
            points=(
                searched.StoppedFineTune(cut="layer1.0", epochs=2, val=0.7312),
                searched.StoppedFineTune(cut="layer2.0", epochs=2, val=0.7846),
            ),
            train_macs_saved_at_most=124_750_000_000_000,
        ),
        max_latency_ms=searched.LatencyLimit(
            budget_ms=5.5,
            threads=2,
            highest="layer4.0",
            measured=tuple(
                searched.TimedPoint(cut=cut, p50_ms=p50_ms)
                for cut, p50_ms in (("layer2.1", 3.12), ("layer4.0", 5.07), ("layer4.1", 5.81))
            ),
        ),
    )


def run() -> RunRecord:
    return RunRecord(
        schema=1,
        command="ttl run data/xray --model resnet18 --weights weights/resnet18_stem_to_layer3.pth"
        " --image-size 112 --epochs 12 --out xray-run",
        config={"data": "data/xray", "epochs": 12, "dedupe": None, "label_columns": [], "train_fraction": 1.0},
        seed=0,
        resolved={"recipe": {"name": "full", "phases": [{"train": ["all"], "lr": 1e-4}]}, "seeds": [0]},
        data=DataRecord("9b74", "chest X-rays"),
        weights=WeightsRecord("ab" * 32, "90 tensors loaded"),
        versions={"ttl": "0.1.0", "python": "3.12.4", "torch": "2.11.0", "onnxruntime": "1.22.0"},
        hardware=Machine(cpu="Intel Xeon 8488C", cores=2, gpu=None, platform="Linux", torch_threads=2),
        started="2026-05-04T09:12:31+00:00",
    )


def timing(model: str, p50_ms: float, ratio: float, interval: tuple[float, float] | None) -> Latency:
    return Latency(
        model=model,
        runtime="onnxruntime 1.22.0",
        device="cpu",
        provider="CPUExecutionProvider",
        batch=1,
        threads=2,
        p50_ms=p50_ms,
        p90_ms=round(1.08 * p50_ms, 2),
        p95_ms=round(1.12 * p50_ms, 2),
        p99_ms=None,
        images_per_second=980 / p50_ms,
        cold_start_ms=12 * p50_ms,
        peak_memory_bytes=round(8e6 * p50_ms),
        ratio_to_full=ratio,
        ratio_ci=interval,
        runs=201,
        processes=3,
        cpu="Intel Xeon 8488C",
        load_average=(0.08, 0.94),
    )


def passed(name: str, size_bytes: int) -> FileRecord:
    return FileRecord(
        file=name,
        state="passed",
        precision="fp32",
        trial="3fa9c1d7",
        opset=20,
        size_bytes=size_bytes,
        parity_max_abs=4.77e-07,
        checks=(Check("ONNX checker, full", "passed"),),
        decisions_changed=(0, 1170),
        test={"auprc": 0.963},
        comparison=FileComparison(margin=0.01, non_inferior=True, difference=Estimate(0.0, 0.0, 0.0)),
    )


@cache
def finished() -> RunReport:
    """The search chose layer3.1; the cut is faster, and the test images don't tell the two apart."""
    cut, whole = passed("model.onnx", 11_142_310), passed("full.onnx", 44_731_887)
    beside = {"path": "model.onnx", "full_path": "full.onnx", "full_size_bytes": whole.size_bytes}
    return RunReport(
        status="finished",
        metric="auprc",
        task=task(),
        model=model(),
        points=tuple(point(index) for index in range(1, 10)),
        recipe=recipe(),
        candidates=tuple(candidate(index) for index in TRIED),
        search=search(),
        probe=evidence(PROBE),
        joint=evidence(JOINT),
        svcca=svcca(),
        latency=(timing("model.onnx", 4.31, 0.75, (0.72, 0.78)), timing("full.onnx", 5.75, 1.0, None)),
        run=run(),
        full=searched.PointResult(**figures(9)),
        chosen=searched.PointResult(**figures(CHOSEN)),
        comparison=on_test.Comparison(
            metric="auprc",
            split="test",
            margin=0.01,
            non_inferior=True,
            difference=Estimate(0.003, -0.008, 0.0141),
            power=power(),
        ),
        decisions=decisions(),
        probabilities=decided.Probabilities(split="test", full=believable(1.0, 0.001), chosen=believable(0.71, 0.018)),
        looks=looks(),
        curves=on_test.Curves(
            split="test",
            grouped=False,
            left_out=0,
            chosen=(class_record("pneumonia", 0.963, 0.62),),
            full=(class_record("pneumonia", 0.960, 0.41),),
        ),
        confusion=on_test.Confusion(split="test", chosen=((303, 13), (111, 743)), full=((300, 16), (108, 746))),
        calibration=on_test.Calibration(split="test", grouped=True, chosen=confidence(-0.03), full=confidence(-0.05)),
        export=run_report.DeliveredFiles(**vars(cut), **beside, full_parity_max_abs=5.1e-07),
        cams=cams(),
        exports=(cut, whole),
    )


@cache
def over_seeds() -> RunReport:
    """The finished study with three seeds a point."""
    study = finished()

    def spread(of: Any) -> Any:
        one = {name: searched.MeanAndDeviation(mean=of.val["auprc"].value - 0.004, sd=0.0071) for name in ("auprc",)}
        other = {name: searched.MeanAndDeviation(mean=of.test["auprc"].value - 0.006, sd=0.0102) for name in ("auprc",)}
        return replace(of, spread=searched.SeedSpread(seeds=(0, 1, 2), val=one, test=other))

    return replace(
        study, candidates=tuple(map(spread, study.candidates)), chosen=spread(study.chosen), full=spread(study.full)
    )


@cache
def whole_network() -> RunReport:
    """The same study, in which no smaller candidate was as good."""
    study = finished()
    best = estimate(0.981, 0.012)
    whole = changed(study.full, "val.auprc", best)
    for path, value in {
        "candidates.-1.val.auprc": best,
        "comparison.difference": Estimate(0.0, 0.0, 0.0),
        "decisions.chosen": None,
        "decisions.endpoint": None,
        "probabilities.chosen": None,
        "curves.chosen": None,
        "confusion.chosen": None,
        "calibration.chosen": None,
        "export.size_bytes": 44_731_887,
        "latency": study.latency[1:],
        "search.reason": "The whole network has the best validation AUPRC of the 7 candidates tried.",
    }.items():
        study = changed(study, path, value)
    return replace(study, chosen=whole, full=whole)


@cache
def not_shown() -> RunReport:
    """The same study, in which the decisions are not shown to be as good."""
    study = changed(finished(), "decisions.endpoint.non_inferior", False)
    return changed(study, "decisions.endpoint.difference", Estimate(-0.02, -0.061, 0.019))  # type: ignore[no-any-return]


@cache
def grades() -> RunReport:
    """A study of three classes that exclude each other, each image getting the most probable one."""
    study, names = finished(), ("none", "mild", "severe")
    counts = {split: dict(zip(names, (n // 2, n // 3, n - n // 2 - n // 3), strict=True)) for split, n in
              study.task.split_images.items()}  # fmt: skip
    rule = DecisionRule()

    def point(accuracy: float) -> decided.AtPoint:
        rates = {"balanced_accuracy": estimate(accuracy, 0.02), "accuracy": estimate(accuracy + 0.01, 0.02)}
        return decided.AtPoint(rule=rule, words=rule.words(names), rates=rates)

    assert study.decisions
    assert study.curves
    assert study.curves.chosen
    full, chosen = study.curves.full[0], study.curves.chosen[0]
    return replace(
        study,
        task=replace(study.task, kind=KINDS["multiclass"], class_names=names, counts=counts),
        decisions=replace(study.decisions, prevalence=math.nan, full=point(0.81), chosen=point(0.8)),
        curves=replace(
            study.curves,
            full=tuple(replace(full, name=name, threshold=None) for name in names),
            chosen=tuple(replace(chosen, name=name, threshold=None) for name in names),
        ),
        confusion=on_test.Confusion(
            split="test",
            full=((500, 60, 25), (40, 310, 40), (15, 40, 140)),
            chosen=((510, 50, 25), (50, 300, 40), (10, 45, 140)),
        ),
    )


@cache
def unfinished() -> RunReport:
    """The same study, stopped after three candidates."""
    study = finished()
    begun = replace(study.search, reason=None, fine_tunes=3, epochs=31, steps=(), stopped=None, max_latency_ms=None)
    return RunReport(
        status="unfinished",
        search=begun,
        candidates=study.candidates[:3],
        **{name: getattr(study, name) for name in ("metric", "task", "model", "points", "recipe", "probe", "joint")},
        svcca=study.svcca,
        run=study.run,
    )
