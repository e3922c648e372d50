"""When a fine-tune is said to be no better than a constant prediction."""

from __future__ import annotations

from math import nan

import pytest

from ttl.study.undertrained import Undertrained


def judged(log_loss: float, error: float) -> Undertrained:
    return Undertrained(log_loss=log_loss, constant=0.693, error=error, spread=3.0, falling=False)


@pytest.mark.parametrize(
    ("log_loss", "error", "blocks"),
    [
        (0.680, 0.020, True),  # 2 % lower, and within chance
        (0.680, 0.010, False),
        (0.688, 0.001, True),  # lower beyond chance, by less than 1 %
        (0.500, 0.050, False),
        (0.500, 0.200, True),
        (0.680, nan, False),  # of too few images to know an error, the 1 % alone decides
        (0.690, nan, True),
        (nan, nan, True),
    ],
)
def test_a_loss_must_be_lower_than_a_constant_guess_by_its_error_and_by_a_hundredth(
    log_loss: float, error: float, blocks: bool
) -> None:
    assert judged(log_loss, error).blocks is blocks


def test_the_sentence_has_the_error_where_there_is_one() -> None:
    assert "(0.6930, standard error of the difference 0.0200)" in judged(0.68, 0.02).words()
    assert "(0.6930);" in judged(0.69, nan).words()
    assert judged(0.5, 0.02).words() == ""
