"""The difference, for people and as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lambda_guard._printable import visible
from lambda_guard.iam.matcher import Decision
from lambda_guard.tools.policy.diff.denials import Denial, because, document_of, lines_of
from lambda_guard.tools.policy.diff.difference import Answer, Difference, Finding
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.statements import Need, why_of
from lambda_guard.tools.terminal import Palette

_SHOWN: Final = 5


def lines(
    function: str,
    granted: Granted,
    found: Difference,
    needs: Mapping[Need, Mapping[str, int]],
    palette: Palette,
) -> Iterator[str]:
    """Yield the lines of the report."""
    yield visible(f"{function} beside {granted.what}")
    sections = (
        ("granted, and more than was used", (it for one in found.findings for it in _finding(one, needs))),
        ("used and not granted", _not_granted(found)),
        ("denied, and why", _denied(it for it in found.denied if it.differs)),
        ("was denied, and is granted now", _denied(it for it in found.denied if not it.differs)),
        ("open: it depends on what no record tells", map(_undecided, found.undecided)),
        ("unread", granted.unread),
        ("kept: no call could show these", map(_kept, found.kept.items())),
    )
    for heading, of in sections:
        if listed := list(of):
            yield ""
            yield palette.paint("bold", heading)
            yield from (f"  {visible(line)}" for line in listed)
    if not found:
        yield ""
        yield "nothing is granted beside what was used, and everything that was used is granted"


def _finding(one: Finding, needs: Mapping[Need, Mapping[str, int]]) -> Iterator[str]:
    yield f"{one.statement}"
    patterns = {
        "actions never used": one.unused_actions,
        "resources never used": one.unused_resources,
        "actions wider than what was used": one.wide_actions,
        "resources wider than what was used": one.wide_resources,
    }
    yield from (f"  {what}: {', '.join(of)}" for what, of in patterns.items() if of)
    used = [f"{it.action} on {it.resource} ({why_of([needs[it]])})" for it in one.used]
    yield from (f"  used: {it}" for it in used[:_SHOWN])
    if len(used) > _SHOWN:
        yield f"  used: {len(used) - _SHOWN:,} more"
    yield from (f"  used, on what isn't known: {it}" for it in one.unplaced)
    yield from (f"  but: {it}" for it in one.doubts)
    if not one.instead:
        yield "  instead: nothing; remove it"
        return
    yield "  instead:"
    for statement in one.instead:
        yield from (f"    {line}" for line in json.dumps(statement, indent=2).splitlines())


def _denied(some: Iterable[Denial]) -> Iterator[str]:
    return (line for it in some for line in lines_of(it))


def _not_granted(found: Difference) -> Iterator[str]:
    for need, decision, why in found.not_granted:
        yield f"{need.action} on {need.resource}: {because(decision)} ({why_of([why])})"
    yield from (f"{it}, on what isn't known: no statement is about it" for it in found.unplaced)


def _undecided(one: Answer) -> str:
    return f"{one.need.action} on {one.need.resource}: {because(one.decision)} ({why_of([one.why])})"


def _kept(one: tuple[tuple[str, str], list[str]]) -> str:
    (reason, statement), actions = one
    return f"{reason}: {', '.join(actions)} ({statement})"


def document(
    function: str, granted: Granted, found: Difference, needs: Mapping[Need, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the report as JSON has it; its keys are in docs/least-privilege.md."""
    return {
        "function": function,
        "granted_by": granted.what,
        "wider": [_finding_document(one, needs) for one in found.findings],
        "not_granted": [
            {**_need(need, why), "reason": because(decision), "statement": _name(decision)}
            for need, decision, why in found.not_granted
        ],
        "not_granted_anywhere": found.unplaced,
        "denied": [document_of(it) for it in found.denied],
        "undecided": [
            {**_need(need, why), "statement": _name(decision), "depends_on": list(decision.undecided)}
            for need, decision, why in found.undecided
        ],
        "kept": [
            {"actions": actions, "statement": statement, "reason": reason}
            for (reason, statement), actions in found.kept.items()
        ],
        "unread": granted.unread,
    }


def _finding_document(one: Finding, needs: Mapping[Need, Mapping[str, int]]) -> dict[str, Any]:
    return {
        "statement": one.statement.name,
        "policy": one.statement.policy,
        "unused_actions": one.unused_actions,
        "unused_resources": one.unused_resources,
        "wide_actions": one.wide_actions,
        "wide_resources": one.wide_resources,
        "used": [_need(it, needs[it]) for it in one.used],
        "used_somewhere": one.unplaced,
        "doubts": list(one.doubts),
        "instead": one.instead,
    }


def _need(need: Need, why: Mapping[str, int]) -> dict[str, Any]:
    return {"action": need.action, "resource": need.resource, "why": why_of([why])}


def _name(decision: Decision) -> str | None:
    return None if decision.statement is None else str(decision.statement)
