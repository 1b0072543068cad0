"""The page docs/local-cloud-coverage.md, made from the tables in code, so that the two can't differ.

python -m tests.local.coverage > docs/local-cloud-coverage.md
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from textwrap import dedent

from lambda_guard.local.aws import moto_server
from lambda_guard.local.deployable import _HONOURED as HONOURED
from lambda_guard.local.resources.making import TYPES

OPENING = """\
# What the local cloud has

For [the local cloud](local-cloud.md), from the tables that it works by: what runs for real, what [moto](https://docs.getmoto.org) answers, and what isn't there. `local up`
names whatever a template has beyond these tables in a warning, resource by resource and property by property.

- **Real**: functions, in AWS's own runtime client, with the events, attempts, deadlines and trace headers that AWS gives them
  ([each in detail](local-cloud.md#what-is-real-and-what-isnt)). It's the Lambda service and API Gateway that are lambda_guard's own.
- **moto's**: every other service. It answers any call that moto has, whether or not a template can declare its resource; [what is added](#added-to-moto) makes it deliver
  to functions.
- **Not there**: a property or type that stands nowhere on this page.
"""
CLIENTS = """\
## Clients

After `eval "$(lambda-guard local env)"` these need no option of their own. Tried with SQS, SNS, Lambda, DynamoDB and S3:

| client | |
| --- | --- |
| boto3 | any version that knows `AWS_ENDPOINT_URL` (1.28 and later) |
| AWS SDK for JavaScript, version 3 | as it is |
| AWS CLI | as it is; version 1 doesn't heed `AWS_ENDPOINT_URL` for SQS, which takes `--endpoint-url "$AWS_ENDPOINT_URL"` |
| lambda-guard | `invocations`, `trace`, `message`, `dlq` with names of functions, log groups and queues |
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = (CLIENTS, *_real(), *_motos(), *_events(), *_nothing(), *_added())
    return "\n".join([OPENING, *parts])


def _real() -> Iterator[str]:
    yield "## Resources that the local cloud runs itself\n\n| type | properties |\n| --- | --- |"
    for kind, properties in sorted(HONOURED["properties"].items()):
        yield f"| `{kind}` | {_ticked(properties)} |"
    for kind, properties in sorted(HONOURED["sam"].items()):
        yield f"| `{kind}` | {_ticked(properties)}, besides what becomes of it |"
    yield ""


def _motos() -> Iterator[str]:
    yield "## Resources that moto has\n"
    yield "With all properties that the operation has as parameters.\n"
    yield "| type | made by | without effect |\n| --- | --- | --- |"
    for kind, how in sorted(TYPES.items()):
        made = how["create"] if "." in how["create"] else f"{how['create']}.{how['then'][0]['call']}"
        yield f"| `{kind}` | `{_operation(made)}` | {_ticked(how.get('meaningless', ()))} |"
    yield ""


def _events() -> Iterator[str]:
    yield "## Events of functions\n\nAs SAM writes them; as plain CloudFormation, the resources that SAM makes of them.\n"
    yield "| event | properties |\n| --- | --- |"
    for kind, properties in HONOURED["events"].items():
        yield f"| `{kind}` | {_ticked(properties)} |"
    yield f"\nRules of EventBridge have targets of these services: {_ticked(HONOURED['targets'])}.\n"


def _nothing() -> Iterator[str]:
    yield "## Types without effect\n\n| type | why |\n| --- | --- |"
    for kind, reason in sorted(HONOURED["without_effect"].items()):
        yield f"| `{kind}` | {reason} |"
    yield ""


def _added() -> Iterator[str]:
    yield "## Added to moto\n"
    yield "What AWS documents and moto doesn't do: each is one function, which goes when moto does the same.\n"
    yield "| in code | what AWS says |\n| --- | --- |"
    for name in _installed():
        said = inspect.getdoc(getattr(moto_server, name))
        assert said, name
        first = " ".join(said.split("\n\n")[0].split()).removeprefix("AWS: ")
        pages = [word.rstrip(".,") for word in said.split() if word.startswith("https://docs.aws.amazon.com")]
        yield f"| `{name}` | {_cell(first)}{f' ([AWS]({pages[0]}))' if pages else ''} |"
    yield ""


def _installed() -> Iterator[str]:
    """Yield the functions that `install` calls, in their order."""
    [function] = ast.parse(dedent(inspect.getsource(moto_server.install))).body
    for statement in function.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield statement.value.func.id


def _operation(made: str) -> str:
    service, _, operation = made.partition(".")
    return f"{service}:{''.join(word.capitalize() for word in operation.split('_'))}"


def _ticked(names) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    sys.stdout.write(page())
