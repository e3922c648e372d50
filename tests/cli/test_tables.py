"""The tables of the terminal, on made-up values of the types that a run writes."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from ttl.cli import tables
from ttl.cost.latency import Latency
from ttl.data.describe import Description, Spread
from ttl.deliver.file_record import FileRecord
from ttl.export.checks import Check
from ttl.report.schema import RunReport
from ttl.report.schema.searched import CandidateResult, MeanAndDeviation, PointRecord, SeedSpread
from ttl.words.estimate import Estimate

DICE = Estimate(0.91234, 0.9, 0.92)
HD95 = Estimate(4.3123, 3.904, 12.06)


def task(**more: Any) -> Description:
    by_class = {"train": (76, 74), "val": (20, 19), "test": (9, 8)}
    return Description(
        name="cells",
        kind="segmentation",
        class_names=("background", "nucleus"),
        images=105,
        channels=3,
        width_px=Spread(256, 256.0, 256),
        height_px=Spread(256, 256.0, 256),
        groups_shared=None,
        duplicates=None,
        fingerprint="ab" * 32,
        notes=(),
        counts={split: {"background": all_, "nucleus": some} for split, (all_, some) in by_class.items()},
        split_images={split: all_ for split, (all_, _) in by_class.items()},
        groups=dict.fromkeys(by_class),
        **more,
    )


def point(index: int, name: str) -> PointRecord:
    return PointRecord(
        index=index,
        name=name,
        kind="block",
        stage=index,
        is_stage_end=True,
        channels=64,
        reduction=4,
        params=9536,
        macs=118_000_000,
        shape=(64, 8, 8),
        channel_axis=0,
        image_channels=3,
        is_finished=False,
        is_within_weights=True,
    )


def candidate(
    index: int, cut: str, val: dict[str, Estimate], test: dict[str, Estimate], **more: Any
) -> CandidateResult:
    return CandidateResult(
        trial=cut,
        trials=(cut,),
        cut=cut,
        index=index,
        params=9536,
        macs=118_000_000,
        epochs=3,
        best_epoch=2,
        seconds=1.0,
        curve=(),
        notes=(),
        val=val,
        test=test,
        **more,
    )


def report(metric: str, *candidates: CandidateResult, chosen: CandidateResult | None = None) -> RunReport:
    """What no table shows is left empty."""
    unseen: dict[str, Any] = dict.fromkeys(("model", "recipe", "search", "run"))
    points = tuple(point(of.index, of.cut) for of in candidates)
    seen = {"metric": metric, "task": task(distance_unit="px"), "points": points, "candidates": candidates}
    return RunReport(status="unfinished", chosen=chosen, **seen, **unseen)


def spread(*seeds: int, **figures: tuple[float, float]) -> SeedSpread:
    over = {key: MeanAndDeviation(mean=mean, sd=sd) for key, (mean, sd) in figures.items()}
    return SeedSpread(seeds=seeds, val=over, test=over)


def test_counts_of_a_segmentation_stand_beside_the_share_of_pixels() -> None:
    shares = {"background": 0.868, "nucleus": 0.132}
    assert tables.counts_table(task(pixel_share=shares)).splitlines() == [
        "Images that hold each class, and its share of the labelled pixels:",
        "class        train     val    test    pixels",
        "background      76      20       9       87%",
        "nucleus         74      19       8       13%",
    ]
    assert tables.counts_table(task()).splitlines()[0] == "class        train     val    test"


@pytest.mark.parametrize(
    ("metric", "head"),
    [
        ("dice", "val Dice (95 % interval)    test Dice"),
        ("auprc", "val AUPRC (95 % interval)   test AUPRC"),
        ("hd95", "val HD95 (95 % interval)    test HD95"),
    ],
)
def test_the_table_of_candidates_is_headed_by_the_metric(metric: str, head: str) -> None:
    lines = tables.candidates_table(report(metric, candidate(1, "stem", {metric: DICE}, {metric: HD95})))
    assert lines.splitlines()[0].endswith(head)
    expected = "4.31 px (3.90 to 12.1)" if metric == "hd95" else "4.3123 (3.9040 to 12.0600)"
    assert lines.endswith(expected)


def test_the_chosen_point_is_marked_and_seeds_stand_below_it() -> None:
    dice = {"dice": DICE}
    stem = candidate(1, "stem", dice, dice)
    repeated = candidate(2, "layer1.0", dice, dice, spread=spread(0, 1, 2, dice=(0.9, nan)))
    _, first, chosen, seeds = tables.candidates_table(report("dice", stem, repeated, chosen=repeated)).splitlines()
    assert first == "stem       0.010M   0.118G      3  0.9123 (0.9000 to 0.9200) 0.9123 (0.9000 to 0.9200)"
    assert chosen.startswith("layer1.0 ")
    assert chosen.endswith("  <- chosen")
    words = "mean 0.9000, sd undefined over 3 seeds"
    assert seeds.strip() == f"val {words}; test {words}"


def test_distances_have_their_unit_and_shares_four_decimals() -> None:
    over = spread(0, 1, dice=(0.91, 0.004), hd95=(4.5, 0.25))
    assert tables.metrics({"dice": DICE, "hd95": HD95}, over, "test", "mm").splitlines() == [
        "  Dice  0.9123 (0.9000 to 0.9200)  mean 0.9100, sd 0.0040 over 2 seeds",
        "  HD95  4.31 mm (3.90 to 12.1)     mean 4.50 mm, sd 0.25 mm over 2 seeds",
    ]
    assert tables.metrics({"hd95": Estimate()}, None, "test") == "  HD95  undefined"


def timed(model: str, **more: Any) -> Latency:
    row = {"model": model, "runtime": "onnxruntime 1.0", "device": "cpu", "provider": "CPUExecutionProvider"}
    row |= {"batch": 1, "threads": 2, "p50_ms": 4.3, "p90_ms": 5.25, "p95_ms": None, "p99_ms": None}
    row |= {"images_per_second": 231.4, "cold_start_ms": 70.0, "peak_memory_bytes": 19_374_080}
    row |= {"ratio_to_full": 1.0, "ratio_ci": None, "runs": 80, "processes": 1, "cpu": "a", "load_average": None}
    return Latency(**row | more)


def test_latencies_stand_in_columns_those_that_no_row_fills_left_out() -> None:
    rows = [
        timed("a.onnx", p50_ms=123.456, ratio_to_full=0.75, ratio_ci=(0.7, 0.8)),
        timed("b.onnx", ratio_to_full=0.98, ratio_ci=(0.9, 1.1), device="cuda, copies"),
        timed("c.onnx", p50_ms=None, peak_memory_bytes=None, failed="no compiler"),
        timed("full.onnx"),
    ]
    head = "model      runtime          ran on                        batch  threads  p50 ms  p90 ms  images/s  cold ms"
    start = "onnxruntime 1.0  CPUExecutionProvider"
    assert tables.latency_table(rows).splitlines() == [
        f"{head}  peak MB  time against the last (95 % interval)",
        f"a.onnx     {start}              1        2  123.46    5.25     231.4     70.0     19.4  "
        "0.750 (0.700 to 0.800)",
        f"b.onnx     {start}, copies      1        2    4.30    5.25     231.4     70.0     19.4  "
        "0.980 (0.900 to 1.100), no measurable speed-up",
        f"c.onnx     {start}              1        2       -    5.25     231.4     70.0        -  "
        "not measured: no compiler",
        f"full.onnx  {start}              1        2    4.30    5.25     231.4     70.0     19.4  1",
    ]


def test_latencies_without_a_reference() -> None:
    unmeasured = dict.fromkeys(("p90_ms", "images_per_second", "cold_start_ms", "peak_memory_bytes", "ratio_to_full"))
    assert tables.latency_table([timed("a.onnx", provider="", **unmeasured)]).splitlines() == [
        "model   runtime          ran on  batch  threads  p50 ms  time against the last (95 % interval)",
        "a.onnx  onnxruntime 1.0  cpu         1        2    4.30  -",
    ]


def test_files_stand_with_their_results_or_reasons() -> None:
    passed = {"state": "passed", "trial": "", "checks": (Check("checker", "valid"), Check("sum", "3", "at most 4"))}
    first = FileRecord(file="model.onnx", precision="fp32", size_bytes=1_234_567, parity_max_abs=2e-7, **passed)
    others = [
        FileRecord(file="model.int8.onnx", precision="int8", state="failed", trial="", why="It loses 0.02"),
        FileRecord(file="model.fp16.onnx", precision="fp16", size_bytes=500_000, sentence="As good", **passed),
    ]
    assert tables.files_table([first, *others]).splitlines() == [
        "file             precision     state              MB  what was found",
        "model.onnx       fp32          passed           1.23  differs from PyTorch by 2e-07",
        "model.int8.onnx  int8          failed              -  It loses 0.02",
        "model.fp16.onnx  fp16          passed           0.50  As good",
    ]
    assert tables.checks_table(first.checks).splitlines() == ["  checker  valid", "  sum      3  (wanted: at most 4)"]
