"""Exceptions in words."""

import traceback

import pytest

from lambda_guard.failure import exceptions


def raised(error, depth=0):
    """Return an exception after it has been raised, `depth` frames deep."""

    def deeper(left):
        if left:
            deeper(left - 1)
        raise error

    try:
        deeper(depth)
    except BaseException as caught:
        return caught


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class NamelessError(Exception):
    __module__ = None


def test_the_fields_of_a_line():
    """Text as Python shows it, the type, and the frames as values."""
    error = raised(KeyError("id"), 1)
    fields = exceptions.fields(error)
    first = raised.__code__.co_firstlineno
    assert fields["exception"] == "".join(traceback.format_exception(error)).rstrip()
    assert fields["exception_name"] == "KeyError"
    assert fields["stack_trace"] == {
        "type": "KeyError",
        "value": "'id'",
        "module": "builtins",
        "frames": [
            {"file": __file__, "line": first + 9, "function": "raised"},
            {"file": __file__, "line": first + 5, "function": "deeper"},
            {"file": __file__, "line": first + 6, "function": "deeper"},
        ],
    }


def test_causes_are_in_the_text():
    """`raise … from` and what was being handled are told as Python tells them."""
    error = ValueError("outer")
    error.__cause__ = raised(KeyError("inner"))
    fields = exceptions.fields(raised(error))
    assert "KeyError: 'inner'" in fields["exception"]
    assert "direct cause" in fields["exception"]


def test_a_record_names_places_in_one_line_each():
    """The stack of the invocation record is for reading: file, line, function, outermost first."""
    first = raised.__code__.co_firstlineno
    found = exceptions.as_record(raised(ValueError("refused")))
    assert len(found.pop("fingerprint")) == 16
    assert found == {
        "type": "ValueError",
        "message": "refused",
        "stack": [f"test_exceptions.py:{first + 9} in raised", f"test_exceptions.py:{first + 6} in deeper"],
    }


def test_a_long_stack_keeps_its_ends():
    """Ten frames from the outside, forty from where it happened."""
    frames = exceptions.frames(raised(ValueError(), 300).__traceback__)
    assert len(frames) == 50
    assert frames[0][2] == "raised"
    assert frames[-1][1] == raised.__code__.co_firstlineno + 6


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("x" * 10_000), "x" * 4096 + "… (+5904 characters)"),
        (WordlessError(), "<WordlessError: str() raised RuntimeError>"),
        (ValueError(), ""),
        (ValueError("\ud800\n"), "\ud800\n"),
        (KeyError("a"), "'a'"),
    ],
)
def test_what_an_exception_says(error, message):
    """Cut where it is long, named where it can't speak."""
    assert exceptions.message(error) == message


def test_groups_have_an_end():
    """Twenty parts a group, and a few groups deep."""
    group = ExceptionGroup("wide", [ValueError(str(number)) for number in range(100)])
    for number in range(10):
        group = ExceptionGroup(f"deep {number}", [group])
    trace = exceptions.fields(group)["stack_trace"]
    depth = 0
    while "exceptions" in trace:
        trace = trace["exceptions"][0]
        depth += 1
    assert depth == 3
    wide = exceptions.fields(ExceptionGroup("wide", [ValueError(str(number)) for number in range(100)]))[
        "stack_trace"
    ]
    assert len(wide["exceptions"]) == 20


def test_an_exception_without_a_traceback():
    """One that was never raised, or whose class has no module, is told as well."""
    assert exceptions.fields(ValueError("new"))["stack_trace"]["frames"] == []
    assert exceptions.as_record(NamelessError("x"))["stack"] == []
    assert exceptions.fields(NamelessError("x"))["exception_name"] == "NamelessError"


@pytest.mark.parametrize("nothing", [(None, None, None), True, (), ("x",)])
def test_where_there_is_no_exception(nothing):
    """`exc_info` without an exception says nothing."""
    assert exceptions.fields(nothing) == {}


def test_the_one_that_is_being_handled():
    """`exc_info=True` means the exception at hand."""
    try:
        {}["a"]
    except KeyError:
        assert exceptions.fields(True)["exception_name"] == "KeyError"
