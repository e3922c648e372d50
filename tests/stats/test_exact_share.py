from __future__ import annotations

from math import isnan

import pytest

from ttl.stats import clopper_pearson


@pytest.mark.parametrize("n", [5, 40])
def test_at_the_ends_the_limits_have_a_closed_form(n: int) -> None:
    none, all_of_them = clopper_pearson(0, n), clopper_pearson(n, n)
    assert (none.value, none.ci_low, none.ci_high) == pytest.approx((0, 0, 1 - 0.025 ** (1 / n)))
    assert (all_of_them.value, all_of_them.ci_low, all_of_them.ci_high) == pytest.approx((1, 0.025 ** (1 / n), 1))


def test_of_one_hit_the_lower_limit_has_one_too() -> None:
    """At it, one hit or more has a chance of 2.5 %: 1 - (1 - p)^n."""
    assert clopper_pearson(1, 10).ci_low == pytest.approx(1 - 0.975**0.1)


def test_of_no_samples_nothing_is_known() -> None:
    found = clopper_pearson(0, 0)
    assert isnan(found.value)
    assert isnan(found.ci_low)
    assert isnan(found.ci_high)
