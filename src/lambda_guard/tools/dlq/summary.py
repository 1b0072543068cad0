"""What a replay would do, and what became of it: in a table and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard._printable import visible
from lambda_guard.tools.dlq.proving import Proof
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.replay import Decision, NotSent, Tally, What
from lambda_guard.tools.terminal import Palette

_ROWS: Final[tuple[tuple[What, str, str, str], ...]] = (
    ("delivered", "", "green", "gone from {queue}"),
    ("finished", "finished", "green", "delivered by an earlier run already; now gone from {queue}"),
    (
        "undeleted",
        "undeleted",
        "red",
        "of these could not be deleted: the next run does it, and does not send them again",
    ),
    ("failed", "failed", "red", "not delivered; still in {queue}"),
    ("unsure", "unsure", "red", "no answer, so they may have arrived; still in {queue}"),
    ("held", "held back", "yellow", "held back; still in {queue}"),
    ("refused", "impossible", "yellow", "can't be replayed; still in {queue}"),
)
_REASONS_MOST: Final = 5


@dataclass(slots=True)
class Plan(Tally):
    """Decisions, counted as what comes of them.

    Attributes:
        sends: how many letters would be sent, by how, target and error.
    """

    sends: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def decided(self, decision: Decision) -> None:
        """Count a decision."""
        if isinstance(decision, NotSent):
            self.add(decision.what, decision.reason)
            return
        how = "invoke" if decision.target.kind != "queue" else "send to"
        self.add("delivered")
        self.sends[how, decision.target.name, decision.letter.failure.sentence] += 1
        self.maybe_twice += decision.unsure


def plan_document(plan: Plan, queue: Queue) -> dict[str, Any]:
    """Return it as JSON takes it."""
    return {
        "queue": queue.arn,
        "dry_run": True,
        "send": [
            {"how": how, "target": target, "error": error, "count": count}
            for (how, target, error), count in plan.sends.most_common()
        ],
        "finish": plan.counts["finished"],
        "keep": plan.reasons_document(),
        "maybe_twice": plan.maybe_twice,
    }


def plan_lines(plan: Plan, queue: Queue, palette: Palette) -> Iterator[str]:
    """Draw it."""
    if not plan.counts:
        yield f"{visible(queue.name)}: nothing to do"
    for (how, target, error), count in plan.sends.most_common():
        done = palette.paint("green", f"{how} {visible(target)}")
        yield f"{done}  {counted(count, 'letter')}  {visible(error)}"
    if plan.counts["finished"]:
        done = palette.paint("green", "delete")
        yield f"{done}  {counted(plan.counts['finished'], 'letter')}  delivered by an earlier run"
    for (what, reason), count in plan.reasons.most_common():
        word = "hold back" if what == "held" else "leave"
        yield f"{palette.paint('yellow', word)}  {counted(count, 'letter')}  {visible(reason)}"
    if plan.maybe_twice:
        yield f"{counted(plan.maybe_twice, 'letter')} of these may have been delivered by a run that was ended"


def summary_text(tally: Tally, queue: Queue, palette: Palette, verb: str = "replayed") -> str:
    """Draw the table: a line for each thing that happened, and its reasons below."""
    name, lines = visible(queue.name), list[str]()
    for what, word, style, where in _ROWS:
        painted = palette.paint(style, f"{word or verb:<10}")
        lines += _row(tally, what, painted, where.format(queue=name)) if tally.counts[what] else ()
    if tally.passed_over:
        lines.append(f"{'others':<10} {tally.passed_over:>9,}  not selected; still in {name}")
    if tally.maybe_twice:
        lines.append(
            f"  {counted(tally.maybe_twice, 'letter')} may have arrived twice: an earlier try had no answer"
        )
    if not lines:
        lines = [f"{name}: {'nothing to do' if tally.complete and not tally.hidden else 'nothing was done'}"]
    if tally.targets:
        sent = ", ".join(f"{visible(name)} {count:,}" for name, count in tally.targets.most_common())
        lines.append(f"  to {sent}")
    return "\n".join(lines) + "\n"


def proof_text(proof: Proof, palette: Palette) -> str:
    """Say how many succeeded, and how many died again of what."""
    lines = [f"{palette.paint('green', 'succeeded '):<10} {proof.succeeded:>9,}"]
    for sentence, count in proof.died.most_common():
        lines.append(f"{palette.paint('red', 'died again')} {count:>9,}  {visible(sentence)}")
    if proof.silent:
        lines.append(f"{palette.paint('yellow', 'no record '):<10} {proof.silent:>9,}  in these logs so far")
    if proof.stopped:
        lines.append(palette.paint("bold_red", f"stopped: {visible(proof.stopped)}"))
    return "\n".join(lines) + "\n"


def summary_document(tally: Tally, queue: Queue, journal: str, proof: Proof | None) -> dict[str, Any]:
    """Return all of it as JSON takes it."""
    document: dict[str, Any] = {
        "queue": queue.arn,
        "journal": journal,
        "read": tally.read,
        "hidden": tally.hidden,
        "not_selected": tally.passed_over,
        **{what: tally.counts[what] for what, *_ in _ROWS},
        "maybe_twice": tally.maybe_twice,
        "targets": dict(tally.targets),
        "reasons": tally.reasons_document(),
        "interrupted": tally.interrupted,
    }
    if proof is not None:
        document["proof"] = {
            "succeeded": proof.succeeded,
            "died_again": dict(proof.died),
            "no_record": proof.silent,
            "stopped": proof.stopped,
        }
    return document


def _row(tally: Tally, what: What, word: str, where: str) -> Iterator[str]:
    yield f"{word} {tally.counts[what]:>9,}  {where}"
    why = [(count, reason) for (of, reason), count in tally.reasons.most_common() if of == what]
    for count, reason in why[:_REASONS_MOST]:
        yield f"{'':<10} {count:>9,}  {visible(reason)}"
    if len(why) > _REASONS_MOST:
        yield f"{'':<20}  and {len(why) - _REASONS_MOST} more reasons (--json has all)"
