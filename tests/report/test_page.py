from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ttl.errors import RunFolderError
from ttl.report import render, write_report
from ttl.words import units

from . import example, segmented

SECTIONS = [
    "card", "why", "training", "curves", "errors", "trust", "cams", "data", "export", "latency", "cost", "weights",
    "again",
]  # fmt: skip
PLOTS = [
    "depth", "pareto", "looks", "similarity", "curve-metric", "curve-loss", "roc-1", "precision-recall-1",
    "confusion-full", "confusion-chosen", "reliability", "confidence",
]  # fmt: skip
VOID = {"meta", "wbr", "img"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is closed in the wrong place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    def attributes(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]

    def classes(self, *tags: str) -> list[str | None]:
        return [attrs.get("class") for tag, attrs in self.tags if tag in tags]


def plot(name: str, study: dict[str, Any]) -> Page:
    """One picture of a study's page."""
    return Page(re.findall(rf'<svg class="plot[^>]*aria-labelledby="{name}-title.*?</svg>', render(study))[0])


@pytest.mark.parametrize(
    "study",
    [
        example.finished,
        example.over_seeds,
        example.whole_network,
        example.unfinished,
        dict,
        segmented.finished,
        segmented.whole_network,
    ],
)
def test_page_is_well_formed_and_loads_nothing(study: Any) -> None:
    page = Page(render(study()))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert page.attributes("src") == []
    assert all(target.removeprefix("#") in ids for target in page.attributes("href"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object"})
    style = page.words[page.words.index(next(w for w in page.words if w.startswith(":root")))]
    assert "url(" not in style
    assert "@import" not in style


def test_sections_stand_in_order() -> None:
    page = Page(render(example.finished()))
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == SECTIONS


def test_every_plot_has_alternative_text_and_its_data() -> None:
    page = Page(render(example.finished()))
    named = [str(attrs["aria-labelledby"]).split() for tag, attrs in page.tags if tag == "svg"]
    assert named == [[f"{name}-title", f"{name}-desc"] for name in PLOTS]
    assert {id_ for ids in named for id_ in ids} <= set(page.attributes("id"))
    assert page.words.count("Data of this plot") == len(PLOTS)


def test_the_chosen_and_the_whole_network_are_marked() -> None:
    marks = plot("depth", example.finished()).classes("circle", "rect")
    assert marks.count("dot other") == 5
    assert marks.count("dot chosen") == 1
    assert marks.count("dot full") == 1
    assert marks.count("band") + marks.count("band odd") == 5


def test_the_whole_network_as_chosen_is_one_column() -> None:
    page = Page(render(example.whole_network()))
    heads = [word for word in page.words if word in ("Truncated against whole", "Truncated network")]
    assert heads == []
    assert "chosen, whole network" in page.words


def test_card_words_where_there_is_no_speed_up() -> None:
    report = example.finished()
    report["latency"][0] |= {"ratio_to_full": 0.99, "ratio_ci": [0.95, 1.03]}
    assert render(report).count("0.95 to 1.03: no measurable speed-up") == 2


def test_the_latency_section_says_how_it_was_measured_and_on_what() -> None:
    words = " ".join(Page(render(example.finished())).words)
    assert "took turns in each of 3 fresh processes" in words
    assert "Timed on Intel Xeon 8488C; load average 0.08 before, 0.94 after." in words
    ratio = "\N{MULTIPLICATION SIGN} 0.75 0.72 to 0.78"
    times = f"4.31 ms 4.65 ms 4.83 ms {units.MISSING} 227 51.7 ms 34.5 MB 201 3 processes"
    assert f"onnxruntime 1.22.0 CPUExecutionProvider 1 2 {ratio} {times}" in words


def test_latencies_of_an_older_report_are_shown_as_far_as_they_go() -> None:
    report = example.finished()
    for row in report["latency"]:
        for key in (
            "p95_ms",
            "images_per_second",
            "cold_start_ms",
            "peak_memory_bytes",
            "provider",
            "cpu",
            "processes",
        ):
            del row[key]
    words = " ".join(Page(render(report)).words)
    assert "took turns in one process," in words
    ratio, missing = "\N{MULTIPLICATION SIGN} 0.75 0.72 to 0.78", " ".join([units.MISSING] * 5)
    assert f"onnxruntime 1.22.0 cpu 1 2 {ratio} 4.31 ms 4.65 ms {missing} 201" in words
    assert "Timed on" not in words


def test_several_seeds_show_mean_and_deviation_beside_the_interval() -> None:
    words = " ".join(Page(render(example.over_seeds())).words)
    assert "Test AUPRC over seeds" in words
    assert "0.957 ± 0.010" in words  # layer4.0, chosen: its mean over the seeds
    assert "the other figures are of the seed that validates best" in words
    assert "±" not in " ".join(Page(render(example.finished())).words)


def test_the_epoch_that_was_kept_is_marked_whatever_the_recipe_watches() -> None:
    study = example.finished()
    for candidate in study["candidates"]:
        candidate["best_epoch"] = 2
    labels = [word for word in Page(render(study)).words if re.search(r", epoch \d+: ", word)]
    assert len(labels) == 2
    assert all(", epoch 2: " in label for label in labels)


def test_what_a_fine_tune_remarked_is_shown_once_with_its_points() -> None:
    study = example.finished()
    for candidate in study["candidates"][:2]:
        candidate["notes"] = ["Batch norms that train saw each batch in 2 parts"]
    words = " ".join(Page(render(study)).words)
    assert words.count("Batch norms that train saw each batch in 2 parts (stem, layer1.1).") == 1


def test_what_was_stopped_is_listed_with_what_that_saved() -> None:
    words = Page(render(example.finished())).words
    at = words.index("0.785")
    assert words[at - 2 : at + 1] == ["layer2.0", "2", "0.785"]
    assert "Stopping them saved at most 125 T training MACs, 29% of what the search took." in words
    assert "Fine, 2 epochs: layer1.0, layer2.0, layer3.0, layer4.0" in words


def test_without_a_cap_what_was_saved_is_not_invented() -> None:
    study = example.finished()
    study["search"]["stopped"]["train_macs_saved_at_most"] = None
    assert "What stopping them saved is not known" in render(study)


def test_a_search_that_stopped_nothing_says_so_and_one_that_may_not_is_silent() -> None:
    study = example.finished()
    study["search"]["stopped"] = {"points": [], "train_macs_saved_at_most": 0}
    assert "No fine-tune fell so far behind that it was stopped." in Page(render(study)).words
    del study["search"]["stopped"]
    assert "stopped" not in render(study)


def test_the_points_timed_for_a_latency_budget_are_listed() -> None:
    page = Page(render(example.finished()))
    at = page.words.index("5.81 ms", page.words.index("Within"))
    assert page.words[at - 4 : at + 2] == ["layer4.0", "5.07 ms", "yes", "layer4.1", "5.81 ms", "no"]
    said = "to keep to 5.50 ms an image, threads 2. The search went up to layer4.0, the highest that is within."
    assert any(said in word for word in page.words)


def test_unfinished_is_said() -> None:
    text = render(example.unfinished())
    assert "· unfinished</p>" in text
    assert "<h1>Unfinished: 3 candidates tried so far" in text
    assert "3 tried of 9 points" in text


def test_what_a_user_named_is_escaped() -> None:
    nasty = "<script>alert(1)</script>"
    report = example.finished()
    report["task"] |= {"name": nasty, "class_names": ["normal", nasty], "notes": [nasty]}
    report["task"]["counts"]["test"] = {"normal": 1, nasty: 2}
    report["model"] |= {"name": nasty}
    report["model"]["weights"] |= {"source": nasty, "missing": [nasty], "summary": nasty}
    report["chosen"]["cut"] = report["candidates"][4]["cut"] = report["points"][6]["name"] = nasty
    report["search"] |= {"reason": nasty, "steps": [{"phase": nasty, "points": [nasty]}]}
    report["recipe"][nasty] = nasty
    report["run"]["command"] = nasty
    report["latency"][0]["model"] = nasty
    text = render(report)
    assert "<script" not in text
    assert "tells &lt;script&gt;alert(1)&lt;/script&gt; from normal" in text


def test_long_point_names_may_break_after_a_dot_and_numbers_may_not() -> None:
    report = example.finished()
    report["chosen"]["cut"] = "features.denseblock3.denselayer19"
    heading = re.findall("<h1>(.*)</h1>", render(report))[0]
    assert heading.startswith("Cut resnet18 at features.<wbr>denseblock3.<wbr>denselayer19: ")
    assert heading.count("<wbr>") == 2


def test_keys_without_a_label_are_shown_too() -> None:
    report = example.finished()
    report["recipe"]["warm_restarts"] = ["4", "8"]
    page = Page(render(report))
    assert page.words[page.words.index("warm restarts") + 1] == "4, 8"


def test_numbers_that_are_not_finite_are_dashes() -> None:
    report = example.finished()
    report["candidates"][0]["val"]["auprc"] = {"value": float("nan"), "ci_low": None, "ci_high": None}
    report["candidates"][4]["curve"][2]["val_loss"] = float("nan")
    page = Page(render(report))
    drawn = [value for name in ("d", "cx", "cy", "x", "y") for value in page.attributes(name)]
    assert drawn
    assert not any("nan" in value for value in drawn)


def paths(value: Any, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every key of a JSON value; of a list, to its last entry only."""
    children = list(value) if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        children = [len(value) - 1]
    for key in children:
        yield (*trail, key)
        yield from paths(value[key], (*trail, key))


@pytest.mark.parametrize("study", [example.finished, segmented.finished])
def test_any_missing_or_empty_key_still_gives_a_page(study: Any) -> None:
    whole = study()
    whole["candidates"] = whole["candidates"][-3:]
    for candidate in whole["candidates"]:
        candidate["curve"] = candidate["curve"][:2]
    trails = list(paths(whole))
    assert len(trails) > 100
    for *trail, key in trails:
        for change in ("missing", "null"):
            report = copy.deepcopy(whole)
            parent: Any = report
            for step in trail:
                parent = parent[step]
            if change == "missing":
                del parent[key]
            else:
                parent[key] = None
            assert "<h1>" in render(report), f"{[*trail, key]} {change}"


def test_a_segmentation_speaks_of_nothing_that_belongs_to_classification() -> None:
    page = Page(render(segmented.finished()))
    words = " ".join(page.words[page.words.index("unet:resnet18 on nuclei") :])
    for foreign in ("AUPRC", "auprc", "AUROC", "Images per class", "Balanced accuracy", "kappa"):
        assert foreign not in words
    for said in ("Test Dice", "Test Jaccard, pooled", "Validation Dice of every truncation point", "val jaccard"):
        assert said in words
    assert "HD95: 95th-percentile Hausdorff distance" in words
    assert "the decoder is shortened with it" in words


def test_a_distance_has_its_unit_wherever_it_stands() -> None:
    words = Page(render(segmented.finished())).words
    at = words.index("Test HD95")
    assert words[at + 1 : at + 6] == ["lower is better", "5.22 px", "4.18 to 6.79 px", "5.40 px", "4.32 to 7.02 px"]
    assert words[at + 6] == "\u22120.18 px"


def test_plots_follow_the_metric() -> None:
    study = segmented.finished()
    assert "layer3.1: 0.922" in plot("depth", study).words
    assert "validation Dice by epoch" in plot("curve-metric", study).words
    assert "Dice" in plot("looks", study).words
    study["metric"] = "hd95"
    assert "validation HD95, px" in plot("depth", study).words
    assert "layer3.1: 4.68 px" in plot("depth", study).words


def test_the_encoder_and_the_decoder_have_their_shares_of_a_u_net() -> None:
    words = Page(render(segmented.finished())).words
    at = words.index("encoder 65%") - 1
    assert words[at] == "2.47 M"  # 1 602 112 of the encoder and 863 360 of the decoder
    assert words[at + 1 : at + 3] == ["encoder 65%", "decoder 35%"]
    assert words.count("encoder 65%") == 2  # of candidates and of all points
    assert "encoder" not in " ".join(Page(render(example.finished())).words)


def test_a_segmentation_counts_the_images_that_hold_a_class_and_its_pixels() -> None:
    words = Page(render(segmented.finished())).words
    at = words.index("debris", words.index("Share of pixels"))
    assert words[at : at + 6] == ["debris", "31", "8", "9", "48", "0.78%"]
    assert words[at + 6 : at + 11] == ["images", "76", "20", "24", "120"]
    said = "In how many images each class occurs, by split, and its share of the labelled pixels."
    assert any(word.startswith(said) for word in words)


def test_of_several_labels_an_image_no_sum_is_invented() -> None:
    study = example.finished()
    study["task"]["kind"] = "multilabel"
    del study["curves"]
    words = Page(render(study)).words
    assert "In how many images each class occurs, by split. An image may hold several." in words
    assert words[words.index("pneumonia") :].count("854") == 1
    assert str(316 + 854) not in " ".join(words).replace("\u202f", "")


def test_write_report_puts_the_page_beside_the_json(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(example.finished()), encoding="utf-8")
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render(example.finished())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"report\.json does not exist: give the folder of a `ttl run` or `ttl search`\."),
        ("{", r"report\.json is not JSON \(.*\): run the command that made it again\."),
        ("[]", r"report\.json holds a list, not an object: run the command again\."),
        (
            '{"schema": 9}',
            r"report\.json has schema 9, and this ttl reads schema 1: use the ttl that wrote it\.",
        ),
    ],
)
def test_a_report_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
