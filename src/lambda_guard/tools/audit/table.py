"""The report for people: functions by checklist, and each finding with why, and how to mend it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from lambda_guard._printable import visible
from lambda_guard.tools.audit.auditing import Report
from lambda_guard.tools.audit.checklist import BY_RULE, GROUPS
from lambda_guard.tools.audit.findings import Finding, Instead
from lambda_guard.tools.terminal import Palette

_MARKS: Final = {"error": "✗", "warning": "!", "note": "·"}
_STYLES: Final = {"error": "red", "warning": "yellow", "note": "dim"}
LEGEND: Final = "✗ error   ! warning   · note   ? not known   ✓ as it should be"
_NAMES_MOST: Final = 40
_FUNCTIONS_MOST: Final = 5


def table(reports: Sequence[Report], palette: Palette) -> Iterator[str]:
    """Yield the lines of the report."""
    for report in reports:
        yield palette.paint("bold", visible(report.survey.file))
        yield from _matrix(report, palette)
        for note in report.survey.notes:
            yield f"  {visible(note)}"
        yield ""
        shown: Instead | None = None
        for finding in report.findings:
            yield from _finding(finding, palette)
            if finding.instead is not None:
                yield from _instead(finding.instead, palette, again=finding.instead == shown)
                shown = finding.instead
        yield from _open(report, palette)
    yield summary(reports)


def _matrix(report: Report, palette: Palette) -> Iterator[str]:
    functions = [it.logical_id for it in report.survey.functions]
    if not functions:
        yield "  no functions"
        return
    width = min(max(map(len, functions)), _NAMES_MOST)
    yield f"  {'':{width}}  {'  '.join(GROUPS)}"
    for name in functions:
        cells = (_cell(report, name, group, palette) for group in GROUPS)
        yield f"  {visible(name):{width}}  {'  '.join(cells)}"
    yield palette.paint("dim", f"  {LEGEND}")


def _cell(report: Report, function: str, group: str, palette: Palette) -> str:
    severities = {it.severity for it in report.findings if function in it.functions and group_of(it) == group}
    width = len(group)
    for severity, mark in _MARKS.items():
        if severity in severities:
            return palette.paint(_STYLES[severity], f"{mark:^{width}}")
    unknown = any(check.group == group and it.function == function for check, it in report.open)
    return f"{'?':^{width}}" if unknown else palette.paint("green", f"{'✓':^{width}}")


def group_of(finding: Finding) -> str | None:
    """Return the column of a finding; None for one about silencing."""
    return BY_RULE[finding.rule].group if finding.rule in BY_RULE else None


def _finding(finding: Finding, palette: Palette) -> Iterator[str]:
    head = palette.paint(_STYLES[finding.severity], f"{finding.rule} {finding.severity}")
    yield f"{visible(str(finding.place))}  {head}  {visible(finding.what)}"
    yield f"    {palette.paint('dim', 'why ')}  {finding.why}"
    yield f"    {palette.paint('dim', 'mend')}  {visible(finding.mend)}"


def _instead(instead: Instead, palette: Palette, *, again: bool) -> Iterator[str]:
    """Yield what to write in place of a wide statement, by evidence; once where two findings are about it."""
    yield f"    {palette.paint('dim', 'by evidence')}{'  as above' * again}"
    for line in () if again else (*instead.notes(), *instead.text.splitlines()):
        yield f"      {visible(line)}"


def _open(report: Report, palette: Palette) -> Iterator[str]:
    """Yield what isn't known, a line for each reason, and what is silenced."""
    rules: dict[tuple[str, str], list[str]] = {}
    for check, it in report.open:
        rules.setdefault((it.function, it.what), []).append(check.rule)
    functions: dict[tuple[str, str], list[str]] = {}
    for (function, what), named in rules.items():
        functions.setdefault((what, ", ".join(dict.fromkeys(named))), []).append(function)
    for (what, named_rules), names in functions.items():
        some = ", ".join(names[:_FUNCTIONS_MOST])
        more = f" and {len(names) - _FUNCTIONS_MOST:,} more" if names[_FUNCTIONS_MOST:] else ""
        yield palette.paint("dim", visible(f"not known of {some}{more}: {what} ({named_rules})"))
    for finding, reason in report.silenced:
        yield palette.paint("dim", visible(f"silenced: {finding.rule} {finding.what}: {reason}"))
    if rules or report.silenced or report.findings:
        yield ""


def summary(reports: Sequence[Report]) -> str:
    """Return the last line: how much was looked at, and what was found."""
    functions = sum(len(report.survey.functions) for report in reports)
    counts = Counter(finding.severity for report in reports for finding in report.findings)
    silenced = sum(len(report.silenced) for report in reports)
    found = ", ".join(_counted(counts[severity], severity) for severity in ("error", "warning", "note"))
    where = _counted(len(reports), "template" if not any(it.survey.deployed for it in reports) else "account")
    return f"{_counted(functions, 'function')} in {where}: {found}" + (
        f"; {silenced} silenced" if silenced else ""
    )


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")
