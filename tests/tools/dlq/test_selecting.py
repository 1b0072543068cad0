"""Filters and packing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.dlq.letter import Failure, Letter, Origin
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.sending import BYTES_MOST, ENTRIES_MOST, message_bytes, pack
from lambda_guard.tools.dlq.where import Filter

NOW = 1_790_000_000_000.0
LETTER = Letter(
    Message(
        "m-1",
        '{"order": {"price": 12, "tags": []}}',
        {"SentTimestamp": str(int(NOW - 3_600_000)), "ApproximateReceiveCount": "3", "MessageGroupId": "g"},
        {"tenant": {"DataType": "String", "StringValue": "blue"}},
    ),
    Origin.QUEUE,
    '{"order": {"price": 12, "tags": []}}',
    Failure(type="KeyError", message="'sku'", fingerprint="f00", function="billing", version="7"),
)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("error=KeyError", True), ("error=f00", True), ("error=KeyError: 'sku'", True), ("error=ValueError", False),
        ("error~SKU", True), ("error!=ValueError", True), ("fingerprint=f00", True), ("function = billing", True),
        ("version=8", False), ("origin=queue", True), ("age>30m", True), ("age>2h", False), ("age<=1h", True),
        ("receives>=3", True), ("receives!=3", False), ("group=g", True), ("attribute.tenant=blue", True),
        ("attribute.tenant~red", False), ("id=m-1", True),
    ],
)  # fmt: skip
def test_a_condition_holds_or_not(condition, holds):
    """Texts are compared as a whole or by a part, ages and counts as numbers."""
    assert Filter.parse([condition]).passes(LETTER, NOW) is holds


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("order.price > `10`", True),
        ("order.tags", False),
        ("nothing", False),
        ("`0`", True),
        ("length(order.price)", False),
    ],
)
def test_an_expression_is_asked_of_the_event(expression, holds):
    """With JMESPath's own truth; an event of another shape is not meant, which is no error."""
    assert Filter.parse([], match=expression).passes(LETTER, NOW) is holds


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"conditions": ["nonsense"]}, "invalid condition 'nonsense'"),
        (
            {"conditions": ["colour=red"]},
            "unknown key 'colour': letters are selected by age, receives, error",
        ),
        ({"conditions": ["error>3"]}, "error is text"),
        ({"conditions": ["age~3h"]}, "age is a number"),
        ({"conditions": ["age>soon"]}, "> compares numbers and durations"),
        ({"conditions": ["age=30"]}, "invalid duration '30'"),
        ({"conditions": ["receives=many"]}, "write a whole number"),
        ({"conditions": [], "match": "a["}, "invalid JMESPath expression"),
    ],
)
def test_what_cannot_be_read_is_said(typed, said):
    """A mistyped filter must not select everything."""
    with pytest.raises(Exception, match=said.replace("[", r"\[")) as caught:
        Filter.parse(**typed)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, LambdaGuardError)


@given(st.lists(st.tuples(st.integers(0, BYTES_MOST), st.sampled_from(["", "a", "b"])), max_size=40))
def test_batches_keep_order_limits_and_groups(items):
    """Ten at most, 1 MiB together at most, one of an ordered group; nothing is lost and nothing overtakes."""
    batches = list(pack(items, lambda item: item[0], lambda item: item[1]))
    assert [item for batch in batches for item in batch] == items
    for batch in batches:
        groups = [group for _, group in batch if group]
        assert 1 <= len(batch) <= ENTRIES_MOST
        assert len(groups) == len(set(groups))
        assert len(batch) == 1 or sum(size for size, _ in batch) <= BYTES_MOST


def test_bytes_are_counted_as_sqs_does():
    """Body in UTF-8, and name, type and value of each attribute."""
    attributes = {
        "ä": {"DataType": "Binary", "BinaryValue": b"123"},
        "n": {"DataType": "Number", "StringValue": "10"},
    }
    assert message_bytes("ü", attributes) == 2 + (2 + 6 + 3) + (1 + 6 + 2)
