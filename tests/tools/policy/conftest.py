"""Records of a function, and what they are compared with."""

import json

import pytest

from lambda_guard.tools.group import run

from ..conftest import Logs

LOGS = Logs()
AT = "eu-west-1:123456789012"
STOCK = f"arn:aws:dynamodb:{AT}:table/stock"
QUEUE = f"arn:aws:sqs:{AT}:orders"
TRIGGER = {"type": "sqs", "source": QUEUE, "records": 1}
QUERY = {"service": "dynamodb", "operation": "Query", "resource": "stock", "count": 2, "errors": 0}
ENOUGH = ("--least-invocations", "1", "--least-days", "1")
LOGGING = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}
POLLING = {
    "Effect": "Allow",
    "Action": ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
    "Resource": QUEUE,
}
OWN = (LOGGING, POLLING)


def allow(action, resource, sid="It", **more):
    """Return a statement that allows."""
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def log(tmp_path):
    """Write a log with a record for each of these fields."""

    def call(*records, function="orders"):
        path = tmp_path / "app.log"
        lines = [
            LOGS.record(number, 100 * number, 20, function=function, **{"trigger": TRIGGER, **fields})
            for number, fields in enumerate(records)
        ]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    return call


@pytest.fixture
def diff(log, capsys, tmp_path, monkeypatch):
    """Compare records with a policy of these statements; gives code, the report as JSON or text, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*statements, calls=(QUERY,), against=None, options=ENOUGH, as_json=True, records=None):
        if against is None:
            against = "policy.json"
            written = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            (tmp_path / against).write_text(written, encoding="utf-8")
        records = records or [{"calls": list(calls)}]
        asked = ["policy", log(*records), "--function", "orders", "--diff", str(against), *options]
        code = run([*asked, *(["--json"] if as_json else [])])
        said = capsys.readouterr()
        return code, json.loads(said.out) if as_json and said.out else said.out, said.err

    return call
