"""Text is inserted into templates, and nothing else changes: comments, order, style, line ends."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard.templates.marks import written
from lambda_guard.tools.harden.insertion import RefusedError, inserted

PROPERTIES = ("Resources", "Orders", "Properties")
BLOCK = {
    "Tracing": "Active",
    "DeadLetterQueue": {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Letters", "Arn"]}},
}
LINES = """\
      Tracing: Active
      DeadLetterQueue:
        Type: SQS
        TargetArn: !GetAtt Letters.Arn
"""
HEAD = "Transform: AWS::Serverless-2016-10-31   # by hand\nResources:\n  # takes orders\n  Orders:\n    Type: AWS::Serverless::Function\n"
STYLES = {
    "plain": f"{HEAD}    Properties:\n      Handler: app.handler  # here\n",
    "more behind": f"{HEAD}    Properties:\n      Handler: app.handler\n\n  # the next\n  Letters:\n    Type: AWS::SQS::Queue\n",
    "a nested end": f"{HEAD}    Properties:\n      Events:\n        E:\n          Type: Api\n    Metadata:\n      A: 1\n",
    "a list at the end": f"{HEAD}    Properties:\n      Layers:\n      - a\n      - b # last\n",
    "a block scalar at the end": f"{HEAD}    Properties:\n      InlineCode: |\n        def handler(event, context):\n            pass\n\nOutputs: {{}}\n",
    "a folded scalar": f"{HEAD}    Properties:\n      Description: >-\n        takes\n        orders\n",
    "a short intrinsic": f"{HEAD}    Properties:\n      Role: !GetAtt Role.Arn\n",
    "no newline at the end": f"{HEAD}    Properties:\n      Handler: app.handler",
    "a quoted text over lines": f'{HEAD}    Properties:\n      Description: "takes\n        orders"\n',
    "trailing spaces": f"{HEAD}    Properties:\n      Handler: app.handler   \n   \n\n",
    "a document end": f"{HEAD}    Properties:\n      Handler: app.handler\n...\n",
    "indented by four": "Resources:\n    Orders:\n        Type: T\n        Properties:\n            Handler: a.b\n",
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_only_the_block_is_new(text):
    """What is left when the inserted lines are taken out is the old text, to the last character."""
    new = inserted(text, PROPERTIES, BLOCK)
    document = written("", new).document["Resources"]["Orders"]["Properties"]
    assert {key: document[key] for key in BLOCK} == BLOCK
    old, kept = text.splitlines(), new.splitlines()
    added = [line for line in kept if line.strip() in {each.strip() for each in LINES.splitlines()}]
    assert len(added) == 4
    assert [line for line in kept if line not in added] == old


def test_it_looks_as_a_person_would_write_it():
    """In the indentation of its neighbours, with short intrinsics."""
    new = inserted(STYLES["plain"], PROPERTIES, BLOCK)
    assert new == STYLES["plain"] + LINES


def test_line_ends_of_windows_stay():
    """And the inserted lines have them, too."""
    text = STYLES["more behind"].replace("\n", "\r\n")
    new = inserted(text, PROPERTIES, BLOCK)
    assert new.replace("\r\n", "").count("\n") == 0
    assert new.replace("\r\n", "\n") == inserted(STYLES["more behind"], PROPERTIES, BLOCK)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Resources: {Orders: {Type: T, Properties: {A: 1}}}",
            'Resources: {Orders: {Type: T, Properties: {A: 1, "B": {"Ref": "C"}}}}',
        ),
        (
            "Resources: {Orders: {Type: T, Properties: {}}}",
            'Resources: {Orders: {Type: T, Properties: {"B": {"Ref": "C"}}}}',
        ),
        (
            "Resources: {Orders: {Type: T}}",
            'Resources: {Orders: {Type: T, "Properties": {"B": {"Ref": "C"}}}}',
        ),
    ],
)
def test_flow_style(text, expected):
    """Within the braces."""
    assert inserted(text, PROPERTIES, {"B": {"Ref": "C"}}) == expected


def test_json_stays_json():
    """On lines of its own, as its neighbours are."""
    text = json.dumps({"Resources": {"Orders": {"Type": "T", "Properties": {"A": 1}}}}, indent=2) + "\n"
    new = inserted(text, PROPERTIES, {"B": {"Ref": "C"}})
    assert json.loads(new)["Resources"]["Orders"]["Properties"] == {"A": 1, "B": {"Ref": "C"}}
    assert '        "A": 1,\n        "B": {"Ref": "C"}\n' in new


def test_mappings_that_are_there_are_extended():
    """What is there stays; only what lacks is written; a second time nothing is."""
    text = f"{HEAD}    Properties:\n      LoggingConfig:\n        LogFormat: JSON\n      Handler: a.b\n"
    block = {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": "Logs"}}, "Tracing": "Active"}
    new = inserted(text, PROPERTIES, block)
    assert (
        "        LogFormat: JSON\n        LogGroup: !Ref Logs\n      Handler: a.b\n      Tracing: Active\n"
        in new
    )
    assert inserted(new, PROPERTIES, block) == new


def test_properties_that_are_missing_are_made():
    """A function may have its type alone."""
    new = inserted(HEAD, PROPERTIES, {"Tracing": "Active"})
    assert new == f"{HEAD}    Properties:\n      Tracing: Active\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            f"{HEAD}    Properties:\n      Tracing: PassThrough\n",
            "Properties.Tracing is there, and says something else",
        ),
        (
            f"{HEAD}    Properties:\n      Tracing: !Ref Mode\n",
            "Properties.Tracing is there, and says something else",
        ),
        (f"{HEAD}    Properties: !If [A, {{}}, {{}}]\n", "isn't a mapping"),
        (
            f"{HEAD}    Properties:\n      InlineCode: |\n        pass",
            "written in a way that nothing can be inserted",
        ),
        (
            "A: &a {B: 1}\nResources:\n  Orders:\n    Type: T\n    Properties: *a\n  Other:\n    Type: T\n    Properties: *a\n",
            "written in a way",
        ),
    ],
)
def test_what_would_change_something_else_is_refused(text, why):
    """With the block to paste, and the text as it was."""
    with pytest.raises(RefusedError, match=why) as caught:
        inserted(text, PROPERTIES, {"Tracing": "Active"})
    assert caught.value.block == "Tracing: Active\n"


KEYS = st.text("abcdefg", min_size=1, max_size=3)
VALUES = st.recursive(
    st.one_of(
        st.integers(0, 9),
        st.booleans(),
        st.text(max_size=8),
        st.just({"Ref": "A"}),
        st.just({"Fn::Sub": "${A}:b"}),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)


@given(
    block=st.dictionaries(st.text("xyz", min_size=1, max_size=3), VALUES, min_size=1, max_size=3),
    style=st.sampled_from(sorted(STYLES)),
)
def test_any_block_into_any_style(block, style):
    """The new text says the old and the block, or it is refused; never anything else."""
    text = STYLES[style]
    expected = written("", text).document
    try:
        new = inserted(text, PROPERTIES, block)
    except RefusedError:
        return
    expected["Resources"]["Orders"]["Properties"] |= block
    assert written("", new).document == json.loads(json.dumps(expected))


EXAMPLES = sorted(Path(__file__).parents[3].glob("examples/**/template*.y*ml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.parent.name for path in EXAMPLES])
def test_templates_of_ours(path):
    """Each of their functions takes a block."""
    text = path.read_text(encoding="utf-8")
    for name, resource in written(str(path), text).document["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            new = inserted(text, ("Resources", name, "Properties"), {"Zzz": {"Ref": "A"}})
            assert len(new.splitlines()) == len(text.splitlines()) + 1
