"""Strategies that look at all candidates at once and then fine-tune the one that the curve speaks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttl.search.candidates import Cut
from ttl.search.evidence.curve import Evidence, one_standard_error
from ttl.search.evidence.overlap import first_overlap
from ttl.search.strategy import Batch, Chooser, Strategy


def joint(candidates: Sequence[Cut], choose: Chooser, evidence: Mapping[str, Evidence]) -> Strategy:
    """One fine-tune of the whole network with a head at every point gives the whole curve at once.

    The candidate that it speaks for goes on from there where it can, beside the highest one to compare it with.

    Args:
        candidates: lowest first.
        choose: picks between the two.
        evidence: `joint`: how well each head does on the validation images.
    """
    curve, top = evidence["joint"](), candidates[-1]
    picked = one_standard_error(candidates, curve)
    scores = {} if picked is top else (yield Batch("joint", (picked,), start=curve.start))
    scores |= yield Batch("whole", (top,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("the heads of the joint network", picked, len(candidates))


def probe(candidates: Sequence[Cut], choose: Chooser, evidence: Mapping[str, Evidence]) -> Strategy:
    """A linear classifier on frozen features at every point, from one pass of the pretrained network.

    Frozen features undersell the upper blocks, which fine-tuning adapts most: the curve is a prior, no verdict.

    Args:
        candidates: lowest first.
        choose: picks between the one that the curve speaks for and the highest.
        evidence: `probe`.
    """
    picked = one_standard_error(candidates, evidence["probe"]())
    tried = [picked] if picked is candidates[-1] else [picked, candidates[-1]]
    scores = yield Batch("probe", tuple(tried))
    return choose(tried, scores).after("the probe", picked, len(candidates))


def svcca(candidates: Sequence[Cut], choose: Chooser, evidence: Mapping[str, Evidence]) -> Strategy:
    """Fine-tune the whole network, then the cut where what it learned comes to overlap with chance.

    Peng et al. 2023, C.1.

    Args:
        candidates: lowest first.
        choose: picks between the two.
        evidence: `svcca`: how far each candidate's features, before and after the highest one's fine-tune, overlap
            with random ones.
    """
    top = candidates[-1]
    scores = yield Batch("whole", (top,))
    picked = first_overlap(candidates, evidence["svcca"]())
    if picked is not top:
        scores |= yield Batch("svcca", (picked,))
    tried = [top] if picked is top else [picked, top]
    return choose(tried, scores).after("SVCCA", picked, len(candidates))
