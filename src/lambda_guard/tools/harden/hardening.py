"""From a template's text to the text with what the checklist misses, finding by finding."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from lambda_guard.templates.marks import written
from lambda_guard.templates.survey.reading import survey
from lambda_guard.tools.audit.auditing import audit
from lambda_guard.tools.audit.findings import Finding, Subject
from lambda_guard.tools.harden.blocks import FUNCTION, MENDS, Asked, Block
from lambda_guard.tools.harden.insertion import RefusedError, as_yaml, inserted
from lambda_guard.tools.harden.settings import Settings


@dataclass(frozen=True, slots=True)
class Refused:
    """A finding whose blocks couldn't be inserted: why, and what to paste where."""

    finding: Finding
    why: str
    blocks: tuple[Block, ...]

    def text(self) -> str:
        """Return the blocks as text to paste."""
        return "\n".join(
            f"# into {'.'.join(map(str, it.steps))}\n{as_yaml(it.content)}" for it in self.blocks
        )


@dataclass(frozen=True, slots=True)
class Hardened:
    """What came of it.

    Attributes:
        text: the new text.
        done: the blocks that are in it.
        left: findings that need a person: no block mends them.
    """

    text: str
    done: tuple[Block, ...]
    refused: tuple[Refused, ...]
    left: tuple[Finding, ...]

    def needed(self) -> dict[str, list[dict[str, Any]]]:
        """Return the statements that roles need for what was written, by function: SAM gives them to its own alone."""
        resources = written("the template", self.text).document["Resources"]
        found: dict[str, list[dict[str, Any]]] = {}
        for block in self.done:
            name = str(block.steps[1]) if len(block.steps) > 1 else ""
            given = resources.get(name, {})
            if given.get("Type") == FUNCTION and "Role" in (given.get("Properties") or {}):
                found.setdefault(name, []).extend(_statements(block.content))
        return {name: statements for name, statements in found.items() if statements}


def _statements(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if "Tracing" in content:  # X-Ray knows no resources
        yield {
            "Effect": "Allow",
            "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            "Resource": "*",
        }
    letters = content.get("DeadLetterQueue", {}).get("TargetArn")
    undelivered = content.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    for target in filter(None, (letters, undelivered)):
        yield {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": target}


def harden(path: Path, text: str, parameters: Mapping[str, str], settings: Settings) -> Hardened:
    """Return a template's text with what the audit misses in it.

    Each finding is mended wholly or not at all, and looked for anew after the ones before it.

    Raises:
        TemplateError: it isn't a template.
    """
    done: list[Block] = []
    seen: dict[tuple[object, ...], Refused | None] = {}  # None: nothing can be written for it
    while True:
        subject, findings = _findings(path, text, parameters)
        todo = next((it for it in findings if it.rule in MENDS and _key(it) not in seen), None)
        if todo is None:
            refused = tuple(it for it in seen.values() if it is not None)
            left = tuple(it for it in findings if seen.get(_key(it)) is None)
            return Hardened(text, tuple(done), refused, left)
        blocks = tuple(MENDS[todo.rule](Asked(todo, subject, settings)))
        try:
            new = _with(text, blocks)
            stays = any(_key(it) == _key(todo) for it in _findings(path, new, parameters)[1])
            why = "the audit doesn't see what mends it"
        except RefusedError as error:
            new, stays, why = text, True, str(error)
        if stays:
            seen[_key(todo)] = Refused(todo, why, blocks) if blocks else None
        else:
            text = new
            done += blocks


def _with(text: str, blocks: tuple[Block, ...]) -> str:
    for _, some in groupby(blocks, key=lambda it: it.steps):
        for block in some:
            text = inserted(text, block.steps, block.content)
    return text


def _findings(path: Path, text: str, parameters: Mapping[str, str]) -> tuple[Subject, tuple[Finding, ...]]:
    subject = Subject(survey=survey(written(str(path), text), parameters))
    return subject, audit(subject).findings


def _key(finding: Finding) -> tuple[object, ...]:
    """Return what tells a finding from others, wherever its lines have moved."""
    return finding.rule, finding.functions, finding.place.steps[:4]
