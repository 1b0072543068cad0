"""The trace header: what is read, what is refused, what is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.propagation.header import TraceHeader, fields, from_w3c, parse

ROOT = "1-6742a1b5-0123456789abcdef01234567"
PARENT = "53995c3f42cd8ad8"
LINEAGE = "a87bd80c:1|68fd508a:5|c512fbe3:2"
USUAL = f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage={LINEAGE}"
W3C = "00-6742a1b50123456789abcdef01234567-53995c3f42cd8ad8-01"


class _Text(str):
    __slots__ = ()


class _Hostile:
    @property
    def __class__(self):
        raise RuntimeError("no class for you")


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (USUAL, TraceHeader(ROOT, PARENT, "1", LINEAGE)),
        (f"Root={ROOT}", TraceHeader(ROOT)),
        (f"Root={ROOT};Parent={PARENT};Sampled=0", TraceHeader(ROOT, PARENT, "0")),
        (f"Root={ROOT};Sampled=?", TraceHeader(ROOT, None, "?")),
        (f"Root={ROOT};Lineage={LINEAGE}", TraceHeader(ROOT, None, None, LINEAGE)),
        (f"Sampled=1;Parent={PARENT};Root={ROOT}", TraceHeader(ROOT, PARENT, "1")),
        (f"  Root = {ROOT} ; Parent={PARENT};  Sampled=1 \n", TraceHeader(ROOT, PARENT, "1")),
        (f"Root={ROOT};Parent=;Sampled=0", TraceHeader(ROOT, None, "0")),
        (f"Root={ROOT};Sampled=yes", TraceHeader(ROOT)),
        (f"Root={ROOT};;Parent={PARENT};", TraceHeader(ROOT, PARENT)),
        (f"Root={ROOT};word", TraceHeader(ROOT)),
        (
            f"Self=1-67891234-a;Root={ROOT};Via=a=b",
            TraceHeader(ROOT, extra=(("Self", "1-67891234-a"), ("Via", "a=b"))),
        ),
        (f"Root={ROOT};Root=1-00000000-{'0' * 24}", TraceHeader(ROOT)),
        (_Text(USUAL), TraceHeader(ROOT, PARENT, "1", LINEAGE)),
    ],
)
def test_reads_headers_as_services_write_them(text, header):
    """Fields count in any order and with blanks around them, unknown ones are kept, a first one wins."""
    assert parse(text) == header


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        b"Root=" + ROOT.encode(),
        17,
        ["Root=" + ROOT],
        "garbage",
        "Root",
        "Root=",
        f"Parent={PARENT};Sampled=1",
        ROOT,
        f"root={ROOT}",
        f"Root={ROOT.upper()}",
        f"Root={ROOT[:-1]}",
        f"Root={ROOT}0",
        f"Root={ROOT[:-1]}g",
        f"Root=2{ROOT[1:]}",
        "Root=dummy",
        f"Root={ROOT};Parent={PARENT[:-1]}",
        f"Root={ROOT};Parent={PARENT.upper()}",
        f"Root={ROOT};Parent=0x995c3f42cd8ad8",
        f"Root={ROOT};Parent={PARENT};X=a\r\nHost: evil",
        f"Root={ROOT};Parent={PARENT};X=é",
        f"Root={ROOT};Lineage={'a' * 1024}",
        f"Sampled=1;Root={ROOT};X={'a' * 1024}",
    ],
)
def test_refuses_what_is_no_header(text):
    """What isn't a string, lacks a well-formed root, has a malformed parent or unsafe characters is no header."""
    assert parse(text) is None


def test_reads_up_to_a_length():
    """A header of 1,024 characters is read, a longer one isn't, in whatever order its fields stand."""
    room = 1024 - len(f"Root={ROOT};Lineage=")
    assert parse(f"Root={ROOT};Lineage={'a' * room}") == TraceHeader(ROOT, lineage="a" * room)
    assert parse(f"Lineage={'a' * room};Root={ROOT}") == TraceHeader(ROOT, lineage="a" * room)
    assert parse(f"Root={ROOT};Lineage={'a' * (room + 1)}") is None
    assert parse(f"Lineage={'a' * (room + 1)};Root={ROOT}") is None


def test_an_object_that_hides_its_class_is_no_header():
    """Not even asking an object what it is can make the reading of headers raise."""
    assert parse(_Hostile()) is None
    assert from_w3c(_Hostile()) is None


ANYTHING = st.none() | st.integers() | st.floats() | st.binary() | st.lists(st.text()) | st.text()


@given(
    ANYTHING
    | st.builds(lambda head, rest: head + rest, st.sampled_from([USUAL, W3C, f"Root={ROOT};"]), st.text())
)
def test_never_raises(text):
    """Reading a header, of either kind, gives a header or None for any object."""
    assert all(isinstance(found, TraceHeader | None) for found in (parse(text), from_w3c(text)))


HEX = "0123456789abcdef"
_VISIBLE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=";="), min_size=1, max_size=20
)
HEADERS = st.builds(
    TraceHeader,
    st.builds("1-{}-{}".format, st.text(HEX, min_size=8, max_size=8), st.text(HEX, min_size=24, max_size=24)),
    st.none() | st.text(HEX, min_size=16, max_size=16),
    st.sampled_from([None, "0", "1", "?"]),
    st.none() | _VISIBLE,
    st.lists(
        st.tuples(
            _VISIBLE.filter(lambda name: name not in ("Root", "Parent", "Sampled", "Lineage")), _VISIBLE
        ),
        max_size=4,
    ).map(tuple),
)


@given(HEADERS)
def test_text_and_parse_are_inverse(header):
    """A header that is written reads as the same header."""
    assert parse(header.text()) == header


@given(HEADERS.filter(lambda header: header.parent and set(header.parent) != {"0"}))
def test_w3c_keeps_trace_parent_and_decision(header):
    """In its W3C form a header has the same trace, the same parent and the same decision."""
    if set(header.root) <= set("1-0"):
        header = header._replace(root=ROOT)
    traceparent = (
        f"00-{header.root[2:].replace('-', '')}-{header.parent}-{'01' if header.is_sampled else '00'}"
    )
    assert from_w3c(traceparent) == TraceHeader(header.root, header.parent, "1" if header.is_sampled else "0")
    assert header.w3c() == traceparent


def test_w3c_needs_a_parent():
    """Without a parent there is no `traceparent`."""
    assert TraceHeader(ROOT).w3c() is None


@pytest.mark.parametrize(
    ("traceparent", "header"),
    [
        (W3C, TraceHeader(ROOT, PARENT, "1")),
        (W3C[:-2] + "00", TraceHeader(ROOT, PARENT, "0")),
        (W3C[:-2] + "10", TraceHeader(ROOT, PARENT, "0")),
        (W3C[:-2] + "g1", None),
        ("01" + W3C[2:], TraceHeader(ROOT, PARENT, "1")),
        (W3C[:-2] + "03", TraceHeader(ROOT, PARENT, "1")),
        (f" {W3C}\n", TraceHeader(ROOT, PARENT, "1")),
        ("01" + W3C[2:] + "-later-fields", TraceHeader(ROOT, PARENT, "1")),
        ("ff" + W3C[2:], None),
        (W3C + "-more", None),
        ("01" + W3C[2:] + "x", None),
        (W3C.upper(), None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{ROOT[2:10]}{ROOT[11:]}-{'0' * 16}-01", None),
        (W3C.replace("-", "_"), None),
        (W3C[:-2] + "0g", None),
        ("gg" + W3C[2:], None),
        (W3C[:-1], None),
        ("", None),
        (None, None),
    ],
)
def test_reads_traceparent_as_the_specification_has_it(traceparent, header):
    """Version 00 is read to the letter, later versions up to their further fields, anything invalid not at all."""
    assert from_w3c(traceparent) == header


def test_fields_are_read_as_they_stand():
    """For what others wrote, each field is had, well-formed or not, the first of its name; what has no name isn't one."""
    assert fields(USUAL) == {"Root": ROOT, "Parent": PARENT, "Sampled": "1", "Lineage": LINEAGE}
    assert fields(" Root = 1 ;Root=2;Parent=;=x;word; Self=a=b") == {"Root": "1", "Parent": "", "Self": "a=b"}
    assert fields(None) == fields("") == {}


def test_other_parent_and_lineage():
    """A header with another parent or lineage is the same otherwise, and the first one stays as it was."""
    header = TraceHeader(ROOT, PARENT, "1", LINEAGE, (("Self", "x"),))
    assert header.with_parent("0" * 16) == TraceHeader(ROOT, "0" * 16, "1", LINEAGE, (("Self", "x"),))
    assert header.with_lineage(None) == TraceHeader(ROOT, PARENT, "1", None, (("Self", "x"),))
    assert header == TraceHeader(ROOT, PARENT, "1", LINEAGE, (("Self", "x"),))


def test_is_immutable():
    """A header can't be changed, nor given further attributes."""
    header = TraceHeader(ROOT)
    with pytest.raises(AttributeError):
        header.parent = PARENT
    with pytest.raises(AttributeError):
        header.note = "x"


@pytest.mark.parametrize(("sampled", "recorded"), [("1", True), ("0", False), ("?", False), (None, False)])
def test_is_sampled_only_where_it_was_decided(sampled, recorded):
    """Only `Sampled=1` counts as sampled."""
    assert TraceHeader(ROOT, PARENT, sampled).is_sampled is recorded
