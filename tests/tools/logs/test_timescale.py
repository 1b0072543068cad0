"""The waterfall's scale."""

import pytest

from lambda_guard.tools.logs.traces.timescale import Timescale


def test_knots_tell_the_time_of_each_place():
    """Between two of them time passes evenly, and every second stretch is a fold: the page's zoom needs no more."""
    scale = Timescale([(1_000.0, 1_400.0), (9_000.0, 9_600.0)])
    knots = scale.knots
    assert [ms for _, ms in knots] == [0.0, 400.0, 8_000.0, 8_600.0]
    assert [place for place, _ in knots] == pytest.approx([0.0, 0.376, 0.436, 1.0])
    assert [scale.place(1_000.0 + ms) for _, ms in knots] == pytest.approx([place for place, _ in knots])
    (fold,) = scale.folds
    assert (fold.begin, fold.end) == (knots[1][0], knots[2][0])
    assert Timescale([]).knots == [(0.0, 0.0), (0.0, 0.0)]
