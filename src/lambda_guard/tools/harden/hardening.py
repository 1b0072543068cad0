"""From a template's text to the text with what the checklist misses, finding by finding."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_guard.templates.marks import written
from lambda_guard.templates.survey.reading import survey
from lambda_guard.templates.writing import as_yaml
from lambda_guard.tools.audit.auditing import audit
from lambda_guard.tools.audit.findings import Finding, Subject
from lambda_guard.tools.harden.blocks import FUNCTION, MENDS, Asked, Block
from lambda_guard.tools.harden.insertion import RefusedError, inserted
from lambda_guard.tools.harden.settings import Settings

Key = tuple[object, ...]
"""What tells a finding from others."""


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

    Each finding is mended wholly or not at all; those that a mend brings are looked for in the next round.

    Raises:
        TemplateError: it isn't a template.
    """
    done: list[Block] = []
    seen: dict[Key, Refused | None] = {}  # None: nothing can be written for it
    while True:
        subject, findings = _findings(path, text, parameters)
        todo = {_key(it): it for it in findings if it.rule in MENDS and _key(it) not in seen}
        if not todo:
            refused = tuple(it for it in seen.values() if it is not None)
            left = tuple(it for it in findings if seen.get(_key(it)) is None)
            return Hardened(text, tuple(done), refused, left)
        blocks = {key: tuple(MENDS[it.rule](Asked(it, subject, settings))) for key, it in todo.items()}
        new, why = _with(text, blocks)
        stays = {_key(it) for it in _findings(path, new, parameters)[1]} & todo.keys() - why.keys()
        why |= dict.fromkeys(stays, "the audit doesn't see what mends it")
        seen |= {
            key: Refused(todo[key], said, blocks[key]) if blocks[key] else None for key, said in why.items()
        }
        if not stays:  # else once more, without them
            text = new
            done += [block for key, some in blocks.items() if key not in why for block in some]


def _with(text: str, blocks: Mapping[Key, tuple[Block, ...]]) -> tuple[str, dict[Key, str]]:
    """Return the text with all blocks at once; where that can't be, finding by finding, and why not for the others."""
    try:
        return inserted(text, (), _tree([block for some in blocks.values() for block in some])), {}
    except RefusedError:
        why: dict[Key, str] = {}
    for key, some in blocks.items():
        try:
            text = inserted(text, (), _tree(some))
        except RefusedError as error:
            why[key] = str(error)
    return text, why


def _tree(blocks: Iterable[Block]) -> dict[str, Any]:
    """Return blocks as one, from the top of the template on.

    Raises:
        RefusedError: two of them say different things in one place.
    """
    tree: dict[str, Any] = {}
    for block in blocks:
        content: Any = block.content
        for step in reversed(block.steps):
            content = {str(step): content}
        _merge(tree, content, block)
    return tree


def _merge(tree: dict[str, Any], content: Mapping[str, Any], block: Block) -> None:
    for key, value in content.items():
        if key not in tree:
            tree[key] = json.loads(json.dumps(value))
        elif isinstance(tree[key], dict) and isinstance(value, Mapping):
            _merge(tree[key], value, block)
        elif tree[key] != value:
            raise RefusedError(f"{key} would say two things", block.steps, block.content)


def _findings(path: Path, text: str, parameters: Mapping[str, str]) -> tuple[Subject, tuple[Finding, ...]]:
    subject = Subject(survey=survey(written(str(path), text), parameters))
    return subject, audit(subject).findings


def _key(finding: Finding) -> Key:
    """Return what tells a finding from others, wherever its lines have moved."""
    return finding.rule, finding.functions, finding.place.steps[:4]
