"""JSON that is always written."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard._json import cut, encodable, encode, fit, text


class Bad:
    def __str__(self):
        raise ValueError("no")


def test_what_json_knows_is_written_compactly():
    """No blanks, letters as they are, one line."""
    assert (
        encode({"a": [1, 2.5, None, True], "é": "line\nbreak"})
        == '{"a":[1,2.5,null,true],"é":"line\\nbreak"}'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "nan"),
        ([-math.inf], ["-inf"]),
        (Decimal("1.0"), "1.0"),
        ({1: 2, None: 3, 1.5: 4}, {"1": 2, "null": 3, "1.5": 4}),
        ({(1, 2): math.nan}, {"(1, 2)": "nan"}),
        (Bad(), "<Bad: str() raised ValueError>"),
        (
            {"bad": Bad(), "nan": math.nan, "good": 1},
            {"bad": "<Bad: str() raised ValueError>", "nan": "nan", "good": 1},
        ),
        (bytearray(b"\x00a"), "\x00a"),
        (10**4000, 10**4000),
    ],
)
def test_what_json_has_no_word_for_is_described(value, written):
    """The value's neighbours are not harmed."""
    assert json.loads(encode(value)) == written


def test_lone_surrogates_can_be_written_to_any_stream():
    """They are escaped, and come back as they were."""
    line = encode({"a": "x\ud800y\udfff", "b": "é"})
    assert line.encode("utf-8").isascii() is False
    assert json.loads(line) == {"a": "x\ud800y\udfff", "b": "é"}
    assert encodable("plain é") == "plain é"


def test_text_is_cut_with_a_note():
    """What is missing is said."""
    assert text("x" * 5, 10) == "xxxxx"
    assert cut("x" * 15, 10) == "xxxxxxxxxx… (+5 characters)"
    assert text(Bad()) == "<Bad: str() raised ValueError>"


def test_fit_leaves_a_small_document_alone():
    """Nothing is shortened that fits."""
    assert fit({"a": "x" * 100}, 1000) == encode({"a": "x" * 100})


def test_fit_keeps_short_texts():
    """Ids, names and numbers stay; long texts and lists go."""
    document = {
        "id": "i-1",
        "text": "é" * 100_000,
        "lines": [{"id": str(number), "text": "y" * 500} for number in range(1000)],
        "deep": {"list": ["z" * 300] * 1000},
        "number": 3,
    }
    line = fit(document, 20_000)
    assert len(line.encode()) <= 20_000
    found = json.loads(line)
    assert (found["id"], found["number"], found["truncated"]) == ("i-1", 3, True)
    assert found["lines"][0]["id"] == "0"


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.builds(Bad),
              st.characters(categories=["Cs"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.text(), st.integers(), st.none(), st.tuples()), inner)
    ),
    max_leaves=20,
)  # fmt: skip


@given(ANY)
def test_anything_is_one_line_of_json(value):
    """It parses, has no line break, and any UTF-8 stream takes it."""
    line = encode(value)
    json.loads(line)
    assert "\n" not in line
    line.encode()


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=20,
)


@given(JSON)
def test_what_json_knows_comes_back(value):
    """Round trip."""
    assert json.loads(encode(value)) == value


@given(st.dictionaries(st.text(max_size=300), JSON, max_size=6), st.integers(2_000, 20_000))
def test_anything_fits(document, most):
    """Whatever is in a document, its line parses; a long one says that it was shortened."""
    line = fit(document, most)
    assert isinstance(json.loads(line), dict)


def test_what_can_not_be_cut_fits_all_the_same():
    """Ten thousand short texts, keys without end, depth: the line ends up within its limit."""
    for document in (
        {f"key {number}": "short" for number in range(10_000)},
        {"k" * 100_000: 1},
        {"a": [["b" * 100] * 100] * 100},
        {"id": "i-1", "deep": [[[[["x" * 200] * 50] * 50]]]},
    ):
        line = fit(document, 60_000)
        assert len(line.encode()) <= 60_000
        assert json.loads(line)["truncated"] is True
