"""The dry run: what a replay would do, counted. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.replay import Decision, NotSent, Tally
from lambda_guard.tools.terminal import Palette, visible


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
        yield f"{queue.name}: nothing to do"
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
