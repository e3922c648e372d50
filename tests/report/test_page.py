from __future__ import annotations

import html
import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ttl import files
from ttl.report import RunReport, render, report_of, summary, write_report
from ttl.report.schema import searched
from ttl.typed import to_json
from ttl.words import units
from ttl.words.estimate import Estimate

from . import example, segmented
from .example import changed
from .pages import Page, html_of, page_of, text, words

SECTIONS = [
    "card", "decides", "why", "training", "curves", "errors", "trust", "cams", "data", "ledger", "export", "latency",
    "cost", "weights", "again",
]  # fmt: skip
PLOTS = [
    "depth", "pareto", "looks", "similarity", "curve-metric", "curve-loss", "roc-1", "precision-recall-1",
    "confusion-full", "confusion-chosen", "reliability", "confidence",
]  # fmt: skip
STUDIES = [
    example.finished,
    example.over_seeds,
    example.whole_network,
    example.not_shown,
    example.grades,
    example.unfinished,
    segmented.finished,
    segmented.whole_network,
]


@pytest.mark.parametrize("study", STUDIES)
def test_page_is_well_formed_and_loads_nothing(study: Any) -> None:
    page = page_of(study())
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert page.attributes("src") == []
    assert all(target.removeprefix("#") in ids for target in page.attributes("href"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    style = page.words[page.words.index(next(w for w in page.words if w.startswith(":root")))]
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize("study", [example.finished, segmented.finished])
def test_each_part_that_a_run_may_lack_may_be_missing(study: Any) -> None:
    lacking = [field.name for field in fields(RunReport) if getattr(example.unfinished(), field.name) in (None, ())]
    assert {"full", "chosen", "comparison", "curves", "export", "exports", "latency", "overlays"} <= set(lacking)
    whole = study()
    for name in (*lacking, "candidates", "probe", "joint"):
        empty = () if isinstance(getattr(whole, name), tuple) else None
        assert '<section id="data">' in render(replace(whole, **{name: empty})), name


def test_sections_stand_in_order() -> None:
    page = page_of(example.finished())
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == SECTIONS


def test_every_plot_has_alternative_text_and_its_data() -> None:
    page = page_of(example.finished())
    named = [str(attrs["aria-labelledby"]).split() for tag, attrs in page.tags if tag == "svg"]
    assert named == [[f"{name}-title", f"{name}-desc"] for name in PLOTS]
    assert {id_ for ids in named for id_ in ids} <= set(page.attributes("id"))
    assert page.words.count("Data of this plot") == len(PLOTS)


def test_the_whole_network_as_chosen_is_one_column() -> None:
    page = words(example.whole_network())
    assert {"Truncated against whole", "Truncated network"}.isdisjoint(page)
    assert "chosen, whole network" in page


def test_card_words_where_there_is_no_speed_up() -> None:
    study = changed(changed(example.finished(), "latency.0.ratio_to_full", 0.99), "latency.0.ratio_ci", (0.95, 1.03))
    assert render(study).count("0.95 to 1.03: no measurable speed-up") == 2


def test_the_latency_section_says_how_it_was_measured_and_on_what() -> None:
    page = text(example.finished())
    assert "took turns in each of 3 fresh processes" in page
    assert "Timed on Intel Xeon 8488C; load average 0.08 before, 0.94 after." in page
    ratio = "\N{MULTIPLICATION SIGN} 0.75 0.72 to 0.78"
    times = f"4.31 ms 4.65 ms 4.83 ms {units.MISSING} 227 51.7 ms 34.5 MB 201 3 processes"
    assert f"onnxruntime 1.22.0 CPUExecutionProvider 1 2 {ratio} {times}" in page


def test_a_model_that_could_not_be_timed_has_dashes() -> None:
    study = example.finished()
    unknown = dict.fromkeys(("p50_ms", "p90_ms", "p95_ms", "images_per_second", "cold_start_ms", "peak_memory_bytes"))
    failed = replace(study.latency[0], **unknown, ratio_to_full=None, ratio_ci=None, provider="", load_average=None)
    page = text(replace(study, latency=(failed, *study.latency[1:])))
    assert f"onnxruntime 1.22.0 cpu 1 2 {' '.join([units.MISSING] * 8)} 201 3 processes" in page
    assert "Timed on Intel Xeon 8488C. On a machine" in page
    assert "Time per image not timed" in page


def test_several_seeds_show_mean_and_deviation_beside_the_interval() -> None:
    page = text(example.over_seeds())
    assert "Test AUPRC over seeds" in page
    assert "0.957 ± 0.010" in page  # layer3.1, chosen: its mean over the seeds
    assert "the other figures are of the seed that validates best" in page
    assert "±" not in text(example.finished())


def test_the_epoch_that_was_kept_is_marked_whatever_the_recipe_watches() -> None:
    study = example.finished()
    study = replace(study, candidates=tuple(replace(candidate, best_epoch=2) for candidate in study.candidates))
    labels = [word for word in words(study) if re.search(r", epoch \d+: ", word)]
    assert len(labels) == 2
    assert all(", epoch 2: " in label for label in labels)


def test_where_what_it_began_with_was_kept_no_epoch_is_marked() -> None:
    study = example.finished()
    study = replace(study, candidates=tuple(replace(candidate, best_epoch=0) for candidate in study.candidates))
    assert not any(re.search(r", epoch \d+: ", word) for word in words(study))
    page = text(study)
    assert "ringed epoch" not in page
    for network in ("Chosen", "Whole network"):
        assert f"{network}: what it began with was kept, so no epoch is ringed." in page


def test_what_a_fine_tune_remarked_is_shown_once_with_its_points() -> None:
    remark = ("Batch norms that train saw each batch in 2 parts",)
    study = changed(changed(example.finished(), "candidates.0.notes", remark), "candidates.1.notes", remark)
    assert text(study).count("Batch norms that train saw each batch in 2 parts (stem, layer1.1).") == 1


def test_an_under_trained_network_is_named_on_the_card_and_with_the_fine_tunes() -> None:
    found = example.undertrained(blocks=False)
    study = changed(changed(example.finished(), "chosen.undertrained", found), "candidates.4.undertrained", found)
    of_loss = "under-trained: its validation loss was still falling at the last epoch; give it more --epochs"
    page = text(study)
    assert page.count(f"The truncated network is {of_loss}") == 2  # at the top, and on the card
    assert page.count(f"layer3.1 is {of_loss}") == 1
    assert "Some fine-tunes needed more epochs." in page
    assert any(f"The truncated network is {of_loss}" in paragraph for paragraph in summary(study))
    assert "under-trained" not in text(example.finished())


def test_the_looks_at_the_test_images_are_counted_and_listed() -> None:
    page = words(example.finished())
    assert "The test images were looked at 4 times: each model, and each file made of it, counts as one look." in page
    at = page.index("The ledger: 4 looks at the test images, in the order of time")
    assert page[at + 6 : at + 11] == [
        "2026-05-04T10:31:00+00:00",
        "run",
        "truncated network",
        "trial 3fa9c1d7",
        "A rule.",
    ]
    assert {"model.", "full."} <= set(page[at : at + 32])  # a name may break after a dot
    assert "more optimistic" not in " ".join(page)


def test_looks_on_other_occasions_make_the_figures_optimistic() -> None:
    study = example.finished()
    again = replace(study.looks[0], occasion="operating point changed")
    gone = replace(study.looks[0], trial="0123456789ab")
    page = text(replace(study, looks=(*study.looks, again, gone)))
    assert "looked at 6 times" in page
    assert "2 of them came on other occasions than this run, or at other models than the two." in page
    assert "another model trial 0123456789ab" in page
    assert "looked at once:" in text(replace(study, looks=study.looks[:1]))


def test_what_was_stopped_is_listed_with_what_that_saved() -> None:
    page = words(example.finished())
    at = page.index("0.785")
    assert page[at - 2 : at + 1] == ["layer2.0", "2", "0.785"]
    assert "Stopping them saved at most 125 T training MACs, 29% of what the search took." in page
    assert "Fine, 2 epochs: layer1.0, layer2.0, layer3.0, layer4.0" in page


def test_without_a_cap_what_was_saved_is_not_invented() -> None:
    study = changed(example.finished(), "search.stopped.train_macs_saved_at_most", None)
    assert "What stopping them saved is not known" in render(study)


def test_a_search_that_stopped_nothing_says_so_and_one_that_may_not_is_silent() -> None:
    assert "No fine-tune fell so far behind that it was stopped." in words(
        changed(example.finished(), "search.stopped.points", ())
    )
    assert "stopped" not in render(changed(example.finished(), "search.stopped", None))


def test_what_failed_is_listed_with_its_cause() -> None:
    study = replace(example.finished(), failed=(searched.FailedFineTune(cut="layer1.0", cause="Out of memory."),))
    assert "layer1.0: Out of memory." in words(study)


def test_the_points_timed_for_a_latency_are_listed() -> None:
    page = words(example.finished())
    at = page.index("5.81 ms", page.index("Within"))
    assert page[at - 4 : at + 2] == ["layer4.0", "5.07 ms", "yes", "layer4.1", "5.81 ms", "no"]
    limit = "to keep to 5.50 ms an image, threads 2. The search went up to layer4.0, the highest that is within."
    assert any(limit in word for word in page)


def test_an_unfinished_run_has_a_page() -> None:
    page = html_of(example.unfinished())
    assert "· unfinished</p>" in page
    assert "<h1>Unfinished: 3 candidates tried so far" in page
    assert "3 tried of 9 points" in page
    assert "What was tried so far" in page


def test_what_a_user_named_is_escaped() -> None:
    nasty = "<script>alert(1)</script>"
    content = json.dumps(to_json(example.finished()))
    for name in ("layer3.1", "pneumonia", "chest X-rays", "resnet18", "coarse", "data/xray", "Split by", "model.onnx"):
        assert name in content
        content = content.replace(name, nasty)
    page = render(report_of(json.loads(content), where="report.json"))
    assert "<script" not in page
    assert "The positive class is &lt;script&gt;alert(1)&lt;/script&gt;." in page


def test_long_point_names_may_break_after_a_dot_and_numbers_may_not() -> None:
    content = json.dumps(to_json(example.finished())).replace("layer3.1", "features.denseblock3.denselayer19")
    page = render(report_of(json.loads(content), where="report.json"))
    heading = re.findall("<h1>(.*)</h1>", page)[0]
    assert heading.startswith("Cut resnet18 at features.<wbr>denseblock3.<wbr>denselayer19: ")
    assert heading.count("<wbr>") == 2


def test_options_versions_and_the_machine_are_listed() -> None:
    page = words(example.finished())
    options = (
        f"data: data/xray; epochs: 12; dedupe: {units.MISSING}; label_columns: {units.MISSING}; train_fraction: 1.00"
    )
    assert page[page.index("config") + 1] == options
    assert page[page.index("resolved") + 1] == "recipe: name: full; phases: train: all; lr: 1.00e\u221204; seeds: 0"
    assert page[page.index("gpu") + 1] == units.MISSING
    assert page[page.index("onnxruntime") + 1] == "1.22.0"


def test_numbers_that_are_not_finite_are_dashes() -> None:
    study = changed(example.finished(), "candidates.0.val.auprc", Estimate())
    page = Page(render(changed(study, "candidates.4.curve.2.val_loss", math.nan)))
    drawn = [value for name in ("d", "cx", "cy", "x", "y") for value in page.attributes(name)]
    assert drawn
    assert not any("nan" in value for value in drawn)


def test_a_segmentation_speaks_of_nothing_that_belongs_to_classification() -> None:
    page = words(segmented.finished())
    page = " ".join(page[page.index("unet:resnet18 on nuclei") :])
    for foreign in ("AUPRC", "AUROC", "Images per class", "Balanced accuracy", "kappa"):
        assert foreign not in page
    for own in ("Test Dice", "Test Jaccard, pooled", "Validation Dice of every truncation point", "val jaccard"):
        assert own in page
    assert "HD95: 95th-percentile Hausdorff distance" in page
    assert "the decoder is shortened with it" in page


def test_a_distance_has_its_unit_wherever_it_stands() -> None:
    page = words(segmented.finished())
    at = page.index("Test HD95")
    assert page[at + 1 : at + 6] == ["lower is better", "5.22 px", "4.18 to 6.79 px", "5.40 px", "4.32 to 7.02 px"]
    assert page[at + 6] == "\u22120.18 px"


def test_the_encoder_and_the_decoder_have_their_shares_of_a_u_net() -> None:
    page = words(segmented.finished())
    at = page.index("encoder 65%") - 1
    assert page[at] == "2.47 M"  # 1 602 112 of the encoder and 863 360 of the decoder
    assert page[at + 1 : at + 3] == ["encoder 65%", "decoder 35%"]
    assert page.count("encoder 65%") == 2  # of candidates and of all points
    assert "encoder" not in text(example.finished())


def test_write_report_puts_the_page_beside_the_json(tmp_path: Path) -> None:
    example.save(tmp_path, example.finished())
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == html_of(example.finished())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_two_reports_at_once_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example.save(tmp_path, example.finished())
    flush, others = files._flush, []

    def flush_while_another_writes(path: Path) -> None:
        if not others:
            others.append(path)
            assert write_report(tmp_path).is_file()
        flush(path)

    monkeypatch.setattr(files, "_flush", flush_while_another_writes)
    path = write_report(tmp_path)
    assert others
    assert path.read_text(encoding="utf-8") == html_of(example.finished())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_page_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example.save(tmp_path, example.finished())
    (tmp_path / "report.html").write_text("before", encoding="utf-8")

    def no_room(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_flush", no_room)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_the_summary_is_the_top_of_the_page() -> None:
    verdict, sentence, reasons, figures, tried = summary(example.finished())
    page = html.unescape(html_of(example.finished()))
    assert all(part in page for part in (f">{verdict}<", f">{sentence}<", tried))
    assert len(reasons.splitlines()) == 2
    assert all(f"<li>{reason}</li>" in page for reason in reasons.splitlines())
    assert len(figures.splitlines()) == page.count("<dt>", 0, page.index("</header>")) == 7
    assert "Sensitivity: 87% (85% to 89%), whole: 87% (85% to 90%)" in figures.splitlines()
    assert "<dt>Sensitivity</dt><dd>87%<small>85% to 89%</small>" in page
    assert summary(example.unfinished())[2:] == ("The same command again runs only what is missing.",)
