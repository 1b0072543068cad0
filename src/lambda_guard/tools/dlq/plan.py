"""The dry run: what a replay would do, counted. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lambda_guard.tools.dlq.delivery import Delivery
from lambda_guard.tools.dlq.letter import Letter
from lambda_guard.tools.dlq.queue import Queue
from lambda_guard.tools.dlq.render import counted
from lambda_guard.tools.dlq.replay import Decision, Kept
from lambda_guard.tools.terminal import Palette, visible


@dataclass(slots=True)
class Plan:
    """Decisions, counted.

    Attributes:
        sends: how many letters would be sent, by target and error.
        settled: how many were delivered by an earlier run, and would only be deleted.
        kept: how many would stay, by reason.
    """

    queue: Queue
    by_target: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    settled: int = 0
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    unsure: int = 0

    def add(self, letter: Letter, decision: Decision) -> None:
        """Count a decision."""
        if isinstance(decision, Delivery):
            kind = "invoke" if decision.target.kind != "queue" else "send to"
            self.by_target[kind, decision.target.name, letter.failure.sentence] += 1
            self.unsure += decision.unsure
        elif isinstance(decision, Kept):
            self.kept[decision.what, decision.reason] += 1
        else:
            self.settled += 1

    @property
    def sends(self) -> int:
        """How many letters would be sent."""
        return sum(self.by_target.values())

    @property
    def is_empty(self) -> bool:
        """Whether no letter is meant."""
        return not (self.sends or self.settled or self.kept)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {
            "queue": self.queue.arn,
            "dry_run": True,
            "send": [
                {"how": how, "target": target, "error": error, "count": count}
                for (how, target, error), count in self.by_target.most_common()
            ],
            "finish": self.settled,
            "keep": [
                {"what": what, "reason": reason, "count": count}
                for (what, reason), count in self.kept.most_common()
            ],
            "maybe_twice": self.unsure,
        }


def plan_text(plan: Plan, palette: Palette) -> str:
    """Draw it."""
    return "\n".join(_lines(plan, palette)) + "\n"


def _lines(plan: Plan, palette: Palette) -> Iterator[str]:
    if plan.is_empty:
        yield f"{plan.queue.name}: nothing to do"
    for (how, target, error), count in plan.by_target.most_common():
        done = palette.paint("green", f"{how} {visible(target)}")
        yield f"{done}  {counted(count, 'letter')}  {visible(error)}"
    if plan.settled:
        done = palette.paint("green", "delete")
        yield f"{done}  {counted(plan.settled, 'letter')}  delivered by an earlier run"
    for (what, reason), count in plan.kept.most_common():
        word = "hold back" if what == "held" else "leave"
        yield f"{palette.paint('yellow', word)}  {counted(count, 'letter')}  {visible(reason)}"
    if plan.unsure:
        yield f"{counted(plan.unsure, 'letter')} of these may have been delivered by a run that was ended"
