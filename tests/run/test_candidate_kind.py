"""A kind of candidate is added by a class and a row: from the run to the report, the bundle and another export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from toy_candidates import cuts
from toy_runs import POINTS, content_of, tiny
from ttl.config import RunConfig
from ttl.cut.head import HEAD, HeadSpec
from ttl.cut.network import Network
from ttl.errors import RunFolderError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.run import check, export, prepare, run
from ttl.search.candidates import CANDIDATES, Cut, described
from ttl.search.evidence import overlap
from ttl.study.candidate import Candidate, Definition


@dataclass(frozen=True)
class Narrow(Cut):
    """A cut whose head goes through a few channels."""

    width: int = 4

    @property
    def name(self) -> str:
        return f"{self.width} wide from {self.point.name}"

    def definition(self) -> Definition:
        return {**super().definition(), "width": self.width}

    def take_over(self, model: nn.Module, state: Mapping[str, Any], start: Candidate) -> None:
        model.load_state_dict({k: v for k, v in state.items() if k in model.state_dict()}, strict=False)

    def build_on(self, backbone: nn.Module, head: HeadSpec, seed: int = 0) -> nn.Module:
        model = super().build_on(backbone, head, seed)
        last = model.get_submodule(HEAD)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            last.fc = nn.Sequential(nn.Linear(last.fc.in_features, self.width), nn.Linear(self.width, head.outputs))
        return model


def narrowed(affordable: Callable[[Network, RunConfig], tuple[Cut, ...]]) -> Callable[..., tuple[Cut, ...]]:
    def candidates(network: Network, config: RunConfig) -> tuple[Cut, ...]:
        *smaller, whole = affordable(network, config)
        return (*(Narrow(cut.network, cut.point) for cut in smaller), whole)

    return candidates


def test_a_kind_of_candidate_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CANDIDATES, "narrow", Narrow)
    monkeypatch.setattr(prepare, "affordable", narrowed(prepare.affordable))
    # An untrained network: nothing separates its candidates, so the margin lets the smallest through.
    config = tiny(tmp_path, strategy="exhaustive", margin=0.99)
    finished = run(config)
    chosen = finished.report.chosen
    assert chosen is not None
    assert (chosen.cut, chosen.point) == ("4 wide from maxpool", "maxpool")
    assert [each.cut for each in finished.report.candidates][-1] == "layer4.0"
    assert run(config).trained == 0
    model, bundle = load_bundle(tmp_path / "trials" / chosen.trial)
    assert bundle.contract.provenance.cut == chosen.cut
    assert isinstance(model.get_submodule(HEAD).fc, nn.Sequential)
    assert bundle.candidate == {"kind": "narrow", "width": 4}
    (record,) = export(tmp_path, ExportConfig(precision=("fp16",), margin=0.99))
    assert record.state == "passed"
    assert all(each.state != "damaged" for each in check(tmp_path))
    assert chosen.cut in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert content_of(tmp_path)["chosen"]["index"] == finished.report.points[chosen.index - 1].index

    monkeypatch.delitem(CANDIDATES, "narrow")
    with pytest.raises(RunFolderError, match="candidate that this ttl can't make"):
        load_bundle(tmp_path / "trials" / chosen.trial)


@pytest.mark.parametrize("strategy", ["probe", "joint", "svcca"])
def test_a_look_at_points_is_of_the_candidates_there(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CANDIDATES, "narrow", Narrow)
    monkeypatch.setattr(prepare, "affordable", narrowed(prepare.affordable))
    monkeypatch.setattr(overlap, "OVERLAP", 0.0)  # of an untrained network no distributions overlap
    report = run(tiny(tmp_path, strategy=strategy, epochs=2, margin=0.99), deliver=False).report
    tried = [(each.cut, each.point) for each in report.candidates]
    assert len(tried) == 2
    assert tried[0][0] == f"4 wide from {tried[0][1]}"
    assert tried[1] == ("layer4.0", None)
    looks = {"probe": report.probe, "joint": report.joint, "svcca": report.svcca.points}[strategy]
    assert [look.cut for look in looks] == POINTS


def test_a_kind_without_a_row_is_named() -> None:
    with pytest.raises(TypeError, match="Narrow has no row"):
        described(Narrow("tiny", cuts()[0].point))
