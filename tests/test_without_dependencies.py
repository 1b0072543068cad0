"""What works where a dependency isn't there, one by one and all at once: the table of docs/packaging.md."""

import json

import pytest

POWERTOOLS, SDK, WRAPT = "aws_lambda_powertools", "aws_xray_sdk", "wrapt"
ABSENT = [(POWERTOOLS,), (SDK,), (WRAPT,), (POWERTOOLS, SDK, WRAPT)]
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
SCRIPT = """
    import functools, json, sys

    class Without:
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] in {absent!r}:
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    sys.meta_path.insert(0, Without)

    from lambda_guard import logger, metrics, production
    from lambda_guard.testing import capture, events, make_context

    @production(service="orders")
    def function(event, context):
        logger.append_keys(order_id=event["id"])
        logger.info("order accepted", count=2)
        metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
        print("printed")
        return "accepted"

    @production
    async def coroutine(event, context):
        return "awaited"

    @production
    def failing(event, context):
        raise LookupError("no stock")

    class Orders:
        @production
        def method(self, event, context):
            return "of a method"

    def each(event, context):
        @production(each_record=True, report_batch_item_failures=True)
        def handler(record):
            done.append(record.body)

        return handler(event, context)

    whole = production(lambda event, context: len(event["Records"]))
    with capture() as decorating:
        partial = production(functools.partial(lambda event, context: "partial"))
    done = []

    def ended(handler, event):
        with capture(HEADER) as captured:
            try:
                value = handler(event, make_context())
            except Exception as error:
                value = type(error).__name__
        records = captured.records
        return {{
            "value": value,
            "outcomes": [record["outcome"] for record in records],
            "ours": sum(record.get("GuardErrors", 0) for record in records),
            "traced": len(captured.segments),
            "said": [line["message"] for line in captured.logs],
            "keys": [line.get("order_id") for line in captured.logs],
            "metrics": [metric.name for metric in captured.metrics if metric.name == "OrdersAccepted"],
        }}

    HEADER, batch = {header!r}, events.sqs("a", "b")
    handlers = dict(
        function=function, coroutine=coroutine, failing=failing, method=Orders().method, partial=partial
    )
    found = {{name: ended(handler, {{"id": "o-1"}}) for name, handler in handlers.items()}}
    found["warned"] = "could not do its part 'handler'" in decorating.output
    print(json.dumps(found | dict(each=ended(each, batch), whole=ended(whole, batch), done=done)))
"""


@pytest.fixture(params=ABSENT, ids=" ".join)
def found(request, fresh):
    """How the handlers of the script ended without some packages, whose names are in `absent`."""
    output = fresh(SCRIPT.format(absent=request.param, header=HEADER))
    return json.loads(output.splitlines()[-1]) | {"absent": request.param}


def ended(value, outcome="success", **more):
    """Return how an invocation that is whole has ended."""
    return {
        "value": value, "outcomes": [outcome], "ours": 0, "traced": 1, "said": [], "keys": [], "metrics": [], **more
    }  # fmt: skip


def test_functions_and_methods_lack_nothing(found):
    """Outcomes, records, traces, lines with their keys, metrics: whatever isn't there."""
    lines = {"said": ["order accepted", "printed"], "keys": ["o-1", None], "metrics": ["OrdersAccepted"]}
    assert found["function"] == ended("accepted", **lines, ours=int(WRAPT in found["absent"]))
    assert found["coroutine"] == ended("awaited")
    assert found["method"] == ended("of a method")
    assert found["whole"] == ended(2)
    failing = found["failing"]
    assert (failing["value"], failing["outcomes"]) == ("LookupError", ["error"])
    assert (failing["ours"], failing["traced"]) == (0, 1)


def test_records_are_powertools_data_classes(found):
    """Without them decoration raises: the module isn't imported, and no message counts as processed."""
    each = found["each"]
    if POWERTOOLS in found["absent"]:
        assert (each["value"], each["outcomes"], found["done"]) == ("ModuleNotFoundError", [], [])
    else:
        assert each == ended({"batchItemFailures": []}, traced=3)
        assert found["done"] == ["a", "b"]


def test_handlers_that_are_objects_need_wrapt(found):
    """Without it they run bare; with it they have a record and a trace."""
    bare = {"outcomes": [], "traced": 0} if WRAPT in found["absent"] else {}
    assert found["partial"] == ended("partial", **bare)
    assert found["warned"] == (WRAPT in found["absent"])
