"""Runs the shop on this machine, places orders, and shows what became of them: `make demo`.

One of the orders can't be packed: its weight isn't a number. It is tried three times and ends up in the
dead-letter queue.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from lambda_guard.local.cloud import Cloud

HERE = Path(__file__).parent
OUTPUT = Path(".demo")
SPEED = 20  # retries and batching windows are waited for twenty times faster than on AWS
ORDERS = [
    {"id": "o-1", "items": [{"sku": "lamp", "price": 49.0, "count": 1, "grams": 900}]},
    {"id": "o-2", "items": [{"sku": "chair", "price": 120.0, "count": 2, "grams": 4200}]},
    {"id": "o-3", "items": [{"sku": "anvil", "price": 80.0, "count": 1, "grams": "heavy"}]},
    {"id": "o-4", "items": [{"sku": "vase", "price": 15.5, "count": 3, "grams": 650}]},
]
# What lay in the queue already, from other traces.
WAITING = [
    (f"w-{number}", f"Root=1-6742a1b5-{number:024x};Parent={number:016x};Sampled=1") for number in (1, 2)
]
console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def main():
    shutil.rmtree(OUTPUT, ignore_errors=True)
    started = time.monotonic()
    console.print("starting the local cloud", style="dim")
    with Cloud(HERE / "template.yaml", speed=SPEED, logs=OUTPUT / "logs") as cloud:
        console.print(f"the shop runs at {cloud.api_url()}")
        send(cloud)
        cloud.settle(timeout=40)
        logs = sorted(map(str, OUTPUT.rglob("*.log")))
        trace_id = trace_of("o-3", logs)
        section("invocations, each with its own lines", "invocations")
        section("one order over three functions", "trace", trace_id, html=OUTPUT / "trace.html")
        show_metrics(logs)
        section("the dead-letter queue, and why", "dlq", "list", "unshipped", "--letters", cloud=cloud)
        letters = cloud.messages("Unshipped")["visible"]
    run(
        "invocations",
        f"{OUTPUT}/logs",
        "--html",
        f"{OUTPUT}/shop.html",
        "--map",
        f"{OUTPUT}/map.svg",
        quiet=True,
    )
    console.print(Rule(style="dim"))
    problems = list(check(letters, logs, trace_id))
    for problem in problems:
        console.print(f"[red]not as it should be:[/] {problem}")
    console.print(
        f"done in {time.monotonic() - started:.0f} s; logs in {OUTPUT}/logs, the order's page is {OUTPUT}/trace.html, "
        f"the shop's is {OUTPUT}/shop.html"
    )
    console.print(f"a map of the shop, with what failed: {OUTPUT}/map.svg")
    return 1 if problems else 0


def send(cloud):
    sqs, queue = cloud.client("sqs"), cloud.queue_url("Parcels")
    for order_id, header in WAITING:
        order = {"id": order_id, "items": [{"sku": "book", "price": 12.0, "count": 1, "grams": 300}]}
        sqs.send_message(
            QueueUrl=queue,
            MessageBody=json.dumps({"Type": "Notification", "Message": json.dumps(order)}),
            MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": header}},
        )
    for order in ORDERS:
        response = cloud.request("POST", "/orders", json.dumps(order))
        console.print(f"POST /orders {order['id']} → {response.status}")


def lines(logs):
    for log in logs:
        for line in Path(log).read_text().splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def records(logs):
    return [line for line in lines(logs) if line.get("record") == "invocation"]


def trace_of(order_id, logs):
    return next(line["xray_trace_id"] for line in lines(logs) if line.get("order_id") == order_id)


def section(title, *command, html=None, cloud=None):
    """Show what a command of the desk says of the logs, and of the cloud where it needs one."""
    source = ("--logs", f"{OUTPUT}/logs") if cloud else (f"{OUTPUT}/logs",)
    console.print(Rule(title, style="dim", align="left"))
    console.print(f"[dim]$ lambda-guard {' '.join([*command, *source])}[/]")
    run(*command, *source, endpoint=cloud and cloud.endpoint)
    if html:
        run(*command, *source, "--html", str(html), quiet=True)


def run(*command, endpoint=None, quiet=False):
    aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    sys.stdout.flush()
    subprocess.run(
        [sys.executable, "-m", "lambda_guard.tools", *command],
        check=True,
        env={**own, **(aws | keys | direct if endpoint else {}), "COLUMNS": str(console.width)},
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
    )


def show_metrics(logs):
    console.print(Rule("metrics, as CloudWatch would add them up", style="dim", align="left"))
    found = {}
    for line in lines(logs):
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                key = (directive["Namespace"], line["function_name"], metric["Name"], metric["Unit"])
                found.setdefault(key, []).extend(values if isinstance(values, list) else [values])
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, side in (("namespace", "left"), ("function", "left"), ("metric", "left"), ("unit", "left")):
        table.add_column(title, justify=side)
    for title in ("samples", "sum", "average"):
        table.add_column(title, justify="right")
    for key, values in sorted(found.items()):
        total = f"{sum(values):,.1f}" if key[3] != "Percent" else ""
        table.add_row(*key, str(len(values)), total, f"{sum(values) / len(values):,.1f}")
    console.print(table)


def check(letters, logs, trace_id):
    found = records(logs)
    packed = {line["order_id"] for line in lines(logs) if line.get("message") == "parcel packed"}
    functions = {line["function_name"] for line in lines(logs) if line.get("xray_trace_id") == trace_id}
    if letters != 1:
        yield f"{letters} dead letters, not one"
    if packed != {"o-1", "o-2", "o-4", "w-1", "w-2"}:
        yield f"packed: {sorted(packed)}"
    if functions != {"orders", "billing", "shipping"}:
        yield f"the trace of o-3 is found in {sorted(functions)}"
    if sum(
        record["function_name"] == "billing" and record["outcome"] == "success" for record in found
    ) != len(ORDERS):
        yield "billing didn't succeed for every order"


if __name__ == "__main__":
    sys.exit(main())
