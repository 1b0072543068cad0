"""The same code in both ways: with Powertools' decorators, and with ours."""

import contextlib
import io
import json
import warnings
from collections import Counter

from lambda_guard import metrics as ours
from lambda_guard import production
from lambda_guard.testing import capture, make_context

from ..sinks.conftest import unheard


def printed(run):
    """Return the JSON lines that a function prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
    return [json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{")]


def published(lines):
    """Return what CloudWatch makes of metric documents: each value, with its namespace, dimensions, name and unit."""
    found = Counter()
    for line in lines:
        if line.get("record") == "invocation" or "_aws" not in line:
            continue
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                named = frozenset((name, str(line[name])) for name in dimensions)
                for metric in directive["Metrics"]:
                    values = line[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        key = directive["Namespace"], named, metric["Name"], metric["Unit"]
                        found[(*key, metric.get("StorageResolution", 60), float(value))] += 1
    return found


def run_ours(handler, event=None, context=None, **options):
    """Run a function under our decorator, and return what was captured and what it answered."""
    ours.clear_default_dimensions()
    try:
        with unheard(), capture() as captured:
            answer = production(**options)(handler)({} if event is None else event, context or make_context())
    finally:
        ours.clear_default_dimensions()
        ours.namespace = ours.service = None
    return captured, answer
