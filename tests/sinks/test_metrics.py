"""The user's own metrics: Powertools' interface, written by us, within EMF's limits."""

import datetime as dt
import inspect
import math
import threading
import time

import pytest
from aws_lambda_powertools.metrics import MetricResolution, MetricUnit, single_metric
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard import logger, metrics, production
from lambda_guard.testing import capture, make_context


@pytest.fixture(autouse=True)
def no_default_dimensions():
    """Default dimensions hold for good: a test that sets some takes them off again."""
    yield
    metrics.clear_default_dimensions()


def documents(captured):
    """Return the metric documents that aren't the invocation record."""
    return [line for line in captured.lines if "_aws" in line and line.get("record") != "invocation"]


def one(captured):
    """Return the one metric document."""
    (document,) = documents(captured)
    return document


def values(captured, name):
    """Return every value of a metric, over all documents."""
    return [value for metric in captured.metrics if metric.name == name for value in metric.values]


def warnings_of(captured):
    """Return what was refused."""
    return [line["message"] for line in captured.logs if line["level"] == "WARNING"]


def test_a_metric_is_a_document_of_its_own(invoke, header):
    """The whole document: namespace, the service as dimension, the value, the invocation's keys."""

    def handler(event, context):
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)

    document = one(
        invoke(handler, header=header, namespace="Shop", context=make_context(aws_request_id="r-1"))
    )
    assert document.pop("_aws") == {
        "Timestamp": pytest.approx(time.time() * 1000, abs=60_000),
        "CloudWatchMetrics": [
            {
                "Namespace": "Shop",
                "Dimensions": [["service"]],
                "Metrics": [{"Name": "OrdersAccepted", "Unit": "Count"}],
            }
        ],
    }
    assert document == {
        "service": "orders",
        "OrdersAccepted": 1.0,
        "invocation_id": "r-1",
        "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793",
        "function_name": "orders",
        "function_version": "$LATEST",
        "cold_start": False,
    }


def test_everything_that_powertools_metrics_takes(invoke):
    """Units and resolutions as text or enum, several values, dimensions, sets of dimensions, metadata."""

    def handler(event, context):
        metrics.add_metric("Latency", MetricUnit.Milliseconds, 12.5, MetricResolution.High)
        metrics.add_metric("Latency", "Milliseconds", 7, resolution=1)
        metrics.add_metric("Paid", "Count", True)
        metrics.add_dimension("country", "SE")
        metrics.add_dimension("shop", 7)
        metrics.add_dimensions(region="eu", tier="gold")
        metrics.add_metadata("order_id", "o-1")

    document = one(invoke(handler))
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [
        {"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 1},
        {"Name": "Paid", "Unit": "Count"},
    ]
    assert sorted(map(sorted, directive["Dimensions"])) == [
        ["country", "service", "shop"],
        ["region", "tier"],
    ]
    expected = {
        "Latency": [12.5, 7.0], "Paid": 1.0, "country": "SE", "shop": "7", "region": "eu", "tier": "gold",
        "order_id": "o-1", "service": "orders",
    }  # fmt: skip
    assert {key: document[key] for key in expected} == expected


def test_metrics_are_written_when_the_handler_raises(invoke):
    """What was counted before the failure is counted."""

    def handler(event, context):
        metrics.add_metric("Tried", "Count", 1)
        raise ValueError("refused")

    captured = invoke(handler)
    assert isinstance(captured.raised, ValueError)
    assert values(captured, "Tried") == [1.0]


def test_nothing_is_written_without_metrics(invoke):
    """Dimensions, metadata and a timestamp alone make no document, and none of them reaches the next invocation's."""

    def first(event, context):
        metrics.add_dimension("tenant", "a")
        metrics.add_metadata("secret", "a")
        metrics.set_timestamp(dt.datetime.now(dt.UTC) - dt.timedelta(days=1))

    assert documents(invoke(first)) == []
    document = one(invoke(lambda event, context: metrics.add_metric("Orders", "Count", 1)))
    assert not document.keys() & {"tenant", "secret"}
    assert document["_aws"]["Timestamp"] > time.time() * 1000 - 60_000


def test_a_timestamp_holds_for_the_invocation(invoke):
    """`set_timestamp` takes milliseconds or a datetime."""
    moment = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)

    def handler(event, context):
        metrics.set_timestamp(context.moment)
        metrics.add_metric("Orders", "Count", 1)

    for given_moment in (moment, round(moment.timestamp() * 1000)):
        context = make_context()
        context.moment = given_moment
        assert one(invoke(handler, context=context))["_aws"]["Timestamp"] == round(moment.timestamp() * 1000)


@pytest.mark.parametrize("moment", [0, "yesterday", None, dt.datetime(2020, 1, 1, tzinfo=dt.UTC), 10**15])
def test_a_timestamp_that_cloudwatch_would_refuse_is_a_warning(invoke, moment):
    """CloudWatch would leave the metrics out: they are written with the time that it is."""

    def handler(event, context):
        metrics.set_timestamp(moment)
        metrics.add_metric("Orders", "Count", 1)

    captured = invoke(handler)
    assert one(captured)["_aws"]["Timestamp"] > time.time() * 1000 - 60_000
    assert len(warnings_of(captured)) == 1


def test_the_last_value_of_a_dimension_wins(invoke):
    """EMF has one place for a dimension's value: as in Powertools, a further set's goes before, and the last set's first."""

    def handler(event, context):
        metrics.add_dimension("country", "SE")
        metrics.add_dimensions(country="DE")
        metrics.add_dimensions(country="NO", tier="gold")
        metrics.add_dimension("tier", "silver")
        metrics.add_metric("A", "Count", 1)

    captured = invoke(handler)
    document = one(captured)
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [
        ["service", "country", "tier"],
        ["country"],
        ["country", "tier"],
    ]
    assert (document["country"], document["tier"]) == ("NO", "gold")


@pytest.mark.parametrize(
    ("name", "unit", "value", "why"),
    [
        ("A", "Parsecs", 1, "Invalid metric unit"),
        ("A", None, 1, ""),
        ("A", 3, 1, ""),
        ("A", "Count", math.nan, "nan is not a finite number"),
        ("A", "Count", math.inf, "inf is not a finite number"),
        ("A", "Count", "many", "could not convert"),
        ("A", "Count", None, ""),
        ("A", "Count", object(), ""),
        ("A", "Count", 10**400, ""),
        ("", "Count", 1, "1 to 255 characters"),
        ("   ", "Count", 1, "1 to 255 characters"),
        ("x" * 256, "Count", 1, "1 to 255 characters"),
        (None, "Count", 1, ""),
        (["A"], "Count", 1, ""),
        ("service", "Count", 1, "same name"),
        ("_aws", "Count", 1, "same name"),
    ],
)
def test_a_metric_that_cloudwatch_would_refuse_is_a_warning(invoke, name, unit, value, why):
    """It is left out, said in the log, and the others and the outcome stand."""

    def handler(event, context):
        metrics.add_metric(name, unit, value)
        metrics.add_metric("Good", "Count", 1)
        return "done"

    captured = invoke(handler)
    assert captured.raised is None
    assert values(captured, "Good") == [1.0]
    assert {metric.name for metric in captured.metrics if metric.dimensions.keys() == {"service"}} == {"Good"}
    (warning,) = warnings_of(captured)
    assert warning.startswith("metric ")
    assert "was not recorded" in warning
    assert why in warning


def test_a_refused_value_leaves_the_name_free(invoke):
    """The unit that came with a value that was refused isn't the metric's."""

    def handler(event, context):
        metrics.add_metric("A", "Count", "many")
        metrics.add_metric("A", "Seconds", 1)

    captured = invoke(handler)
    assert values(captured, "A") == [1.0]
    assert len(warnings_of(captured)) == 1


def test_a_resolution_or_a_second_unit_that_is_wrong_is_a_warning(invoke):
    """A metric has one unit and one of two resolutions."""

    def handler(event, context):
        metrics.add_metric("A", "Count", 1, resolution=7)
        metrics.add_metric("B", "Count", 1)
        metrics.add_metric("B", "Seconds", 2)
        metrics.add_metric("B", "Nonsense", 2)

    captured = invoke(handler)
    assert values(captured, "B") == [1.0]
    assert values(captured, "A") == []
    assert len(warnings_of(captured)) == 3


def test_more_than_a_hundred_metrics(invoke):
    """A document holds a hundred metrics; the rest come in further ones, with every dimension, none is lost."""

    def handler(event, context):
        for number in range(250):
            metrics.add_metric(f"M{number}", "Count", number)
        metrics.add_dimension("late", "yes")

    captured = invoke(handler)
    found = documents(captured)
    assert [len(document["_aws"]["CloudWatchMetrics"][0]["Metrics"]) for document in found] == [100, 100, 50]
    assert {f"M{number}": float(number) for number in range(250)} == {
        metric.name: metric.value
        for metric in captured.metrics
        if metric.name.startswith("M") and metric.name[1:].isdigit()
    }
    assert all(document["late"] == "yes" for document in found)


def test_more_than_a_hundred_values(invoke):
    """An array holds a hundred values; the rest come in further documents, none is lost or counted twice."""

    def handler(event, context):
        for number in range(1050):
            metrics.add_metric("Many", "Count", number)
        metrics.add_metric("One", "Count", 1)

    captured = invoke(handler)
    assert sorted(values(captured, "Many")) == [float(number) for number in range(1050)]
    assert values(captured, "One") == [1.0]


def test_metadata_goes_before_any_value(invoke):
    """A document that would be too large loses of its metadata, and no value of a metric."""

    def handler(event, context):
        for number in range(100):
            for value in range(100):
                metrics.add_metric(f"M{number}", "Count", value + 0.123456789)
        for number in range(200):
            metrics.add_metadata(f"key_{number}", "x" * 20_000)

    captured = invoke(handler)
    assert all(len(line) < 1_000_000 for line in captured.output.splitlines())
    assert [len(metric.values) for metric in captured.metrics if metric.name.startswith("M1")][:10] == [
        100
    ] * 10
    assert values(captured, "M99") == [value + 0.123456789 for value in range(100)]


def test_thirty_dimensions_are_the_most(invoke):
    """The thirty-first is a warning; the metric is written with thirty."""

    def handler(event, context):
        for number in range(35):
            metrics.add_dimension(f"d{number}", str(number))
        metrics.add_dimension("d3", "again")
        metrics.add_metric("A", "Count", 1)

    captured = invoke(handler)
    (dimensions,) = one(captured)["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
    assert len(dimensions) == 30
    assert one(captured)["d3"] == "again"
    assert len(warnings_of(captured)) == 6


def test_too_many_dimensions_in_a_further_set_are_a_warning(invoke):
    """A set that `add_dimensions` makes has at most thirty, too."""

    def handler(event, context):
        metrics.add_dimensions(**{f"d{number}": str(number) for number in range(40)})
        metrics.add_metric("A", "Count", 1)

    captured = invoke(handler)
    assert values(captured, "A") == [1.0]
    assert len(warnings_of(captured)) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("  ", "x"),
        ("a", ""),
        ("a", " "),
        (None, "x"),
        ("x" * 251, "x"),
        ("_aws", "x"),
        (":a", "x"),
    ],
)
def test_a_dimension_that_cloudwatch_would_refuse_is_a_warning(invoke, name, value):
    """An empty name or value would lose the whole metric."""

    def handler(event, context):
        metrics.add_dimension(name, value)
        metrics.add_dimension("good", "x" * 5000)
        metrics.add_metric("A", "Count", 1)

    captured = invoke(handler)
    assert one(captured)["good"] == "x" * 1024
    assert one(captured)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "good"]]
    assert len(warnings_of(captured)) == 1


def test_metadata_that_json_has_no_word_for(invoke):
    """Any metadata is written, under any key, and never in the place of a metric, a dimension or the envelope."""
    recursive = []
    recursive.append(recursive)

    def handler(event, context):
        metrics.add_metric("A", "Count", 1)
        metrics.add_metadata("when", dt.datetime(2025, 1, 2, tzinfo=dt.UTC))
        metrics.add_metadata("recursive", recursive)
        metrics.add_metadata("not a number", math.nan)
        metrics.add_metadata(("tuple",), {1, 2})
        metrics.add_metadata("_aws", "envelope")
        metrics.add_metadata("service", "mine")
        metrics.add_metadata("A", "mine")

    document = one(invoke(handler))
    assert document["when"] == "2025-01-02T00:00:00+00:00"
    assert document["not a number"] == "nan"
    assert document["service"] == "orders"
    assert document["A"] == 1.0


def test_names_of_our_own_keys_are_the_users(invoke):
    """A dimension, a metric or metadata called like one of our keys is what the user set; but the line stays ours."""

    def handler(event, context):
        metrics.add_metric("cold_start", "Count", 1)
        metrics.add_dimension("function_name", "mine")
        metrics.add_metadata("invocation_id", "mine")

    document = one(invoke(handler, context=make_context(aws_request_id="r-1")))
    assert (document["cold_start"], document["function_name"]) == (1.0, "mine")
    assert (document["invocation_id"], document["invocation_id_"]) == ("r-1", "mine")
    assert document["function_version"] == "$LATEST"


def test_a_service_dimension_of_ones_own(invoke):
    """`add_dimension("service", …)` replaces the service."""

    def handler(event, context):
        metrics.add_dimension("service", "billing")
        metrics.add_metric("A", "Count", 1)

    document = one(invoke(handler))
    assert document["service"] == "billing"
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]


def test_default_dimensions_hold_in_later_invocations(invoke):
    """`set_default_dimensions` is for good, from module-level code or from a handler."""
    metrics.set_default_dimensions(environment="test", tier=1)

    def handler(event, context):
        metrics.add_metric("A", "Count", 1)
        metrics.set_default_dimensions(country="SE")

    first, second = (
        one(invoke(handler)),
        one(invoke(lambda event, context: metrics.add_metric("A", "Count", 1))),
    )
    for document in (first, second):
        assert (document["environment"], document["tier"], document["country"]) == ("test", "1", "SE")


def test_a_single_metric_takes_what_powertools_takes(invoke):
    """`single_metric` has the parameters of Powertools' own, its dimensions among them."""

    def handler(event, context):
        with metrics.single_metric("A", "Count", 1, 60, "Shop", {"country": "SE"}) as metric:
            metric.add_dimension("tier", "1")

    document = one(invoke(handler))
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "country", "tier"]]
    theirs = inspect.signature(single_metric).parameters
    assert theirs.keys() <= inspect.signature(metrics.single_metric).parameters.keys()


def test_a_single_metric_has_dimensions_of_its_own(invoke):
    """`single_metric` writes at the end of its block, also when that fails, and leaves the other metrics alone."""

    def handler(event, context):
        metrics.add_metric("Other", "Count", 1)
        with metrics.single_metric("Refunds", "Count", 1, namespace="Refunds") as metric:
            metric.add_dimension("country", "SE")
            metric.add_metadata("order_id", "o-1")
        with metrics.single_metric(name="Failed", unit="Count", value=1):
            raise ValueError

    captured = invoke(handler)
    assert isinstance(captured.raised, ValueError)
    refunds, failed, other = documents(captured)
    assert refunds["_aws"]["CloudWatchMetrics"][0] == {
        "Namespace": "Refunds",
        "Dimensions": [["service", "country"]],
        "Metrics": [{"Name": "Refunds", "Unit": "Count"}],
    }
    assert (refunds["order_id"], refunds["Refunds"], refunds["country"]) == ("o-1", 1.0, "SE")
    assert failed["Failed"] == 1.0
    assert "country" not in other


def test_a_bad_single_metric_is_a_warning(invoke):
    """It raises nothing into its block, and writes nothing."""

    def handler(event, context):
        with metrics.single_metric("Bad", "Parsecs", 1) as metric:
            metric.add_dimension("", "x")

    captured = invoke(handler)
    assert captured.raised is None
    assert documents(captured) == []
    assert len(warnings_of(captured)) == 2


def test_metrics_outside_of_an_invocation_are_written_at_once():
    """Module-level code can count."""
    with capture() as captured:
        metrics.add_metric("Loaded", "Count", 1)
        assert values(captured, "Loaded") == [1.0]


def test_flush_metrics_writes_what_there_is(invoke):
    """A handler that ends the process by itself can have its metrics written before; none is written twice."""

    def handler(event, context):
        metrics.add_metric("A", "Count", 1)
        metrics.flush_metrics()
        logger.info("flushed")
        metrics.add_metric("A", "Count", 2)

    captured = invoke(handler)
    assert values(captured, "A") == [1.0, 2.0]
    assert [line.get("message") for line in captured.lines[:3]] == [None, "flushed", None]


def test_metrics_go_out_where_the_record_cannot_be_made(monkeypatch):
    """They wait for the record, to go out in one write with it; a bug in making it doesn't take them along."""

    @production
    def handler(event, context):
        metrics.add_metric("Orders", "Count", 3)
        return "done"

    def refuse(*_):
        raise NameError("a bug of ours")

    monkeypatch.setattr("lambda_guard.sinks.record.line_of", refuse)
    with capture() as captured:
        assert handler({}, make_context()) == "done"
    assert [(each.name, each.value) for each in captured.metrics if each.name == "Orders"] == [("Orders", 3)]


def test_concurrent_threads_lose_no_value(invoke):
    """Eight threads count the same metric and metrics of their own."""

    def work(number):
        for index in range(500):
            metrics.add_metric("Shared", "Count", 1)
            metrics.add_metric(f"Own{number}-{index % 7}", "Count", 1)

    def handler(event, context):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(240)

    captured = invoke(handler)
    assert sum(values(captured, "Shared")) == 4000
    assert sum(metric.value for metric in captured.metrics if metric.name.startswith("Own")) == 4000


def test_two_invocations_at_once_keep_their_metrics_apart():
    """A handler that calls another decorated handler counts in its own document."""
    inner = production(service="inner")(lambda event, context: metrics.add_metric("A", "Count", 1))

    @production(service="outer")
    def outer(event, context):
        metrics.add_metric("A", "Count", 10)
        inner({}, make_context())
        metrics.add_metric("A", "Count", 20)

    with capture() as captured:
        outer({}, make_context())
    assert [(line["service"], line["A"]) for line in documents(captured)] == [
        ("inner", 1.0),
        ("outer", [10.0, 20.0]),
    ]


def test_powertools_own_metrics_stay_apart(invoke, monkeypatch):
    """A function that uses Powertools' `Metrics` as well writes both, each under its own namespace."""
    from aws_lambda_powertools import Metrics

    theirs = Metrics(namespace="Theirs", service="theirs")

    @theirs.log_metrics
    def handler(event, context):
        theirs.add_metric("A", "Count", 1)
        metrics.add_metric("A", "Count", 2)

    captured = invoke(handler, namespace="Ours")
    assert {(metric.namespace, metric.value) for metric in captured.metrics if metric.name == "A"} == {
        ("Theirs", 1.0),
        ("Ours", 2.0),
    }


NAMES = st.one_of(
    st.text(max_size=12), st.sampled_from(["A", "B", "service", "_aws", "cold_start", "é\ud800", "x" * 300])
)
UNITS = st.sampled_from(["Count", "Seconds", "Percent", MetricUnit.Bytes, "None"])
NUMBERS = st.one_of(
    st.integers(-(10**15), 10**15), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
)


@settings(max_examples=3 * settings.default.max_examples // 2)
@given(
    added=st.lists(st.tuples(NAMES, UNITS, NUMBERS), max_size=12),
    dimensions=st.dictionaries(NAMES, st.text(max_size=5), max_size=3),
    metadata=st.dictionaries(NAMES, st.one_of(st.text(), st.floats(), st.binary()), max_size=3),
    resolution=st.sampled_from([60, 1]),
)
def test_every_accepted_value_is_written_once(invoke, added, dimensions, metadata, resolution):
    """Over names, units, values, dimensions, metadata: what isn't warned of is written, in valid documents."""

    def handler(event, context):
        for name, unit, value in added:
            metrics.add_metric(name, unit, value, resolution)
        for name, value in dimensions.items():
            metrics.add_dimension(name, value)
        for name, value in metadata.items():
            metrics.add_metadata(name, value)

    captured = invoke(handler, namespace="Hypothesis")
    assert captured.raised is None
    written = sum(
        len(line[metric["Name"]]) if isinstance(line[metric["Name"]], list) else 1
        for line in documents(captured)
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    )
    refused = [line for line in warnings_of(captured) if line.startswith("metric ")]
    clashing = {name.strip() for name in ("service", "_aws", *dimensions)}
    lost = sum(1 for name, _, _ in added if name.strip() in clashing)
    assert written >= len(added) - len(refused) - lost
    assert written <= len(added)


@settings(max_examples=100)
@given(
    added=st.lists(
        st.tuples(st.text(min_size=1, max_size=9).map(str.strip).filter(bool), UNITS, NUMBERS),
        min_size=1,
        max_size=8,
        unique_by=lambda metric: metric[0],
    ),
    service=st.text(min_size=1, max_size=9).filter(str.strip),
)
def test_the_short_way_says_what_the_general_way_says(invoke, added, service):
    """The usual metric set goes a short way of its own: with metadata, which needs the general one, it is the same."""

    def handler(event, context):
        for name, unit, value in added:
            metrics.add_metric(name, unit, value)
        if event:
            metrics.add_metadata("general", "way")

    context = make_context()
    short = documents(invoke(handler, service=service, context=context))
    general = documents(invoke(handler, {"general": True}, service=service, context=context))
    for document in (*short, *general):
        document["_aws"].pop("Timestamp")
        document.pop("general", None)
    assert short == general


class Mute(str):
    """A name that can't be written down."""

    __slots__ = ()

    def __str__(self):
        raise RuntimeError("str")

    __repr__ = __str__


@pytest.mark.parametrize(
    "add",
    [
        lambda: metrics.add_metric(Mute(), "Count", 1),
        lambda: metrics.add_dimension(Mute(), "x"),
        lambda: (
            metrics.add_metadata(1, 2)
            or metrics.add_metadata(Mute, 2)
            or metrics.add_dimension("d", Mute("x"))
        ),
        lambda: metrics.set_default_dimensions(a=Mute("x")),
        lambda: metrics.single_metric(Mute(), "Count", 1).write(),
    ],
    ids=["metric", "dimension", "value", "default", "single"],
)
def test_a_name_that_cannot_be_written_down_is_refused_not_raised(invoke, add):
    """Saying in the log what was refused raises no more than refusing it: the handler's answer stands."""
    captured = invoke(lambda event, context: add() or metrics.add_metric("Good", "Count", 1))
    assert any("was not recorded" in str(line["message"]) for line in captured.logs)
    assert "Good" in {metric.name for metric in captured.metrics}
