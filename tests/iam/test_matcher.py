"""What policies say about a request: the matcher that `policy --diff` and the local cloud rest on."""

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.iam.matcher import PolicyError, Request, Verdict, decide, statements_of
from lambda_guard.iam.patterns import literal, read

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/stock"
VERSION = "2012-10-17"


def statement(effect="Allow", action="dynamodb:Query", resource=TABLE, **more):
    """Return a statement; None leaves a key out."""
    return {
        key: value
        for key, value in {"Effect": effect, "Action": action, "Resource": resource, **more}.items()
        if value is not None
    }


def document(*statements, version=VERSION):
    """Return a policy of these."""
    return {"Version": version, "Statement": list(statements)}


def said(*statements, action="dynamodb:Query", resource=TABLE, keys=None, pattern=False, version=VERSION):
    """Return the verdict on a request, and the name of the statement that decided."""
    request = Request(action, resource, keys or {}, pattern)
    decision = decide(statements_of(document(*statements, version=version)), request)
    return decision.verdict, decision.statement and decision.statement.name


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("*", TABLE, True),
        (TABLE, TABLE, True),
        (TABLE, f"{TABLE}x", False),
        (f"{TABLE}*", f"{TABLE}/index/by-date", True),
        ("arn:aws:dynamodb:*:123456789012:table/sto?k", TABLE, True),
        ("arn:aws:dynamodb:*:123456789012:table/sto?ck", TABLE, False),
        (TABLE.upper(), TABLE, False),
        ("arn:aws:s3:::b/a.c", "arn:aws:s3:::b/abc", False),
        ("arn:aws:s3:::b/(a)", "arn:aws:s3:::b/(a)", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/line\nend", True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", True),
        ("arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", False),
        ("arn:aws:s3:::b/x", "arn:aws:s3:::b/*", False),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/*", True),
        (["arn:aws:s3:::c", TABLE], TABLE, True),
    ],
)
def test_resources_match_by_wildcards_and_case(pattern, resource, allowed):
    """`*` is any text, `?` one character, everything else itself; a requested resource has no wildcards."""
    verdict, by = said(statement(resource=pattern), resource=resource)
    assert (verdict, by) == ((Verdict.ALLOWED, "#1") if allowed else (Verdict.NOT_GRANTED, None))


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("dynamodb:query", True),
        ("DynamoDB:Q*", True),
        ("dynamodb:?uery", True),
        ("*", True),
        ("dynamodb:Quer", False),
        (["s3:*", "dynamodb:Query"], True),
        ("sqs:*", False),
    ],
)
def test_actions_match_by_wildcards_without_case(pattern, allowed):
    """A single action or a list of them."""
    assert (said(statement(action=pattern))[0] is Verdict.ALLOWED) is allowed


def test_the_statement_that_decides_is_named():
    """By its Sid, or by its place, with the policy's name before people see it."""
    first = statement(action="s3:*", resource="*")
    assert said(first, statement()) == (Verdict.ALLOWED, "#2")
    assert said(first, statement(Sid="ReadStock")) == (Verdict.ALLOWED, "ReadStock")
    parsed = statements_of(document(first, statement()), "orders")
    assert str(parsed[1]) == "#2 of orders"
    assert str(statements_of(document(first))[0]) == "#1"


def test_deny_wins_wherever_it_stands():
    """Before or after what allows, in this policy or in another."""
    deny = statement("Deny", "dynamodb:*", "*", Sid="No")
    assert said(deny, statement()) == (Verdict.DENIED, "No")
    assert said(statement(), deny) == (Verdict.DENIED, "No")
    assert said(deny) == (Verdict.DENIED, "No")
    both = statements_of(document(statement()), "a") + statements_of(document(deny), "b")
    assert str(decide(both, Request("dynamodb:Query", TABLE)).statement) == "No of b"


def test_all_but_some_actions_and_resources():
    """`NotAction` and `NotResource` are everything else."""
    but = statement(action=None, resource="*", NotAction=["iam:*", "dynamodb:Delete*"])
    assert said(but)[0] is Verdict.ALLOWED
    assert said(but, action="IAM:PassRole")[0] is Verdict.NOT_GRANTED
    elsewhere = statement("Deny", "*", None, NotResource=[TABLE, f"{TABLE}/*"])
    assert said(statement(resource="*"), elsewhere)[0] is Verdict.ALLOWED
    assert said(statement(resource="*"), elsewhere, resource=f"{TABLE}s") == (Verdict.DENIED, "#2")


def test_an_action_on_nothing_narrower_needs_a_star():
    """Such as `cloudwatch:PutMetricData`, which an ARN doesn't allow."""
    assert said(statement(action="*", resource="*"), resource="*")[0] is Verdict.ALLOWED
    assert said(statement(action="*"), resource="*")[0] is Verdict.NOT_GRANTED


def test_no_statement_grants_nothing():
    """An empty policy is one, and a single statement needs no list."""
    assert decide((), Request("s3:GetObject")).verdict is Verdict.NOT_GRANTED
    assert said() == (Verdict.NOT_GRANTED, None)
    (only,) = statements_of({"Version": VERSION, "Statement": statement()})
    assert decide([only], Request("dynamodb:Query", TABLE)).allowed


# --- What isn't known -------------------------------------------------------------------------------------------------

TEAM = {"StringEquals": {"aws:PrincipalTag/team": "shop"}}


def test_a_condition_on_an_unknown_key_leaves_it_open():
    """Neither allowed nor denied, with the key; a statement without one decides all the same."""
    open_ = statement(Condition=TEAM)
    decision = decide(statements_of(document(open_)), Request("dynamodb:Query", TABLE))
    assert decision.verdict is Verdict.UNDECIDED
    assert not decision.allowed
    assert decision.undecided == ("StringEquals aws:PrincipalTag/team",)
    assert said(open_, statement()) == (Verdict.ALLOWED, "#2")
    assert said(open_, statement("Deny")) == (Verdict.DENIED, "#2")
    assert said(open_, action="s3:GetObject")[0] is Verdict.NOT_GRANTED


def test_a_deny_that_may_hold_leaves_open_what_is_allowed():
    """And changes nothing about what isn't granted anyway."""
    doubtful = statement("Deny", "*", "*", Condition=TEAM)
    assert said(doubtful, statement()) == (Verdict.UNDECIDED, "#1")
    assert said(statement(), doubtful) == (Verdict.UNDECIDED, "#2")
    assert said(doubtful) == (Verdict.NOT_GRANTED, None)
    assert said(doubtful, statement(Condition=TEAM)) == (Verdict.UNDECIDED, "#1")


@pytest.mark.parametrize(
    ("condition", "keys", "allowed"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, {"AWS:requestedregion": "eu-west-1"}, True),
        ({"StringEquals": {"a:k": ["x", "y"]}}, {"a:k": "y"}, True),
        ({"StringEquals": {"a:k": "*"}}, {"a:k": "y"}, False),
        ({"StringEquals": {"a:k": "*?"}}, {"a:k": "?*"}, False),
        ({"StringEquals": {"a:k": "*"}}, {"a:k": "*"}, True),
        ({"StringEquals": {"a:k": "x"}}, {"a:k": None}, False),
        ({"StringEqualsIfExists": {"a:k": "x"}}, {"a:k": None}, True),
        ({"StringEqualsIfExists": {"a:k": "x"}}, {"a:k": "y"}, False),
        ({"StringEqualsIgnoreCase": {"a:k": "X"}}, {"a:k": "x"}, True),
        ({"StringNotEquals": {"a:k": ["x", "y"]}}, {"a:k": "y"}, False),
        ({"StringNotEquals": {"a:k": ["x", "y"]}}, {"a:k": "z"}, True),
        ({"StringNotEquals": {"a:k": "x"}}, {"a:k": None}, True),
        ({"StringLike": {"a:k": "x*"}}, {"a:k": "xyz"}, True),
        ({"StringNotLike": {"a:k": "x*"}}, {"a:k": "xyz"}, False),
        ({"ArnLike": {"a:k": "arn:*:role/x"}}, {"a:k": "arn:aws:iam::1:role/x"}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:SecureTransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws:SecureTransport": "true"}, True),
        ({"Null": {"a:k": "true"}}, {"a:k": None}, True),
        ({"Null": {"a:k": True}}, {"a:k": "x"}, False),
        ({"ForAllValues:StringEquals": {"a:k": ["x", "y"]}}, {"a:k": ["x", "y"]}, True),
        ({"ForAllValues:StringEquals": {"a:k": ["x"]}}, {"a:k": ["x", "y"]}, False),
        ({"ForAllValues:StringEquals": {"a:k": ["x"]}}, {"a:k": None}, True),
        ({"ForAnyValue:StringEquals": {"a:k": ["x"]}}, {"a:k": ["x", "y"]}, True),
        ({"ForAnyValue:StringEquals": {"a:k": ["x"]}}, {"a:k": []}, False),
        ({"ForAnyValue:StringNotEquals": {"a:k": ["x"]}}, {"a:k": None}, False),
        ({"StringEquals": {"a:k": "x", "a:l": "y"}}, {"a:k": "x", "a:l": "z"}, False),
        ({"StringEquals": {"a:k": "${a:other}"}}, {"a:k": "x", "a:other": "x"}, True),
        ({"StringLike": {"a:k": "${a:other}"}}, {"a:k": "xyz", "a:other": "x*"}, False),
    ],
)
def test_a_condition_on_known_keys_is_decided(condition, keys, allowed):
    """By the operators for texts, ARNs, booleans and absence, as IAM's page of operators has them."""
    verdict = said(statement(Condition=condition), keys=keys)[0]
    assert verdict is (Verdict.ALLOWED if allowed else Verdict.NOT_GRANTED)


@pytest.mark.parametrize(
    ("condition", "unread"),
    [
        ({"NumericLessThan": {"a:k": "5"}}, "NumericLessThan a:k"),
        ({"DateGreaterThan": {"a:k": "2026-01-01T00:00:00Z"}}, "DateGreaterThan a:k"),
        ({"IpAddress": {"a:k": "10.0.0.0/8"}}, "IpAddress a:k"),
        ({"StringEquals": {"a:k": "${a:unknown}"}}, "StringEquals a:k"),
        ({"StringEquals": {"a:k": "x"}, "StringLike": {"a:other": "y"}}, "StringLike a:other"),
    ],
)
def test_other_operators_and_variables_are_left_undecided(condition, unread):
    """Each by its operator and key."""
    request = Request("dynamodb:Query", TABLE, {"a:k": "x"})
    decision = decide(statements_of(document(statement(Condition=condition))), request)
    assert (decision.verdict, decision.undecided) == (Verdict.UNDECIDED, (unread,))


def test_variables_of_resources_are_read_where_they_are_known():
    """Otherwise it depends on them, unless nothing that they may be would match; in the older version they are text."""
    own = statement(resource="arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}-stock")
    resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop-stock"
    team = "aws:PrincipalTag/team"
    assert said(own, resource=resource, keys={team: "shop"})[0] is Verdict.ALLOWED
    assert said(own, resource=resource, keys={team: "till"})[0] is Verdict.NOT_GRANTED
    assert said(own, resource=resource, keys={team: "*"})[0] is Verdict.NOT_GRANTED
    decision = decide(statements_of(document(own)), Request("dynamodb:Query", resource))
    assert (decision.verdict, decision.undecided) == (Verdict.UNDECIDED, ("${aws:PrincipalTag/team}",))
    assert said(own, resource=TABLE)[0] is Verdict.NOT_GRANTED
    assert said(own, resource=resource, version="2008-10-17")[0] is Verdict.NOT_GRANTED
    other = statement(resource="arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team, 'shop'}-stock")
    assert said(other, resource=resource, keys={team: None})[0] is Verdict.ALLOWED
    assert said(own, resource=resource, keys={team: None})[0] is Verdict.UNDECIDED


def test_a_pattern_is_allowed_where_all_of_it_is():
    """All objects of a bucket aren't allowed by some of them, and it is open whether one of these was meant."""
    every = "arn:aws:s3:::photos/*"
    some = statement(action="s3:*", resource="arn:aws:s3:::photos/public/*")
    asked = {"action": "s3:GetObject", "resource": every, "pattern": True}
    assert said(statement(action="s3:*", resource="arn:aws:s3:::photos*"), **asked)[0] is Verdict.ALLOWED
    assert said(some, **asked) == (Verdict.UNDECIDED, "#1")
    assert said(statement(action="s3:*", resource="arn:aws:s3:::others/*"), **asked)[0] is Verdict.NOT_GRANTED
    hidden = statement("Deny", "s3:*", "arn:aws:s3:::photos/private/*")
    assert said(statement(action="s3:*", resource="*"), hidden, **asked) == (Verdict.UNDECIDED, "#2")


def test_a_boundary_allows_nothing_and_limits_everything():
    """What it doesn't grant isn't, and what it denies is denied."""
    wide, table = (
        statements_of(document(statement(action="*", resource="*"))),
        statements_of(document(statement())),
    )
    query = Request("dynamodb:Query", TABLE)
    assert decide(wide, query, boundary=table).allowed
    assert decide(table, query, boundary=wide).allowed
    out = decide(wide, Request("s3:GetObject", "arn:aws:s3:::b/k"), boundary=table)
    assert (out.verdict, out.bounded) == (Verdict.NOT_GRANTED, True)
    none = decide((), query, boundary=wide)
    assert (none.verdict, none.bounded) == (Verdict.NOT_GRANTED, False)
    deny = statements_of(document(statement("Deny", Sid="Never")), "boundary")
    denied = decide(wide, query, boundary=deny)
    assert (denied.verdict, str(denied.statement), denied.bounded) == (
        Verdict.DENIED,
        "Never of boundary",
        True,
    )
    doubtful = statements_of(document(statement(Condition=TEAM)))
    assert decide(wide, query, boundary=doubtful).verdict is Verdict.UNDECIDED
    assert decide(doubtful, query, boundary=wide).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("given_document", "message"),
    [
        ([], "orders: it isn't a policy: there is no Statement"),
        ({"Version": VERSION}, "orders: it isn't a policy: there is no Statement"),
        (document("Allow"), "orders: statement 1 isn't an object"),
        (document(statement(effect="allow")), "orders: statement #1: Effect is 'allow', and may be Allow or Deny"),
        (document(statement(Sid="A", Principal="*")), "orders: statement A has a Principal: it is the policy of a"),
        (document(statement(action=None)), "orders: statement #1 needs either Action or NotAction"),
        (document(statement(NotResource="*")), "orders: statement #1 needs either Resource or NotResource"),
        (document(statement(action=[])), "orders: statement #1: Action isn't a text or a list of texts"),
        (document(statement(resource=[{"Ref": "T"}])), "orders: statement #1: Resource isn't a text or a list"),
        (document(statement(Condition=["x"])), "orders: statement #1: Condition isn't operators with keys"),
        (document(statement(Condition={"Bool": "x"})), "orders: statement #1: Condition isn't operators with keys"),
    ],
)  # fmt: skip
def test_what_is_not_a_policy_of_a_role_is_refused(given_document, message):
    """With the policy, the statement and what is wrong with it."""
    with pytest.raises(PolicyError, match=f"^{re.escape(message)}"):
        statements_of(given_document, "orders")


# --- Properties -------------------------------------------------------------------------------------------------------

TEXTS = st.text("ab*?", max_size=6)


@settings(max_examples=400, deadline=None)
@given(TEXTS, TEXTS, st.lists(st.text("abc", max_size=5), max_size=20))
def test_one_pattern_fits_another_as_their_texts_do(one, other, texts):
    """All of it: no text of the other is outside; nothing of it: no text is in both."""
    fits = read(one).fits(read(other))
    for text in texts:
        in_one, in_other = (
            re.fullmatch(pattern.replace("*", ".*").replace("?", "."), text) is not None
            for pattern in (one, other)
        )
        assert read(one).fits(literal(text)) is in_one
        assert not (in_other and not in_one and fits)
        assert not (in_other and in_one and fits is False)


@given(TEXTS)
def test_every_pattern_fits_itself_and_is_in_a_star(text):
    """And what a `*` is in is nothing but one."""
    assert read(text).fits(read(text))
    assert read("*").fits(read(text))
    assert bool(read(text).fits(read("*"))) == (set(text) == {"*"})


@given(
    st.recursive(
        st.text() | st.none() | st.integers(), lambda it: st.lists(it) | st.dictionaries(st.text(), it)
    )
)
def test_no_document_raises_anything_else(value):
    """Whatever a file holds: statements, or a sentence about what is wrong."""
    for given_document in (
        value,
        {"Statement": value},
        document(statement(action=value)),
        document(statement(Condition=value)),
    ):
        with contextlib.suppress(PolicyError):
            decide(statements_of(given_document), Request("s3:GetObject", "*"))
