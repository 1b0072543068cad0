"""What the checks find, and what they look at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal

from lambda_guard.templates.survey.model import Function, Survey
from lambda_guard.templates.survey.nodes import Place, Unknown
from lambda_guard.tools.audit.handler_code import Code, read_code

_DAY: Final = 86_400
Severity = Literal["error", "warning", "note"]
SEVERITIES: Final[dict[str, Severity]] = {"E": "error", "W": "warning", "I": "note"}
"""By the first letter of a rule's id, as in cfn-lint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What to write in place of a wide statement, by the calls that were made, or why that isn't known.

    Attributes:
        document: the statements as a list in JSON; intrinsics in their long form.
        text: the same in YAML, each below a comment with what asked for it; empty where they aren't known.
        evidence: what they rest on, a line each.
        draft: why that is too little.
        mind: what isn't in them, or keeps them from being written as they are.
        unknown: why there are none.
    """

    document: str = "[]"
    text: str = ""
    evidence: tuple[str, ...] = ()
    draft: tuple[str, ...] = ()
    mind: tuple[str, ...] = ()
    unknown: str = ""

    def notes(self) -> Iterator[str]:
        """Yield what is to be known of it, a line each."""
        if self.unknown:
            yield f"what to write instead isn't known: {self.unknown}"
        yield from self.evidence
        if self.draft:
            yield f"a draft: {'; '.join(self.draft)}"
        yield from self.mind


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that isn't as the checklist asks.

    Attributes:
        rule: the id of the check, such as `EG401`.
        function: the logical id, or in an account the name; None for several, or for none.
        functions: all that it concerns.
        place: where in the template, or the ARN.
        what: what was found, with its values.
        why: what goes wrong with it.
        mend: what to write instead.
        instead: for a wide statement, what the calls that were made ask for; None without evidence of any.
    """

    rule: str
    function: str | None
    functions: tuple[str, ...] = ()
    place: Place
    what: str
    why: str
    mend: str
    instead: Instead | None = None

    @property
    def severity(self) -> Severity:
        """How bad it is: an error loses events or fails the deployment, a warning costs in an incident."""
        return SEVERITIES[self.rule[0]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a check yields: a place and a sentence; the check's row adds why, and how to mend it.

    Attributes:
        functions: the functions it concerns.
        known: the rule of cfn-lint that reports the same.
    """

    place: Place
    what: str
    functions: tuple[str, ...] = ()
    known: str | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """What a check yields where it can't be known: the function, and what isn't settled."""

    function: str
    what: str


Yield = Iterator[Found | Open]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is audited.

    Attributes:
        survey: the template or account.
        others: the surveys of all templates of this run: an alarm may stand in another one.
        today: for dates of runtimes.
        runtimes: of each runtime, the date from which it gets no more security updates.
        covered: namespaces that a fleet alarm of the account watches.
    """

    survey: Survey
    others: tuple[Survey, ...] = ()
    today: date = field(default_factory=date.today)
    runtimes: Mapping[str, date] = field(default_factory=dict)
    covered: frozenset[str] = frozenset()
    _codes: dict[str, Code] = field(default_factory=dict)

    def code(self, function: Function) -> Code:
        """Return what the function's code says, read once."""
        if function.logical_id not in self._codes:
            self._codes[function.logical_id] = read_code(function)
        return self._codes[function.logical_id]

    def watched(self, rule: str = "") -> Iterator[Function]:
        """Yield the functions that run in production, without those that only CloudFormation and CodeDeploy call.

        Args:
            rule: of a check that makes one finding of all functions: those that silence it are left out.
        """
        ignored = self.survey.ignored
        for it in self.survey.functions:
            silenced = reason_of(ignored.get(it.logical_id, {}).get(rule))
            if not it.custom_resource and not it.hook and not silenced:
                yield it


def unread(subject: Subject, part: str) -> Yield:
    """Yield every function as not known, if a part isn't all there."""
    reason = subject.survey.unread.get(part)
    if reason is not None:
        yield from (Open(it.logical_id, reason) for it in subject.survey.functions)


Look = Callable[[Subject], Yield]


def reason_of(written: Any) -> str:
    """Return the reason that `Metadata` gives; empty for what isn't a text."""
    return written.strip() if isinstance(written, str) else ""


def known(value: Any) -> bool:
    """Return whether a value is set and settled."""
    return value is not None and not isinstance(value, Unknown)


def seconds(value: float) -> str:
    """Return a time as it is said: `90 s`, `4 days`."""
    if value > _DAY and value % _DAY == 0:
        return f"{value / _DAY:g} days"
    return f"{value:g} s"
