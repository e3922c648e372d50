"""Strategies that look at all candidates at once and then fine-tune the one that the curve speaks for.

Each takes the candidates, lowest first; a chooser, which picks between that one and the highest; and its evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from ttl.search.evidence.curve import Evidence, one_standard_error
from ttl.search.evidence.overlap import first_overlap
from ttl.search.strategy import Batch, Chooser, Strategy
from ttl.study.candidate import Candidate


def joint(candidates: Sequence[Candidate], choose: Chooser, evidence: Evidence) -> Strategy:
    """One fine-tune of the whole network with a head at every point gives the whole curve at once: how well each head
    does on the validation images.

    The candidate that it speaks for goes on from there where it can, beside the highest one to compare it with.
    """
    curve, top = evidence(), candidates[-1]
    picked = one_standard_error(candidates, curve)
    scores = {} if picked is top else (yield Batch("joint", (picked,), start=curve.start))
    scores |= yield Batch("whole", (top,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("the heads of the joint network", picked, len(candidates))


def probe(candidates: Sequence[Candidate], choose: Chooser, evidence: Evidence) -> Strategy:
    """A linear classifier on frozen features at every point, from one pass of the pretrained network.

    Frozen features undersell the upper blocks, which fine-tuning adapts most: the curve is a prior, no verdict.
    """
    picked = one_standard_error(candidates, evidence())
    tried = [picked] if picked is candidates[-1] else [picked, candidates[-1]]
    scores = yield Batch("probe", tuple(tried))
    return choose(tried, scores).after("the probe", picked, len(candidates))


def svcca(candidates: Sequence[Candidate], choose: Chooser, evidence: Evidence) -> Strategy:
    """Fine-tune the whole network, then the cut where what it learned comes to overlap with chance: how far each
    candidate's features, before and after that fine-tune, overlap with random ones (Peng et al. 2023, C.1).
    """
    top = candidates[-1]
    scores = yield Batch("whole", (top,))
    picked = first_overlap(candidates, evidence())
    if picked is not top:
        scores |= yield Batch("svcca", (picked,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("SVCCA", picked, len(candidates))
