"""The checklist: one row for each item, from which the command, cfn-lint's rules and docs/checklist.md are made.

The words are in `checklist.toml`.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambda_guard.tools.audit.checks import (
    alarms,
    code,
    failures,
    logs,
    permissions,
    queues,
    settings,
    shifting,
)
from lambda_guard.tools.audit.findings import SEVERITIES, Look, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An item of the checklist.

    Attributes:
        rule: its id: E for an error, W for a warning, I for a note; G for lambda_guard; the group and a number.
        group: the column of the table.
        title: what should hold.
        why: what goes wrong otherwise.
        sees: how the audit sees it, and what it leaves open.
        mend: what to write.
        page: the page of AWS's that it rests on.
        cost: what it costs a month; empty for nothing.
        replaces: the rule of cfn-lint-serverless that looks for the same.
    """

    rule: str
    group: str
    title: str
    why: str
    sees: str
    mend: str
    page: str
    look: Look
    cost: str = ""
    replaces: str = ""

    @property
    def severity(self) -> Severity:
        """How bad a finding of it is."""
        return SEVERITIES[self.rule[0]]


GROUPS: Final = ("alarms", "failures", "queues", "code", "shifting", "logs", "settings", "IAM")
"""The columns of the table, in the order of the checklist."""
OF_TEMPLATE: Final = {"WG101", "IG601"}
"""One finding for all functions."""
WITHOUT_REASON: Final = "EG001"
UNUSED: Final = "IG002"

_LOOKS: Final[dict[str, Look]] = {
    "WG101": alarms.no_alarm,
    "WG102": alarms.unseen_by_fleet,
    "WG201": failures.asynchronous_without_destination,
    "EG202": failures.fifo_dead_letters,
    "EG203": failures.own_source,
    "IG204": failures.useless_dead_letters,
    "WG211": failures.stream_without_destination,
    "WG212": failures.stream_without_end,
    "WG301": queues.no_redrive,
    "WG302": queues.few_receives,
    "WG303": queues.short_retention,
    "EG304": queues.fifo_mismatch,
    "WG306": queues.short_visibility,
    "EG308": queues.throttled_mapping,
    "WG309": queues.unbounded_mapping,
    "IG310": queues.no_event_count,
    "EG401": code.answered_not_declared,
    "WG402": code.declared_not_answered,
    "WG403": code.whole_batches,
    "WG404": code.receive_count,
    "IG405": code.undecorated,
    "IG406": code.no_receive_count,
    "WG407": code.no_dependency,
    "IG601": shifting.no_shifting,
    "WG602": shifting.no_rollback,
    "WG603": shifting.too_slow,
    "WG604": shifting.old_version,
    "IG701": logs.no_tracing,
    "IG702": logs.text_format,
    "WG703": logs.no_retention,
    "WG704": logs.wrong_class,
    "WG705": logs.dropped_lines,
    "WG801": settings.no_timeout,
    "IG802": settings.no_memory,
    "WG803": settings.longer_than_caller,
    "EG804": settings.durable_mapping,
    "WG805": settings.old_runtime,
    "EG901": permissions.every_action,
    "WG902": permissions.whole_services,
    "WG903": permissions.every_resource,
    "WG904": permissions.everybody,
    "WG905": permissions.managed_policies,
}


def _checks() -> tuple[Check, ...]:
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return tuple(
        Check(rule=rule, look=_LOOKS[rule], **{key: " ".join(text.split()) for key, text in row.items()})
        for rule, row in rows.items()
    )


CHECKS: Final = _checks()
BY_RULE: Final = {check.rule: check for check in CHECKS}
