"""What a policy rests on: whose records count, what is wrong with them, and what was never seen."""

import json
import signal
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.group import run
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.readers import FileReader
from lambda_guard.tools.logs.selection import Selection
from lambda_guard.tools.policy.evidence import KEPT_MOST, Evidence
from lambda_guard.tools.policy.gathering import Gathering, gathered

from ..conftest import Logs

LOGS = Logs()
QUERY = {"service": "dynamodb", "operation": "Query", "resource": "stock", "count": 2, "errors": 0}
ENOUGH = ("--least-invocations", "1", "--least-days", "1")


def arn(account="123456789012", region="eu-west-1"):
    return f"arn:aws:lambda:{region}:{account}:function:orders"


OWN = {"calls": [QUERY], "function_arn": arn()}


@pytest.fixture
def made(tmp_path, capsys):
    """Run the command over records; gives code, policy or None, and standard error."""

    def call(*records, options=()):
        log = tmp_path / "app.log"
        lines = [LOGS.record(number, 100 * number, 20, **fields) for number, fields in enumerate(records)]
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        code = run(["policy", str(log), "--function", "orders", *ENOUGH, *options])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    return call


def tables(document):
    return [one["Resource"] for one in document["Statement"] if one["Action"] == ["dynamodb:Query"]]


# --- Accounts and Regions ---------------------------------------------------------------------------------------------


def test_a_records_own_account_is_the_one_of_its_resources(made):
    """Whatever else the records name; with it, nothing has to be typed."""
    trigger = {"type": "sns", "source": "arn:aws:sns:us-east-1:210987654321:news"}
    code, document, said = made({**OWN, "trigger": trigger}, {"cold_start": False})
    assert code == 0
    assert tables(document) == [["arn:aws:dynamodb:eu-west-1:123456789012:table/stock"]]
    assert "evidence: 2 invocations of orders" in said
    assert "older version" not in said


@pytest.mark.parametrize(
    ("other", "options"),
    [
        (arn("210987654321"), ("--account", "210987654321")),
        (arn(region="us-east-1"), ("--region", "us-east-1")),
        (arn("210987654321", "us-east-1"), ("--account", "210987654321", "--region", "us-east-1")),
    ],
)
def test_accounts_and_regions_are_never_mixed(made, other, options):
    """Several are refused, with how many invocations each has and what to type; one is chosen."""
    region, account = other.split(":")[3:5]
    records = OWN, OWN, {"calls": [{**QUERY, "resource": "other"}], "function_arn": other}
    code, document, said = made(*records)
    assert (code, document) == (1, None)
    assert (
        "orders is in several accounts or Regions, which aren't mixed: 123456789012 eu-west-1 (2 invocations), "
        f"{account} {region} (1 invocation). Choose with --account 123456789012 --region eu-west-1\n" in said
    )
    code, document, said = made(*records, options=options)
    assert code == 0
    assert tables(document) == [[f"arn:aws:dynamodb:{region}:{account}:table/other"]]
    assert "evidence: 1 invocation of orders" in said


def test_an_account_that_no_record_is_from_is_refused(made):
    """A slip of the finger grants nothing elsewhere."""
    code, document, said = made(OWN, options=("--account", "999999999999"))
    assert (code, document) == (1, None)
    assert (
        "no record of orders is from 999999999999: there are 123456789012 eu-west-1 (1 invocation)\n" in said
    )


def test_invocations_of_no_account_are_left_out_where_there_are_several(made):
    """Whose they are isn't known: the policy is a draft."""
    code, document, said = made(
        OWN, {**OWN, "function_arn": arn("210987654321")}, {}, options=("--account", "123456789012")
    )
    assert code == 0
    assert all(one["Sid"].startswith("Draft") for one in document["Statement"])
    assert "a draft: 1 invocation of an account that isn't known: left out\n" in said


def test_records_of_an_older_version_are_said(made):
    """They tell neither account nor Region: what is typed counts."""
    code, document, said = made(
        {"calls": [QUERY]}, options=("--account", "123456789012", "--region", "eu-west-1")
    )
    assert code == 0
    assert tables(document) == [["arn:aws:dynamodb:eu-west-1:123456789012:table/stock"]]
    assert (
        "1 record of an older version: a name without an ARN is taken to be in the function's own Region and account, "
        "which they don't tell\n" in said
    )


# --- Damaged and forged -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"calls": {"service": "s3"}}, "calls isn't a list"),
        ({"calls": ["s3"]}, "a call isn't an object"),
        ({"calls": [{"operation": "Query"}]}, "a call has no service or no operation"),
        ({"calls": [{**QUERY, "service": ""}]}, "a call has no service or no operation"),
        ({"calls": [{**QUERY, "resource": ["stock"]}]}, "a call's resource isn't text"),
        ({"calls": [{**QUERY, "resource": "x" * 2_049}]}, "a call has a name of more than 2,048 characters"),
        (
            {"calls": [{**QUERY, "errors": 2, "denied": {"count": 2, "action": "x" * 2_049}}]},
            "a call has a name of more than 2,048 characters",
        ),
        ({"calls": [{**QUERY, "count": "2"}]}, "a call's count isn't a number of calls"),
        ({"calls": [{**QUERY, "errors": -1}]}, "a call's count isn't a number of calls"),
        ({"calls": [{**QUERY, "count": True}]}, "a call's count isn't a number of calls"),
        ({"calls": [{**QUERY, "count": 10**30}]}, "a call's count isn't a number of calls"),
        ({"calls_more": "many"}, "calls_more isn't a number of calls"),
        ({"calls_more": -5}, "calls_more isn't a number of calls"),
    ],
)
def test_a_damaged_record_is_said_and_the_others_count(made, fields, why):
    """The policy is a draft, with what the other records tell, and nothing is as long as the record had it."""
    _, document, said = made(OWN, {"function_arn": arn(), **fields}, {"function_arn": arn(), **fields})
    assert ["arn:aws:dynamodb:eu-west-1:123456789012:table/stock"] in tables(document)
    assert all(one["Sid"].startswith("Draft") for one in document["Statement"])
    assert f"2 records can't be right: {why} (invocation 00000001-" in said
    assert "x" * 100 not in said


def test_a_name_that_would_widen_or_break_out_is_refused(made):
    """Wildcards, quotes, line ends and templates' own marks: named, visibly, and not in the policy."""
    names = [
        "*",
        "st?ck",
        'a"b',
        "a\nb",
        "${aws:username}",
        "arn:aws:dynamodb:*:*:table/x",
        "a\u202eb",
        "'; drop",
    ]
    code, document, said = made({**OWN, "calls": [QUERY, *({**QUERY, "resource": name} for name in names)]})
    assert code == 1
    assert tables(document) == [["arn:aws:dynamodb:eu-west-1:123456789012:table/stock"]]
    assert said.count("its resource isn't named as AWS names any") == len(names)
    assert not {char for char in said if not char.isprintable()} - {"\n"}


def test_what_is_kept_is_bounded():
    """A log of forged names fills no memory, and it is said that something was left out."""
    evidence = Evidence("orders")
    for first in range(0, KEPT_MOST + 2_000, 2_000):
        calls = [{**QUERY, "resource": f"t{first + number}"} for number in range(2_000)]
        evidence.add(Invocation("i", record={"calls": calls, "function_version": str(first)}))
    assert len(evidence.calls) == KEPT_MOST
    assert "there are more than 10,000 calls: some were left out" in evidence.doubts(0, 0)


def test_a_forged_log_fills_no_terminal(made):
    """Versions, outcomes, functions, ids of any number and length: a few of each are listed, cut, with how many more."""
    records = [
        {"function_version": f"{number}-{'v' * 5_000}", "outcome": f"{number}{'o' * 5_000}"}
        for number in range(25)
    ]
    _, _, said = made(OWN, *records, {"calls": 5, "invocation_id": "i" * 5_000})
    assert max(map(len, said.splitlines())) < 6_000
    assert said.count(" and 6 more") == 2
    _, _, said = made({"function_name": "f" * 5_000})
    assert len(said) < 1_000


# --- What was never seen ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "unseen"),
    [
        ({}, "error, timeout"),
        ({"records": {"succeeded": 3, "failed": 0}}, "error, timeout, a batch that failed in part"),
        ({"records": {"succeeded": 2, "failed": 1}}, "error, timeout"),
        ({"http": {"method": "GET", "status": 200}}, "error, timeout, an answer with a server error"),
        ({"http": {"method": "GET", "status": 503}}, "success, error, timeout"),
        (
            {"durable": {"execution": f"{arn()}:1/durable-execution/a/b"}},
            "error, timeout, a durable execution that waits",
        ),
    ],
)
def test_outcomes_that_a_function_of_its_kind_can_have(made, fields, unseen):
    """Batches can fail in part, answers can tell of an error, durable executions can wait."""
    _, _, said = made({**OWN, **fields})
    assert f"never seen: {unseen}. What the function calls then, no record tells\n" in said


# --- Long reading -----------------------------------------------------------------------------------------------------


class Endless(FileReader):
    """A source that never ends; at its third invocation, Ctrl-C is pressed."""

    def __init__(self):
        super().__init__([])
        self.read_so_far = 0

    def read(self, **_options):
        while True:
            self.read_so_far += 1
            if self.read_so_far == 3:
                signal.raise_signal(signal.SIGINT)
            yield Invocation(f"i{self.read_so_far}", record={"function_name": "orders", **OWN})


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_ctrl_c_makes_a_draft_of_what_was_read(capfd):
    """It ends the reading, not the work; a second one would."""
    source = Endless()
    evidence = gathered(source, Selection(), "orders", (None, None))
    assert evidence.invocations == source.read_so_far == 3
    assert "the reading was stopped before its end" in evidence.doubts(0, 0)
    assert capfd.readouterr().err == "stopping: what was read so far makes a draft\n"


def test_how_far_it_is_is_shown_on_a_terminal(made, monkeypatch):
    """In one line, which is taken away at the end."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, _, said = made(OWN)
    assert said.startswith("\r\x1b[K1 invocation read, 0 different AWS calls of orders\r\x1b[K")


def test_no_invocation_at_all_is_no_evidence():
    """An empty source is refused with what may be the matter."""

    class Empty(Endless):
        def read(self, **_options):
            return iter(())

    with pytest.raises(
        LambdaGuardError, match=r"no invocation of orders in these logs: do --since and --until include any\?"
    ):
        gathered(Empty(), Selection(), "orders", (None, None))


# --- Whatever a record holds ------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "calls",
    "calls_more",
    "function_arn",
    "function_version",
    "outcome",
    "trigger",
    "records",
    "http",
    "durable",
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from((*KEYS, "timestamp", "span_id")), ANYTHING, max_size=6), max_size=4
    )
)
def test_no_record_stops_it(records):
    """Values of any type in any place: evidence is counted, what is wrong is said, and nothing raises."""
    gathering = Gathering("orders")
    for record in records:
        gathering.add(Invocation("i", record={"function_name": "orders", **record}))
    evidence = gathering.chosen(None, None)
    assert evidence.invocations == len(records)
    assert all(isinstance(line, str) for line in (*evidence.lines(), *evidence.doubts(1, 1)))
