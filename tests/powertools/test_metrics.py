"""Powertools' Metrics and `lambda_guard.metrics`, side by side: CloudWatch gets the same."""

import datetime as dt
import warnings

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricResolution, MetricUnit
from aws_lambda_powertools.metrics import single_metric as powertools_single_metric
from aws_lambda_powertools.metrics.base import SingleMetric
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import metrics
from lambda_guard.testing import capture, make_context

from .both import printed, published, run_ours

further_sets = pytest.mark.skipif(
    not hasattr(Metrics, "add_dimensions"),
    reason="this Powertools has no further sets of dimensions to compare with",
)


def in_both_ways(code, *, namespace="ServerlessAirline", service="booking"):
    """Run `code(metrics)` under Powertools' `log_metrics`, and under our decorator; return what each published."""
    theirs = Metrics(provider=EphemeralMetrics(namespace=namespace, service=service))
    theirs.metric_set, theirs.dimension_set = theirs.provider.metric_set, theirs.provider.dimension_set
    theirs.metadata_set, theirs.default_dimensions = theirs.provider.metadata_set, {}
    decorated = theirs.log_metrics(lambda event, context: code(theirs))
    captured, _ = run_ours(lambda event, context: code(metrics), namespace=namespace, service=service)
    return published(printed(lambda: decorated({}, make_context()))), published(captured.lines)


NAMES = st.sampled_from(["country", "tier", "service", "Ä"])
VALUES = st.sampled_from(["SE", "DE", " spaced ", "7"])
SETS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("add_dimension"), st.tuples(NAMES, VALUES | st.just(" ")), st.just({})),
    st.tuples(
        st.just("add_dimensions"), st.just(()), st.dictionaries(NAMES, VALUES | st.just("  "), max_size=3)
    ),
    st.tuples(st.just("set_default_dimensions"), st.just(()), SETS),
    st.tuples(st.just("clear_default_dimensions"), st.just(()), st.just({})),
    st.tuples(
        st.just("add_metric"),
        st.tuples(st.sampled_from(["Orders", "Refunds"]), st.just("Count"), st.integers(0, 3)),
        st.just({}),
    ),
    st.tuples(st.just("flush_metrics"), st.just(()), st.just({})),
    st.tuples(st.just("clear_metrics"), st.just(()), st.just({})),
)


@further_sets
@settings(max_examples=3 * settings.default.max_examples)
@given(steps=st.lists(STEPS, max_size=10))
def test_random_calls_publish_the_same(steps):
    """Over random calls: the very dimension sets and values that Powertools makes."""

    def code(either):
        for name, args, options in steps:
            getattr(either, name)(*args, **options)
        either.add_metric("Last", "Count", 1)

    theirs, ours = in_both_ways(code)
    assert ours == theirs


@further_sets
def test_a_booking(  # https://docs.powertools.aws.dev/lambda/python/latest/core/metrics/#creating-metrics
):
    """Creating metrics, several values, high resolution, dimensions, a timestamp and metadata."""

    def code(either):
        either.set_default_dimensions(environment="prod", another="one")
        either.add_metric(name="SuccessfulBooking", unit=MetricUnit.Count, value=1)
        either.add_metric(
            name="SuccessfulBooking",
            unit=MetricUnit.Count,
            value=2,
            resolution=MetricResolution.Standard,
        )
        either.add_metric("Latency", MetricUnit.Milliseconds, 12.5, MetricResolution.High)
        either.add_dimension(name="operation", value="confirm_booking")
        either.add_dimensions(region="us-east-1", cell=7)
        either.add_metadata(key="booking_id", value="booking_uuid")
        either.set_timestamp(dt.datetime.now(tz=dt.UTC))

    theirs, ours = in_both_ways(code)
    assert ours == theirs
    assert len(ours) == 6


def test_a_metric_by_itself():  # https://docs.powertools.aws.dev/lambda/python/latest/core/metrics/#working-with-different-dimensions
    """`single_metric` takes the same calls, and only its first metric counts."""

    def code(metric):
        metric.add_dimension(name="function_context", value="$LATEST")
        metric.add_metadata(key="build", value=7)
        metric.add_metric(name="Another", unit="Count", value=9)
        metric.set_timestamp(dt.datetime.now(tz=dt.UTC))
        assert list(metric.metric_set) == ["ColdStart"]

    arguments = {
        "name": "ColdStart",
        "unit": MetricUnit.Count,
        "value": 1,
        "namespace": "ServerlessAirline",
        "default_dimensions": {"environment": "prod"},
    }

    def run_theirs():
        with powertools_single_metric(**arguments) as metric:
            code(metric)

    def run(event, context):
        with metrics.single_metric(**arguments) as metric:
            code(metric)

    captured, _ = run_ours(run, service="booking")
    # Powertools takes the service from its variable alone.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POWERTOOLS_SERVICE_NAME", "booking")
        theirs = published(printed(run_theirs))
    assert published(captured.lines) == theirs


def public(names):
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_is_there():
    """What Powertools' `Metrics` and its single metric have, ours have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = public(dir(Metrics(namespace="A")))
        single = public(dir(SingleMetric(namespace="A")))
    ours = metrics.single_metric("A", "Count", 1)
    ours.clear_metrics()
    assert theirs - public(dir(metrics)) == set()
    assert single - public(dir(ours)) == set()


@further_sets
def test_the_sets_look_the_same():
    """`metric_set`, `dimension_set`, `metadata_set`, `default_dimensions` and the serialized document."""
    moment = dt.datetime.now(tz=dt.UTC)

    def code(either):
        either.set_default_dimensions(environment="prod")
        either.add_metric("SuccessfulBooking", MetricUnit.Count, 1)
        either.add_metric("SuccessfulBooking", MetricUnit.Count, 2)
        either.add_metric("Latency", "Milliseconds", 3, 1)
        either.add_dimensions(country="SE")
        either.add_metadata("booking", {"id": 7})
        either.set_timestamp(moment)
        document = either.serialize_metric_set()
        for directive in document["_aws"]["CloudWatchMetrics"]:
            directive["Dimensions"] = [sorted(each) for each in directive["Dimensions"]]
        seen.append(
            (
                either.namespace,
                either.service,
                {name: dict(metric) for name, metric in either.metric_set.items()},
                dict(either.dimension_set),
                dict(either.metadata_set),
                dict(either.default_dimensions),
                document,
                either.provider.namespace,
            )
        )

    seen = []
    in_both_ways(code)
    theirs, ours = seen
    assert ours == theirs


def test_a_document_of_what_is_given():
    """`serialize_metric_set` takes Powertools' dicts in the place of what was added."""

    def code(either):
        document = either.serialize_metric_set(
            metrics={"A": {"Unit": "Count", "StorageResolution": 60, "Value": [1.0, 2.0]}},
            dimensions={"service": "booking", "b": "c"},
            metadata={"d": 1},
        )
        document["_aws"].pop("Timestamp")
        seen.append(document)
        either.add_metric("Else", "Count", 1)

    seen = []
    in_both_ways(code)
    theirs, ours = seen
    assert ours == theirs


def test_log_metrics_hands_the_handler_back():
    """With and without options: the handler is the same, the default dimensions hold, and a WARNING says what to delete."""

    def handler(event, context):
        metrics.add_metric("Orders", "Count", 1)
        return "done"

    with capture() as captured:
        assert metrics.log_metrics(handler) is handler
        decorate = metrics.log_metrics(
            capture_cold_start_metric=True, raise_on_empty_metrics=True, default_dimensions={"env": "prod"}
        )
        assert decorate(handler) is handler
        assert metrics.default_dimensions == {"env": "prod"}
    first, second = [line["message"] for line in captured.logs if line["level"] == "WARNING"]
    assert "delete @metrics.log_metrics above handler" in first
    assert "ColdStarts" in second
    metrics.clear_default_dimensions()


def test_namespace_and_service_can_be_set():
    """As with Powertools, for what is begun from then on; anything but text is said, and nothing is raised."""

    def handler(event, context):
        metrics.namespace = 7
        metrics.namespace, metrics.service = "Shop", "tills"
        metrics.add_metric("Orders", "Count", 1)

    captured, _ = run_ours(handler, namespace="Else", service="else")
    ((namespace, dimensions, *_),) = published(captured.lines)
    assert (namespace, dimensions) == ("Shop", frozenset({("service", "tills")}))
    assert captured.record["service"] == "else"


def test_what_fails_in_powertools_is_a_warning_here():
    """Nothing to flush, a metric document without metrics: the handler's answer stands."""

    def handler(event, context):
        assert metrics.serialize_metric_set() == {}
        metrics.flush_metrics(raise_on_empty_metrics=True)
        assert metrics.metric_set == {}
        return "done"

    captured, answer = run_ours(handler)
    assert answer == "done"
    assert ["no metric was added" in line["message"] for line in captured.logs] == [True]
    with capture():
        assert metrics.serialize_metric_set() == {}
        assert metrics.metric_set == metrics.dimension_set == metrics.metadata_set == {}
