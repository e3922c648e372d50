"""`ttl.search` and the other public names, as Python code uses them."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

import ttl
from toy_networks import TinyResNet
from toy_runs import STEPS, tiny
from ttl.cut.points import TruncationPoint
from ttl.errors import RunFolderError, UsageError
from ttl.run import run
from ttl.run.events import TrialDone


def test_a_search_with_an_evaluate_of_ones_own() -> None:
    tried: list[str] = []

    def evaluate(point: TruncationPoint) -> float:
        tried.append(point.name)
        return -abs(point.index - 2)

    found = ttl.search(None, TinyResNet(), image_size=32, evaluate=evaluate)
    assert found.point.name == "stage1.0"
    assert tried == ["stage1.1", "stage2.1", "stem", "stage1.0", "stage2.0"]


@pytest.mark.parametrize("strategy", [None, "two-stage", "probe", "svcca"])
def test_a_search_on_a_task_is_that_of_the_command_line(tmp_path: Path, strategy: str | None) -> None:
    asked = {"strategy": strategy} if strategy else {}
    report = run(tiny(tmp_path, **{"strategy": "joint", **asked}), deliver=False).report
    backbone = ttl.load_backbone("test_resnet", weights="none", image_size=32)
    spec = backbone.spec
    result = ttl.search(
        ttl.load_task("digits:0-1"),
        backbone.model,
        image_size=32,
        mean=spec.mean,
        std=spec.std,
        interpolation=spec.interpolation,
        epochs=1,
        **STEPS,
        threads=1,
        **asked,
    )
    assert report.chosen is not None
    assert (result.point.name, result.reason) == (report.chosen.cut, report.search.reason)
    scores = {candidate.cut: report.validation(candidate).value for candidate in report.candidates}
    assert result.scores.items() <= scores.items()  # the whole network may be fine-tuned after it, to compare with


def test_a_search_goes_on_in_its_folder(tmp_path: Path) -> None:
    task, model, events = ttl.load_task("digits:0-1"), TinyResNet(), []
    options = {"image_size": 16, "epochs": 1, "out": tmp_path, "strategy": "two-stage"}
    first = ttl.search(task, model, **options)
    again = ttl.search(task, model, **options, watch=events.append)
    assert again == first
    assert all(event.reused for event in events if isinstance(event, TrialDone))
    with torch.no_grad():
        next(model.parameters()).add_(1)
    with pytest.raises(RunFolderError, match="the weights themselves"):
        ttl.search(task, model, **options)


def test_points_may_be_left_out(tmp_path: Path) -> None:
    points = ttl.truncation_points(TinyResNet(), image_size=16)
    options = {"image_size": 16, "epochs": 1, "strategy": "exhaustive", **STEPS}
    result = ttl.search(ttl.load_task("digits:0-1"), TinyResNet(), points=points[:2], **options)
    assert set(result.scores) == {points[0].name, points[1].name}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_sise": 3}, "batch_sise is 3, and is no option"),
        ({"batch_size": "many"}, "batch_size is 'many', and should be a whole number"),
        ({"recipe": "fc-bn-rnd"}, "begins with random weights: give a model that has them"),
        ({"strategy": "none"}, "strategy is 'none'"),
        ({"evaluate": lambda point: 0.0, "epochs": 3}, "nothing is fine-tuned here: leave out epochs"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ttl.search(ttl.load_task("digits:0-1"), TinyResNet(), image_size=16, **options)


def test_a_search_needs_a_task_or_scores() -> None:
    with pytest.raises(UsageError, match="needs a task"):
        ttl.search(None, TinyResNet(), image_size=16)
    with pytest.raises(UsageError, match="needs"):
        ttl.search(None, TinyResNet(), image_size=16, strategy="probe", evaluate=lambda point: 0.0)


def test_search_is_a_function_and_a_package() -> None:
    assert importlib.import_module("ttl.search.strategies.two_stage").two_stage
    assert callable(ttl.search)


def test_every_public_name_is_there() -> None:
    for name in ttl.__all__:
        assert getattr(ttl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ttl.nonsense


@pytest.mark.parametrize(
    "module", ["ttl.cut.truncation", "ttl.networks.pretrained", "ttl.run.library", "ttl.data.read_task"]
)
def test_the_examples_in_the_docstrings_work(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0
