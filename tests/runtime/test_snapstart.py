"""SnapStart: two environments that are copies of one process, through the runtime client and its call of `restore/next`."""

import json
import socket

import pytest

pytest.importorskip("snapshot_restore_py")

from .several import Environment

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def daemon():
    """A daemon that takes X-Ray's documents."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        found.settimeout(240)
        yield found


def documents(daemon, number):
    """Return this many documents, with those inside of them."""
    found = [json.loads(daemon.recv(65536).split(b"\n", 1)[1]) for _ in range(number)]
    return [*found, *(inner for document in found for inner in document.get("subsegments", ()))]


def test_two_copies_of_one_snapshot(tmp_path, daemon):
    """Each is a cold start of its own, keeps its documents coming, and shares no id with the other."""
    environment = Environment(
        "snapped.handler",
        2,
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{daemon.getsockname()[1]}",
    )
    try:
        rounds = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            rounds.append(environment.invoke_all(*[{"folder": str(folder)}] * 2, trace_header=HEADER))
    finally:
        environment.close()
    answers = [[environment.answers[request_id] for request_id in ids] for ids in rounds]
    assert len({answer["pid"] for answer in answers[0]}) == 2
    assert (
        len({answer["drawn"] for answer in answers[0]}) == 1
    )  # they are copies: their own ids would be the same
    records = [
        line
        for line in map(json.loads, filter(lambda line: line.startswith("{"), environment.lines))
        if line.get("record") == "invocation"
    ]
    of_lambda = {record["invocation_id"]: record for record in records}
    assert [[of_lambda[each]["cold_start"] for each in ids] for ids in rounds] == [[True] * 2, [False] * 2]
    assert not any(record.keys() & {"init_ms", "GuardErrors"} for record in records)
    assert sum("ColdStarts" in record for record in records) == 2
    assert (
        len(of_lambda) == len(records) == 1 + 4 + 4
    )  # warmed up once, before the copy; each calls one inside
    sent = documents(daemon, 4 + 4 + 4)
    ids = [document["id"] for document in sent]
    assert len(set(ids)) == len(ids) >= 12
    assert {record["span_id"] for record in records if "span_id" in record} <= set(ids)
