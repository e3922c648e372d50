"""The points that are fast enough: found by bisection, measured by one process, kept for later calls."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, log2
from pathlib import Path

import numpy as np
import pytest

from several import together
from toy_runs import POINTS, content_of, tiny
from ttl.config import RunConfig
from ttl.errors import ExportError, RunFolderError, UsageError
from ttl.run import budget as budget_room
from ttl.run import finetune, plan, run
from ttl.run.budget import KEPT, highest_within, within_latency
from ttl.run.events import Event, Note
from ttl.run.prepare import prepare
from ttl.run.setting import RunSetting
from ttl.search.candidates import Cut
from ttl.study.folder import Study
from ttl.typed import to_json

TAKES_MS = dict(zip(POINTS, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))
Measured = list[str]


def setting_of(config: RunConfig) -> RunSetting:
    return prepare(config, lambda event: None)


def into(notes: list[str]) -> Callable[[Event], None]:
    return lambda event: notes.append(event.text) if isinstance(event, Note) else None


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Names of the points measured, in order; each takes what `TAKES_MS` says."""
    names: Measured = []

    def median_ms(setting: RunSetting, candidate: Cut, *, threads: int) -> float:
        names.append(candidate.name)
        return TAKES_MS[candidate.name]

    monkeypatch.setattr(budget_room, "median_ms", median_ms)
    return names


@pytest.mark.parametrize(
    ("budget", "asked", "highest"),
    [
        (0.9, ["layer2.0", "layer1.0", "maxpool"], None),
        (1.0, ["layer2.0", "layer1.0", "maxpool"], "maxpool"),
        (3.5, ["layer2.0", "layer4.0", "layer3.0"], "layer2.0"),
        (9.0, ["layer2.0", "layer4.0"], "layer4.0"),
    ],
)
def test_the_highest_point_within_is_found_by_bisection(budget: float, asked: Measured, highest: str | None) -> None:
    names: Measured = []
    found, top = highest_within(POINTS, budget, lambda name: names.append(name) or TAKES_MS[name])
    assert (names, top) == (asked, highest)
    assert list(found.items()) == [(name, TAKES_MS[name]) for name in POINTS if name in asked]


def test_noise_moves_the_answer_no_further_than_the_measurements() -> None:
    rng = np.random.default_rng(0)
    for n in range(1, 40):
        names = [str(i) for i in range(n)]
        takes = dict(zip(names, np.arange(n) + rng.normal(0, 5, n), strict=True))
        found, top = highest_within(names, n / 2, takes.__getitem__)
        assert len(found) <= ceil(log2(n + 1))
        above = names[0 if top is None else names.index(top) + 1 :]
        assert top is None or found[top] <= n / 2
        assert not above or found[above[0]] > n / 2


def test_the_points_beyond_the_budget_are_no_candidates(measured: Measured, tmp_path: Path) -> None:
    notes: list[str] = []
    setting = setting_of(tiny(tmp_path, max_latency_ms=2.5, min_point="layer1.0"))
    narrowed = within_latency(setting, None, into(notes))
    assert [candidate.name for candidate in narrowed.candidates] == ["layer1.0"]
    assert notes == [
        "Exporting and timing at most 3 of 4 points, to keep to --max-latency-ms",
        "At most 2.5 ms an image on 1 thread: up to layer1.0 "
        "(measured: layer1.0 2.00 ms, layer2.0 3.00 ms, layer3.0 4.00 ms)",
    ]
    assert len(setting.candidates) == 4
    assert not (tmp_path / KEPT).exists()


def test_without_the_option_nothing_is_measured(measured: Measured, tmp_path: Path) -> None:
    setting = setting_of(tiny(tmp_path))
    assert within_latency(setting, Study(tmp_path), into([])) is setting
    assert measured == []


def test_what_was_measured_is_kept_and_read_again(measured: Measured, tmp_path: Path) -> None:
    study, setting = Study(tmp_path), setting_of(tiny(tmp_path, max_latency_ms=3.5))
    first = within_latency(setting, study, into([])).latency
    kept = content_of(tmp_path, KEPT)
    timed = [{"cut": name, "p50_ms": TAKES_MS[name]} for name in POINTS[2:]]
    assert kept["limit"] == {"budget_ms": 3.5, "threads": 1, "highest": "layer2.0", "measured": timed} == to_json(first)
    assert {"versions", "hardware"} <= kept.keys()
    measured.clear()
    assert within_latency(setting, study, into([])).latency == first
    assert measured == []
    within_latency(setting_of(tiny(tmp_path, max_latency_ms=1.5)), study, into([]))
    assert measured == ["layer2.0", "layer1.0", "maxpool"]


def test_where_nothing_is_fast_enough_the_sentence_says_how_slow_it_is(measured: Measured, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"No point is left to search among: the smallest, maxpool, takes 1.00 ms an image here on 1 thread, more "
        r"than the 0.5 ms allowed; raise --max-latency-ms",
    ):
        run(tiny(tmp_path, max_latency_ms=0.5))
    assert not {"run.json", KEPT} & {path.name for path in tmp_path.iterdir()}  # so another budget may follow


def test_a_folder_of_another_command_keeps_what_it_measured(measured: Measured, tmp_path: Path) -> None:
    run(tiny(tmp_path, max_latency_ms=1.5), deliver=False)
    before = (tmp_path / KEPT).read_text()
    measured.clear()
    with pytest.raises(RunFolderError, match=r"made with other options \(max-latency-ms\)"):
        run(tiny(tmp_path, max_latency_ms=2.5))
    assert measured == []
    assert (tmp_path / KEPT).read_text() == before


def test_a_run_says_what_was_measured_and_still_tunes_the_whole_network(measured: Measured, tmp_path: Path) -> None:
    run(tiny(tmp_path, max_latency_ms=1.5, strategy="exhaustive"), deliver=False)
    content = content_of(tmp_path)
    assert content["search"]["max_latency_ms"] == {
        "budget_ms": 1.5,
        "threads": 1,
        "highest": "maxpool",
        "measured": [{"cut": name, "p50_ms": TAKES_MS[name]} for name in POINTS[:3]],
    }
    assert [candidate["cut"] for candidate in content["candidates"]] == ["maxpool", "layer4.0"]


def test_a_plan_measures_and_a_fine_tune_at_a_point_does_not(measured: Measured, tmp_path: Path) -> None:
    planned = plan(tiny(tmp_path / "none", max_latency_ms=3.5, strategy="two-stage"))
    assert planned.coarse == ("layer1.0", "layer2.0")
    assert planned.notes[-1].startswith("At most 3.5 ms an image on 1 thread: up to layer2.0")
    assert not (tmp_path / "none").exists()
    measured.clear()
    finetune(tiny(tmp_path / "tuned", max_latency_ms=3.5), "maxpool")
    assert measured == []


def test_a_cut_that_can_not_be_exported_can_not_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise ExportError("The model can't be exported to ONNX: no such operator.")

    monkeypatch.setattr(budget_room, "export_onnx", refuse)
    with pytest.raises(
        UsageError,
        match=r"The latency of the cut at layer2.0 can't be measured \(The model can't be exported to ONNX: no such "
        r"operator\): leave out --max-latency-ms",
    ):
        plan(tiny(tmp_path, max_latency_ms=1.0))


def test_real_measurements_keep_all_or_refuse_all(tmp_path: Path) -> None:
    report = run(tiny(tmp_path / "all", max_latency_ms=1e6, min_point="layer3.0"), deliver=False).report
    limit = report.search.max_latency_ms
    assert limit is not None
    assert limit.highest == "layer4.0"
    assert [timed.cut for timed in limit.measured] == ["layer4.0"]
    assert {candidate.cut for candidate in report.candidates} == {"layer3.0", "layer4.0"}
    assert all(timed.p50_ms > 0 for timed in limit.measured)
    with pytest.raises(UsageError, match=r"the smallest, layer3\.0, takes"):
        run(tiny(tmp_path / "none", max_latency_ms=1e-6, min_point="layer3.0"))


SHARED = """
import sys
from pathlib import Path
from ttl import processes
from ttl.config import RunConfig
from ttl.errors import UsageError
from ttl.run import budget
from ttl.run.prepare import prepare
from ttl.study.folder import Study

def median_ms(setting, candidate, *, threads):
    assert processes.is_main()
    return float(candidate.top.index)

budget.median_ms = median_ms
options = {"data": "digits:0-1", "model": "test_resnet", "weights": "none", "image_size": 32, "device": "cpu"}
for most in (2.5, 0.5):
    setting = prepare(RunConfig(**options, max_latency_ms=most), lambda event: None)
    try:
        narrowed = budget.within_latency(setting, Study(Path(sys.argv[1])), lambda event: None)
        print([candidate.name for candidate in narrowed.candidates])
    except UsageError as error:
        print(str(error).partition(":")[0])
"""


def test_of_several_processes_one_measures_and_all_are_told(tmp_path: Path) -> None:
    printed = together(2, "-c", SHARED, str(tmp_path))
    assert printed == ["['maxpool', 'layer1.0']\nNo point is left to search among\n"] * 2
