"""Every public name of `metrics` and of a single metric, with hostile values: the handler goes on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import metrics

from .both import run_ours
from .test_logger import HOSTILE, public, with_values


def single():
    """Return a metric by itself."""
    return metrics.single_metric("Refunds", "Count", 1)


NAMES = [
    pytest.param(make, name, id=f"{label}.{name}")
    for label, make in (("metrics", lambda: metrics), ("single", single))
    for name in sorted(public(dir(make())))
]


@pytest.mark.parametrize(("make", "name"), NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_nothing_raises_whatever_it_is_given(make, name, data):
    """Methods are called, properties read and set where they can be; the metric after it is published."""
    either = make()
    found = getattr(either, name)
    args, kwargs = with_values(found, data) if callable(found) else ([data.draw(HOSTILE)], {})

    def handler(event, context):
        settable = getattr(getattr(type(either), name, None), "fset", None) is not None
        if callable(found):
            found(*args, **kwargs)
        elif settable:
            setattr(either, name, args[0])
        metrics.namespace = metrics.service = None
        metrics.add_metric("Last", "Count", 1)
        return "answer"

    captured, answer = run_ours(handler)
    assert answer == "answer"
    assert captured.record["outcome"] == "success"
    assert any("Last" in line for line in captured.lines)
