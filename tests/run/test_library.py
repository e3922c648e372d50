from __future__ import annotations

import doctest
import importlib

import pytest

import ttl
from toy_networks import TinyResNet
from ttl.cut.points import TruncationPoint


def test_a_search_with_an_evaluate_of_ones_own() -> None:
    tried: list[str] = []

    def evaluate(point: TruncationPoint) -> float:
        tried.append(point.name)
        return -abs(point.index - 2)

    found = ttl.search(None, TinyResNet(), image_size=32, evaluate=evaluate)
    assert found.point.name == "stage1.0"
    assert tried == ["stage1.1", "stage2.1", "stem", "stage1.0", "stage2.0"]


def test_a_search_on_a_task() -> None:
    task = ttl.load_task("digits:0-1")
    found = ttl.search(task, TinyResNet(), image_size=16, epochs=1)
    assert set(found.scores) >= {"stage1.1", "stage2.1"}


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
