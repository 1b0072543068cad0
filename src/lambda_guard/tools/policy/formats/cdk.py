"""For the CDK, in Python: statements to be added to the function's role. Pure.

https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_iam/PolicyStatement.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent

from lambda_guard.tools.policy.formats.made import Made, comment
from lambda_guard.tools.policy.statements import Statement

_HEAD = '''\
from aws_cdk import aws_iam as iam


def statements() -> list[iam.PolicyStatement]:
    """Return the statements: `for it in statements(): function.add_to_role_policy(it)`."""
    return [
'''


def cdk(made: Made) -> str:
    """Return a module of Python. CDK splits what is too large for a role by itself."""
    body = "".join(
        f"{comment(it.why)}iam.PolicyStatement(\n{''.join(_arguments(it))}),\n" for it in made.statements
    )
    return f"{made.head()}{_HEAD}{indent(body, ' ' * 8)}    ]\n"


def _arguments(it: Statement) -> Iterator[str]:
    yield f"    sid={_literal(it.sid)},\n"
    yield f"    actions={_list(it.actions)},\n"
    yield f"    resources={_list(it.resources)},\n"
    if it.condition:
        yield f"    conditions={_conditions(it.condition)},\n"


def _list(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return f"[{_literal(texts[0])}]"
    return "[\n" + "".join(f"        {_literal(text)},\n" for text in texts) + "    ]"


def _conditions(condition: Mapping[str, Mapping[str, str]]) -> str:
    return _mapping(
        {
            test: _mapping({key: _literal(one) for key, one in keys.items()})
            for test, keys in condition.items()
        }
    )


def _mapping(entries: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{_literal(key)}: {value}' for key, value in entries.items())}}}"


def _literal(text: str) -> str:
    """Return a string literal in ASCII: JSON's, which is Python's but for what lies beyond four hexadecimal digits."""
    return json.dumps(text) if max(text, default="") <= "\uffff" else ascii(text)
