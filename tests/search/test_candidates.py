"""The kinds of candidates on a tiny network: what they are called, cost, build, and go on from."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from toy_candidates import cuts
from toy_networks import TinyResNet
from ttl.cut.head import HEAD, HeadSpec
from ttl.cut.network import Network
from ttl.cut.points import truncation_points
from ttl.data import load_task
from ttl.networks.spec import InputSpec
from ttl.networks.weights import WeightsReport
from ttl.search.candidates import Joint
from ttl.stats import ALL_METRICS
from ttl.study.candidate import Candidate, Costs
from ttl.study.trial import Trial, trial_id

CUT = cuts()[1]
JOINT = Joint("tiny", tuple(cut.point for cut in cuts()))
HEADS = HeadSpec(outputs=2, dropout=0.5)


@pytest.fixture(scope="module")
def network() -> Network:
    model = TinyResNet().eval()
    spec = InputSpec((16, 16), (0.0,) * 3, (1.0,) * 3, "bilinear")
    return Network("tiny", model, spec, WeightsReport("none", 0), truncation_points(model, image_size=16))


@pytest.mark.parametrize("candidate", [CUT, JOINT], ids=["cut", "joint"])
def test_it_is_plain_data_with_a_name_of_its_own(candidate: Candidate) -> None:
    assert pickle.loads(pickle.dumps(candidate)) == candidate
    assert candidate.network == "tiny"
    assert candidate.notes == ()
    assert len({candidate, replace(candidate, network="other")}) == 2  # type: ignore[type-var]


def test_a_cut_is_its_point() -> None:
    point = CUT.point
    assert (CUT.name, CUT.top, CUT.costs) == (point.name, point, Costs(point.params, point.macs))
    assert CUT.can_be_chosen
    assert (CUT.epochs(7), CUT.epochs(None)) == (7, None)


@pytest.mark.parametrize("ordinal", [True, False])
def test_its_figures_hold_a_kappa_where_the_classes_are_ordered(ordinal: bool) -> None:
    task = load_task("digits:0-2", ordinal=ordinal)
    rows = np.eye(3)[task.val.labels] * 0.7 + 0.1
    figures = CUT.figures(task, rows, seed=0)
    assert set(figures.val) == {*ALL_METRICS} - (set() if ordinal else {"kappa"})


def test_the_joint_network_only_looks_and_has_half_of_the_epochs() -> None:
    top = cuts()[-1].point
    assert (JOINT.top, JOINT.costs) == (top, Costs(top.params, top.macs))
    assert not JOINT.can_be_chosen
    assert [JOINT.epochs(cap) for cap in (None, 1, 7, 8)] == [None, 1, 4, 4]


def test_the_names_of_their_trials_never_change() -> None:
    """Changing one would orphan every trial on people's disks."""
    trials = (Trial(CUT, 0), Trial(CUT, 1), Trial(CUT, 0, start=JOINT), Trial(JOINT, 0), Trial(JOINT, 0, epochs=3))
    names = [trial_id(trial.definition()) for trial in trials]
    assert names == ["0aff42e2c730", "f2d50deba97d", "39397ab8c8a2", "e3efd3e9e8a2", "e3efd3e9e8a2"]
    assert names[-1] == names[-2]  # how far it is to go is no part of what it is


def test_what_they_build_has_heads_where_they_say(network: Network) -> None:
    images = torch.zeros(2, 3, 16, 16)
    assert CUT.build(network, HEADS, 0)(images).shape == (2, 2)
    assert JOINT.build(network, HEADS, 0)(images).shape == (2, 5, 2)


def test_a_cut_goes_on_from_the_joint_network_with_the_head_it_learned_there(network: Network) -> None:
    joint = JOINT.build(network, HEADS, 0)
    with torch.no_grad():
        for parameter in joint.parameters():
            parameter.add_(0.1)
    for number, cut in enumerate(cuts()):
        model = cut.build(network, HEADS, 9)
        cut.take_over(model, joint.state_dict(), JOINT)
        images = torch.randn(2, 3, 16, 16)
        assert torch.equal(model.eval()(images), joint.eval()(images)[:, number])
        assert model.get_submodule(HEAD) is not joint.get_submodule(f"{HEAD}.{number}")


def test_nothing_else_is_gone_on_from(network: Network) -> None:
    with pytest.raises(TypeError, match="a cut goes on from a joint network, not from Cut"):
        CUT.take_over(nn.Identity(), {}, CUT)
    with pytest.raises(TypeError, match="Joint goes on from no other candidate, and not from Cut"):
        JOINT.take_over(nn.Identity(), {}, CUT)
    with pytest.raises(KeyError):
        CUT.take_over(CUT.build(network, HEADS, 0), {}, JOINT)


def test_another_kind_needs_no_more_than_what_is_its_own() -> None:
    @dataclass(frozen=True)
    class Tail(Candidate):
        width: float

        @property
        def name(self) -> str:
            return f"tail at {self.width}"

    tail = Tail("tiny", 0.5)
    assert (tail.notes, tail.can_be_chosen, tail.epochs(3)) == ((), True, 3)
    with pytest.raises(TypeError, match="Tail goes on from no other candidate"):
        tail.take_over(nn.Identity(), {}, CUT)
