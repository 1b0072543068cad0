"""The items of docs/checklist.md, made from the checklist, so that the two can't differ.

python -m tests.tools.audit.page prints the page's part below its heading "The items".
"""

import sys
from collections.abc import Iterator

from lambda_guard.tools.audit.checklist import CHECKS, GROUPS, Check

HEADING = "## The items\n"
_TITLES = {
    "alarms": "Alarms",
    "failures": "Failed events of asynchronous functions and streams",
    "queues": "Queues",
    "code": "Code against template",
    "shifting": "Traffic shifting",
    "logs": "Traces and logs",
    "settings": "Settings",
    "IAM": "Permissions",
}


def items() -> str:
    """Return the items as Markdown."""
    return "\n".join(line for group in GROUPS for line in _group(group))


def _group(group: str) -> Iterator[str]:
    yield f"### {_TITLES[group]}\n"
    for check in CHECKS:
        if check.group == group:
            yield from _item(check)


def _item(check: Check) -> Iterator[str]:
    yield f"#### {check.rule}: {check.title}\n"
    yield f"- Without it: {_lower(check.why)}"
    yield f"- The audit sees: {check.sees}"
    mend = check.mend.replace("[", r"\[")  # which would begin a link
    yield f"- Write: {mend}"
    yield f"- A month: {check.cost or 'nothing'}"
    replaced = f"; in place of cfn-lint-serverless's {check.replaces}" if check.replaces else ""
    yield f"- Source: <{check.page}>{replaced}\n"


def _lower(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    return (
        text
        if first.isupper() or first in {"Lambda", "SQS", "FinalAttempts,"}
        else text[0].lower() + text[1:]
    )


if __name__ == "__main__":
    sys.stdout.write(items())
