"""What is written as YAML says what it was given, to any reader of CloudFormation's."""

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.templates.marks import compose, value_of
from lambda_guard.templates.writing import as_yaml

TEXTS = st.text() | st.text("!'\"Ref: -#\n{}[]&*$%@`\\ \t\x85\u2028ab0.")
INTRINSICS = st.builds(
    lambda name, text: {name: text}, st.sampled_from(["Ref", "Fn::Sub", "Fn::GetAtt"]), TEXTS
) | st.builds(lambda *parts: {"Fn::GetAtt": list(parts)}, TEXTS, TEXTS)
VALUES = st.recursive(
    TEXTS | INTRINSICS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3))
def test_it_is_read_as_it_was(document):
    """Quotes, line ends, tags and braces in names and values never break out; each text stays on one line."""
    for short in (True, False):
        text = as_yaml(document, short=short)
        assert value_of(compose(text)) == document
    assert yaml.safe_load(text) == document


def test_intrinsics_are_short_and_unquoted():
    """As a person writes them; a text that only looks like one stays as it is."""
    document = {"A": {"Fn::GetAtt": ["Stock", "Arn"]}, "B": {"Ref": "AWS::Region"}, "C": "a !Ref 'Stock'"}
    assert as_yaml(document) == "A: !GetAtt Stock.Arn\nB: !Ref AWS::Region\nC: a !Ref 'Stock'\n"
