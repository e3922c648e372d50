from __future__ import annotations

from typing import Any

import pytest

from ttl.cli import tables
from ttl.cli.records import class_counts, exported_file, run_figures, spread_of
from ttl.cost.latency import Latency
from ttl.words.estimate import Estimate

DICE = {"value": 0.91234, "ci_low": 0.9, "ci_high": 0.92}
HD95 = {"value": 4.3123, "ci_low": 3.904, "ci_high": 12.06}


def task(**more: Any) -> dict[str, Any]:
    counts = {"train": {"background": 76, "nucleus": 74}, "val": {"background": 20, "nucleus": 19}}
    return {"counts": counts, "class_names": ["background", "nucleus"], **more}


def test_counts_of_a_segmentation_stand_beside_the_share_of_pixels() -> None:
    shares = {"background": 0.868, "nucleus": 0.132}
    assert tables.counts_table(class_counts(task(pixel_share=shares))).splitlines() == [
        "Images that hold each class, and its share of the labelled pixels:",
        "class        train     val    pixels",
        "background      76      20       87%",
        "nucleus         74      19       13%",
    ]
    assert tables.counts_table(class_counts(task())).splitlines()[0] == "class        train     val"


@pytest.mark.parametrize(
    ("metric", "head"),
    [
        ("dice", "val Dice (95 % interval)    test Dice"),
        ("auprc", "val AUPRC (95 % interval)   test AUPRC"),
        ("hd95", "val HD95 (95 % interval)    test HD95"),
    ],
)
def test_the_table_of_candidates_is_headed_by_the_metric(metric: str, head: str) -> None:
    row = {"cut": "stem", "params": 9536, "macs": 118e6, "epochs": 3, "val": {metric: DICE}, "test": {metric: HD95}}
    content = {"metric": metric, "candidates": [row], "task": {"distance_unit": "px"}}
    lines = tables.candidates_table(run_figures(content))
    assert lines.splitlines()[0].endswith(head)
    expected = "4.31 px (3.90 to 12.1)" if metric == "hd95" else "4.3123 (3.9040 to 12.0600)"
    assert lines.endswith(expected)


def test_the_chosen_point_is_marked_and_seeds_stand_below_it() -> None:
    spread = {"seeds": [0, 1, 2], **{split: {"dice": {"mean": 0.9, "sd": None}} for split in ("val", "test")}}
    rows = [
        {"cut": cut, "params": 9536, "macs": 118e6, "epochs": 3, "val": {"dice": DICE}, "test": {"dice": DICE}, **more}
        for cut, more in (("stem", {}), ("layer1.0", {"spread": spread}))
    ]
    content = {"metric": "dice", "candidates": rows, "chosen": {"cut": "layer1.0"}}
    _, stem, chosen, seeds = tables.candidates_table(run_figures(content)).splitlines()
    assert stem == "stem       0.010M   0.118G      3  0.9123 (0.9000 to 0.9200) 0.9123 (0.9000 to 0.9200)"
    assert chosen.startswith("layer1.0 ")
    assert chosen.endswith("  <- chosen")
    words = "mean 0.9000, sd undefined over 3 seeds"
    assert seeds.strip() == f"val {words}; test {words}"


def test_distances_have_their_unit_and_shares_four_decimals() -> None:
    spread = {
        "seeds": [0, 1],
        "test": {"dice": {"mean": 0.91, "sd": 0.004}, "hd95": {"mean": 4.5, "sd": 0.25}},
    }
    estimates = {"dice": Estimate(**DICE), "hd95": Estimate(**HD95)}
    assert tables.metrics(estimates, spread_of(spread), "test", "mm").splitlines() == [
        "  Dice  0.9123 (0.9000 to 0.9200)  mean 0.9100, sd 0.0040 over 2 seeds",
        "  HD95  4.31 mm (3.90 to 12.1)     mean 4.50 mm, sd 0.25 mm over 2 seeds",
    ]
    assert tables.metrics({"hd95": Estimate()}, None, "test") == "  HD95  undefined"


def timed(model: str, **more: Any) -> dict[str, Any]:
    row = {"model": model, "runtime": "onnxruntime 1.0", "device": "cpu", "provider": "CPUExecutionProvider"}
    row |= {"batch": 1, "threads": 2, "p50_ms": 4.3, "p90_ms": 5.25, "p95_ms": None, "images_per_second": 231.4}
    row |= {"cold_start_ms": 70.0, "peak_memory_bytes": 19_374_080, "ratio_to_full": 1.0, "ratio_ci": None}
    return row | {"failed": "", **more}


def read_back(rows: list[dict[str, Any]]) -> tuple[Latency, ...]:
    """The rows of a report."""
    return run_figures({"metric": "auprc", "candidates": [], "latency": rows}).latency


def test_latencies_stand_in_columns_those_of_which_nothing_is_known_left_out() -> None:
    rows = [
        timed("a.onnx", p50_ms=123.456, ratio_to_full=0.75, ratio_ci=(0.7, 0.8)),
        timed("b.onnx", ratio_to_full=0.98, ratio_ci=(0.9, 1.1), device="cuda, copies"),
        timed("c.onnx", p50_ms=None, peak_memory_bytes=None, failed="no compiler"),
        timed("full.onnx"),
    ]
    head = "model      runtime          ran on                        batch  threads  p50 ms  p90 ms  images/s  cold ms"
    start = "onnxruntime 1.0  CPUExecutionProvider"
    assert tables.latency_table(read_back(rows)).splitlines() == [
        f"{head}  peak MB  time against the last (95 % interval)",
        f"a.onnx     {start}              1        2  123.46    5.25     231.4     70.0     19.4  "
        "0.750 (0.700 to 0.800)",
        f"b.onnx     {start}, copies      1        2    4.30    5.25     231.4     70.0     19.4  "
        "0.980 (0.900 to 1.100), no measurable speed-up",
        f"c.onnx     {start}              1        2       -    5.25     231.4     70.0        -  "
        "not measured: no compiler",
        f"full.onnx  {start}              1        2    4.30    5.25     231.4     70.0     19.4  1",
    ]


def test_latencies_of_an_older_report_and_without_a_reference() -> None:
    row = {key: timed("a.onnx")[key] for key in ("model", "runtime", "device", "batch", "threads", "p50_ms")}
    rows = read_back([row | {"ratio_to_full": None, "ratio_ci": None}])
    assert tables.latency_table(rows).splitlines() == [
        "model   runtime          ran on  batch  threads  p50 ms  time against the last (95 % interval)",
        "a.onnx  onnxruntime 1.0  cpu         1        2    4.30  -",
    ]


def test_files_stand_with_what_was_found_of_them() -> None:
    checks = [{"name": "checker", "found": "valid", "wanted": ""}, {"name": "sum", "found": "3", "wanted": "at most 4"}]
    records = [
        {"file": "model.onnx", "precision": "fp32", "state": "passed", "size_bytes": 1_234_567, "parity_max_abs": 2e-7},
        {"file": "model.int8.onnx", "precision": "int8", "state": "failed", "why": "It loses 0.02"},
        {"file": "model.fp16.onnx", "precision": "fp16", "state": "passed", "size_bytes": 5e5, "sentence": "As good"},
    ]
    first, *others = [exported_file(record | {"checks": checks}) for record in records]
    assert tables.files_table([first, *others]).splitlines() == [
        "file             precision     state              MB  what was found",
        "model.onnx       fp32          passed           1.23  differs from PyTorch by 2e-07",
        "model.int8.onnx  int8          failed              -  It loses 0.02",
        "model.fp16.onnx  fp16          passed           0.50  As good",
    ]
    assert tables.checks_table(first.checks).splitlines() == ["  checker  valid", "  sum      3  (wanted: at most 4)"]
