"""What the chosen and the whole network decide on the test images, each by its own rule."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from ttl.report.schema.decided import AtPoint, Decisions, Endpoint
from ttl.run.endpoint import Decided, counts, endpoint, rates, rates_by_label
from ttl.run.setting import RunSetting
from ttl.stats import intervals
from ttl.study.tested import Tested


def decisions(setting: RunSetting, tested: Mapping[str, Tested]) -> Decisions:
    """Of the network `full`, and of `chosen` where that is another one."""
    if setting.kind.per_pixel:
        points = {network: _of_masks(setting, of) for network, of in tested.items()}
        full, chosen = points["full"], points.get("chosen")
        return Decisions(split="test", units=len(setting.task.test), prevalence=nan, full=full, chosen=chosen)
    decided = {network: decided_on(setting, of) for network, of in tested.items()}
    whole, found = decided["full"], None
    if "chosen" in decided:
        made = endpoint(decided["chosen"], whole, margin=setting.margin_decision, seed=setting.config.seed)
        found = Endpoint(metric=made.metric, margin=made.margin, non_inferior=made.shown, difference=made.difference)
    one_finding = whole.has_threshold and whole.truth.ndim == 1
    return Decisions(
        split="test",
        units=len(whole.truth),
        prevalence=float(whole.truth.mean()) if one_finding else nan,
        assumed_prevalence=setting.config.prevalence if whole.has_threshold else None,
        endpoint=found,
        full=_at_point(setting, whole),
        chosen=_at_point(setting, decided["chosen"]) if "chosen" in decided else None,
    )


def decided_on(setting: RunSetting, tested: Tested) -> Decided:
    """What a tested network decides, by its rule."""
    task, judged = setting.task, setting.judged("test", tested.rows)
    return Decided.of(task.kind, task.class_names, judged.labels, judged.rows, judged.groups, tested.rule)


def _at_point(setting: RunSetting, decided: Decided) -> AtPoint:
    names, config = setting.task.class_names, setting.config
    return AtPoint(
        rule=decided.rule,
        words=decided.rule.words(names),
        rates=rates(decided, prevalence=config.prevalence, seed=config.seed),
        counts=counts(decided),
        by_label=rates_by_label(decided, names),
    )


def _of_masks(setting: RunSetting, tested: Tested) -> AtPoint:
    """Masks are decisions already: their metric is that at the point."""
    test, metric = setting.task.test, setting.metric
    found = intervals(
        setting.kind, test.labels, tested.rows, names=(metric,), groups=test.groups, seed=setting.config.seed
    )
    return AtPoint(rule=tested.rule, words=tested.rule.words(setting.task.class_names), rates=found)
