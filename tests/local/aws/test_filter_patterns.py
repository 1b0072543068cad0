"""Filter patterns of CloudWatch Logs, as AWS's page of them has them."""

import json

import pytest

from lambda_guard.local.aws.filter_patterns import matcher

LINE = "[ERROR 400] BAD REQUEST of o-1"
RECORD = json.dumps(
    {"level": "ERROR", "ms": 12.5, "n": 7, "ok": False, "none": None, "a": {"b": [{"c": "x"}, {"c": "y"}]}}
)


@pytest.mark.parametrize(
    ("pattern", "line", "matches"),
    [
        ("", LINE, True),
        (" ", LINE, True),
        ("ERROR", LINE, True),
        ("error", LINE, False),
        ("ERROR REQUEST", LINE, True),
        ("ERROR missing", LINE, False),
        ('"BAD REQUEST"', LINE, True),
        ('"REQUEST BAD"', LINE, False),
        ("?missing ?BAD", LINE, True),
        ("?missing ?absent", LINE, False),
        ("ERROR -BAD", LINE, False),
        ("ERROR -GOOD", LINE, True),
        ('ERROR -"BAD REQUEST"', LINE, False),
        ("?missing ERROR", LINE, True),  # "?" is ignored beside other terms
        (r"%o-\d%", LINE, True),
        (r"%^\d%", LINE, False),
        ("{ $.level = ERROR }", RECORD, True),
        ('{ $.level = "ERR*" }', RECORD, True),
        ('{ $.level = "RR*" }', RECORD, False),
        ('{ $.level != "INFO" }', RECORD, True),
        ("{ $.level = %^ERR% }", RECORD, True),
        ("{ $.ms > 12 }", RECORD, True),
        ("{ $.ms >= 12.5 && $.n < 8 }", RECORD, True),
        ("{ $.ms > 12 && $.n < 7 }", RECORD, False),
        ("{ $.n < 7 || $.ms = 12.5 }", RECORD, True),
        ("{ ($.n < 7 || $.ms = 12.5) && $.level = INFO }", RECORD, False),
        ("{ $.ok IS FALSE }", RECORD, True),
        ("{ $.ok is true }", RECORD, False),
        ("{ $.none IS NULL }", RECORD, True),
        ("{ $.other NOT EXISTS }", RECORD, True),
        ("{ $.none NOT EXISTS }", RECORD, False),
        ("{ $.other = 1 }", RECORD, False),
        ("{ $.a.b[1].c = y }", RECORD, True),
        ("{ $.a.b[0].c = y }", RECORD, False),
        ("{ $.a.b[*].c = y }", RECORD, True),
        ("{ $.level = * }", RECORD, True),
        ("{ $.level = ERROR }", "no JSON, ERROR", False),
        ("{ $.level = ERROR }", "[1]", False),
    ],
)
def test_a_pattern_matches_what_aws_says(pattern, line, matches):
    """Terms, phrases, alternatives, exclusions, regular expressions; conditions with their precedence."""
    assert matcher(pattern)(line) is matches


@pytest.mark.parametrize(
    "pattern",
    ["[ip, user, status = 4*]", "{ $.level = ERROR", "{ level = ERROR }", "{ $.level }", "{ }", "{ $.a = 1 $.b = 2 }",
     "{ ($.a = 1 }", "{ $.a > x }", "{ $.a ~ 1 }"],
)  # fmt: skip
def test_a_wrong_pattern_says_how_one_is_written(pattern):
    """What can't be read is an error: never a pattern that matches everything or nothing."""
    with pytest.raises(ValueError, match=r"space-delimited|brace|written like|compares numbers"):
        matcher(pattern)
