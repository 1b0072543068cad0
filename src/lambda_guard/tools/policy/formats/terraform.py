"""For Terraform: a policy document in HCL, and what gives it to the function's role. Pure.

https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document,
https://developer.hashicorp.com/terraform/language/expressions/strings
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import indent
from typing import Final

from lambda_guard.tools.policy.formats.made import Made, comment
from lambda_guard.tools.policy.statements import Statement

_ESCAPED: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_TEMPLATE: Final = re.compile(r"[$%](?=\{)")


def terraform(made: Made) -> str:
    """Return a module in HCL, formatted as `terraform fmt` would."""
    name = _identifier(made.function)
    names = [f"{name}_{number}" for number in range(1, len(made.parts) + 1)] if made.managed else [name]
    blocks = [_variable(name, made.function)]
    for one, part in zip(names, made.parts, strict=True):
        blocks.append(_document(one, part))
        blocks += _attached(one, name) if made.managed else [_inline(one)]
    return made.head() + "\n".join(blocks)


def _identifier(name: str) -> str:
    return name if re.match("[A-Za-z_]", name) else f"function_{name}"


def _variable(name: str, function: str) -> str:
    return _block(
        f'variable "{name}_role"',
        [("type", "string"), ("description", quoted(f"The name of the role of {function}."))],
    )


def _document(name: str, part: Sequence[Statement]) -> str:
    statements = "\n".join(
        indent(comment(it.why) + _block("statement", _arguments(it), _conditions(it)), "  ") for it in part
    )
    return f'data "aws_iam_policy_document" "{name}" {{\n{statements}}}\n'


def _arguments(it: Statement) -> list[tuple[str, str]]:
    return [
        ("sid", quoted(it.sid)),
        ("effect", quoted("Allow")),
        ("actions", _list(it.actions)),
        ("resources", _list(it.resources)),
    ]


def _conditions(it: Statement) -> Iterator[str]:
    for test, keys in it.condition.items():
        for key, value in keys.items():
            rows = [("test", quoted(test)), ("variable", quoted(key)), ("values", _list([value]))]
            yield _block("condition", rows)


def _inline(name: str) -> str:
    rows = [
        ("name", quoted(name)),
        ("role", f"var.{name}_role"),
        ("policy", f"data.aws_iam_policy_document.{name}.json"),
    ]
    return _block(f'resource "aws_iam_role_policy" "{name}"', rows)


def _attached(name: str, function: str) -> Iterator[str]:
    rows = [("name", quoted(name)), ("policy", f"data.aws_iam_policy_document.{name}.json")]
    yield _block(f'resource "aws_iam_policy" "{name}"', rows)
    rows = [("role", f"var.{function}_role"), ("policy_arn", f"aws_iam_policy.{name}.arn")]
    yield _block(f'resource "aws_iam_role_policy_attachment" "{name}"', rows)


def _block(head: str, rows: Sequence[tuple[str, str]], inner: Iterable[str] = ()) -> str:
    """Return a block; of rows one after the other on single lines, the equals signs are below each other."""
    lines = list[str]()
    for of_one_line, run in groupby(rows, key=lambda row: "\n" not in row[1]):
        some = list(run)
        width = max(len(key) for key, _ in some) if of_one_line else 0
        lines += [f"{key:{width}} = {value}\n" for key, value in some]
    body = "".join(lines) + "".join(f"\n{block}" for block in inner)
    return f"{head} {{\n{indent(body, '  ')}}}\n"


def _list(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"[{quoted(texts[0])}]"
    return "[\n" + "".join(f"  {quoted(text)},\n" for text in texts) + "]"


def quoted(text: str) -> str:
    """Return a string literal of HCL: no quote, line end or `${` in it means anything."""
    safe = "".join(_ESCAPED.get(char) or (char if char.isprintable() else _code(char)) for char in text)
    return f'"{_TEMPLATE.sub(lambda found: _code(found[0]), safe)}"'


def _code(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004 - four digits
