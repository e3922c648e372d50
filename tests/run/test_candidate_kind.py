"""A kind of candidate is added by a class and a row: from the run to the report, the bundle and another export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from toy_runs import content_of, tiny
from ttl.config import RunConfig
from ttl.cut.head import HEAD, HeadSpec
from ttl.cut.network import Network
from ttl.errors import RunFolderError
from ttl.export.bundle import load_bundle
from ttl.export.options import ExportConfig
from ttl.run import check, export, prepare, run
from ttl.search.candidates import CANDIDATES, Cut
from ttl.study.candidate import Definition


@dataclass(frozen=True)
class Narrow(Cut):
    """A cut whose head goes through a few channels."""

    width: int = 4

    @property
    def name(self) -> str:
        return f"{self.point.name}/{self.width}"

    def definition(self) -> Definition:
        return {**super().definition(), "width": self.width}

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
    assert chosen.cut.endswith("/4")
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
    with pytest.raises(RunFolderError, match="doesn't fit"):
        load_bundle(tmp_path / "trials" / chosen.trial)
