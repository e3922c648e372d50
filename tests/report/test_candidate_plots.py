from __future__ import annotations

from dataclasses import replace

from ttl.report.figures.candidate_plots import depth_figure, front_of, pareto_figure

from . import example, segmented
from .example import changed
from .pages import plot
from .test_on_test_images import rows


def test_the_chosen_and_the_whole_network_are_marked() -> None:
    marks = plot("depth", example.finished()).classes("circle", "rect")
    assert marks.count("dot other") == 5
    assert marks.count("dot chosen") == 1
    assert marks.count("dot full") == 1
    assert marks.count("band") + marks.count("band odd") == 5


def test_on_the_front_nothing_is_cheaper_and_better() -> None:
    study = example.finished()
    assert [c.cut for c in front_of(study, study.candidates)] == [
        "stem",
        "layer1.1",
        "layer2.1",
        "layer3.0",
        "layer3.1",
    ]
    errors = tuple(replace(c, val={"ece": c.val["auprc"]}) for c in study.candidates)
    assert [c.cut for c in front_of(replace(study, metric="ece", candidates=errors), errors)] == ["stem"]


def test_the_pareto_plot_has_marks_a_line_and_the_times_that_were_measured() -> None:
    figure = pareto_figure(example.finished())
    assert figure is not None
    marks = plot("pareto", example.finished()).classes("circle", "rect", "path")
    assert [marks.count(f"dot {role}") for role in ("chosen", "full", "other")] == [1, 1, 5]
    assert marks.count("line front") == 1
    assert figure.data.columns[-1] == "Latency, median"
    assert rows(figure.data)[2][:5] == ["layer2.1", "", "yes", "992 M", "683 k"]
    assert rows(figure.data)[-1][-1] == "5.81 ms"


def test_without_a_limit_the_exported_files_are_timed() -> None:
    figure = pareto_figure(changed(example.finished(), "search.max_latency_ms", None))
    assert figure is not None
    times = {row[0]: row[-1] for row in rows(figure.data)}
    assert (times["layer3.1"], times["layer4.1"], times["layer3.0"]) == ("4.31 ms", "5.75 ms", "–")  # noqa: RUF001


def test_before_the_first_candidate_there_is_nothing_to_draw() -> None:
    study = replace(example.unfinished(), candidates=())
    assert depth_figure(study) is None
    assert pareto_figure(study) is None


def test_plots_follow_the_metric() -> None:
    study = segmented.finished()
    assert "layer3.1: 0.922" in plot("depth", study).words
    assert "validation Dice by epoch" in plot("curve-metric", study).words
    assert "validation HD95, px" in plot("depth", replace(study, metric="hd95")).words
    assert "layer3.1: 4.68 px" in plot("depth", replace(study, metric="hd95")).words


def test_a_fine_tune_of_one_epoch_is_a_mark_in_the_learning_curves() -> None:
    study = example.finished()
    (at,) = [i for i, one in enumerate(study.candidates) if one.cut == "layer3.1"]
    begun = replace(study.candidates[at], curve=study.candidates[at].curve[:1], best_epoch=0)
    study = replace(study, candidates=(*study.candidates[:at], begun, *study.candidates[at + 1 :]))
    assert "dot chosen" in plot("curve-metric", study).classes("circle")
    assert plot("curve-loss", study).classes("circle") == ["dot chosen dashed", "dot chosen"]
