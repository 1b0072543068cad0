"""The report for programs: JSON, SARIF 2.1.0, JUnit.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html,
https://github.com/testmoapp/junitxml
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.etree import ElementTree as ET

from lambda_guard._printable import visible
from lambda_guard.tools.audit.auditing import Report
from lambda_guard.tools.audit.checklist import CHECKS
from lambda_guard.tools.audit.findings import Finding
from lambda_guard.tools.audit.suppression import RULES

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_json(reports: Sequence[Report], unread: Sequence[str]) -> str:
    """Return the reports as one JSON object, with what couldn't be read under `unread`."""
    return json.dumps({"reports": [_plain(it) for it in reports], "unread": list(unread)}, indent=2)


def _plain(report: Report) -> dict[str, Any]:
    return {
        "file": report.survey.file,
        "functions": [it.logical_id for it in report.survey.functions],
        "findings": [_finding(it) for it in report.findings],
        "silenced": [{**_finding(it), "reason": reason} for it, reason in report.silenced],
        "not_known": [
            {"rule": check.rule, "function": it.function, "what": it.what} for check, it in report.open
        ],
        "notes": list(report.survey.notes),
    }


def _finding(it: Finding) -> dict[str, Any]:
    return {
        "rule": it.rule,
        "severity": it.severity,
        "functions": list(it.functions),
        "file": it.place.file,
        "line": it.place.line,
        "path": list(it.place.steps),
        "what": it.what,
        "why": it.why,
        "mend": it.mend,
        **_instead(it),
    }


def _instead(it: Finding) -> dict[str, Any]:
    """Return what the calls that were made ask for in place of a wide statement, if there is evidence of any."""
    if (found := it.instead) is None:
        return {}
    return {
        "instead": {
            "statements": json.loads(found.document),
            "evidence": list(found.evidence),
            "draft": list(found.draft),
            "mind": list(found.mind),
            "unknown": found.unknown or None,
        }
    }


def _said(it: Finding) -> str:
    """Return a finding as a text; what to write instead is on lines of its own."""
    text = f"{it.what}. {it.why} To mend it: {it.mend}"
    if it.instead is None:
        return f"{text}."
    return "\n".join([f"{text}.", *it.instead.notes(), it.instead.text]).rstrip("\n")


def as_sarif(reports: Sequence[Report], unread: Sequence[str]) -> str:
    """Return the reports as one SARIF run; what `Metadata` silences is a suppressed result."""
    results = [_result(it, None) for report in reports for it in report.findings]
    results += [_result(it, reason) for report in reports for it, reason in report.silenced]
    notices = [{"level": "error", "message": {"text": text}} for text in unread]
    run = {
        "tool": {
            "driver": {
                "name": "lambda-guard audit",
                "version": version("aws-lambda-guard"),
                "rules": list(_rules()),
            }
        },
        "invocations": [{"executionSuccessful": not unread, "toolExecutionNotifications": notices}],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rules() -> Iterator[dict[str, Any]]:
    for check in CHECKS:
        yield {
            "id": check.rule,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": f"{check.why} {check.sees}"},
            "help": {"text": f"Write: {check.mend}"},
            "helpUri": check.page,
            "defaultConfiguration": {"level": check.severity},
        }
    for rule, (title, why) in RULES.items():
        yield {"id": rule, "shortDescription": {"text": title}, "fullDescription": {"text": why}}


def _result(it: Finding, reason: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": it.rule,
        "level": it.severity,
        "message": {"text": _said(it)},
        "locations": [_location(it)],
        "partialFingerprints": {"finding/v1": _fingerprint(it)},
    }
    if instead := _instead(it):
        result["properties"] = instead
    if reason is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": reason}]
    return result


def _location(it: Finding) -> dict[str, Any]:
    logical = [{"fullyQualifiedName": "/".join(map(str, it.place.steps)) or it.place.file}]
    if it.place.file.startswith("arn:"):
        return {"logicalLocations": logical}
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(it.place.file)}}
    if it.place.line is not None:
        physical["region"] = {"startLine": it.place.line}
    return {"physicalLocation": physical, "logicalLocations": logical}


def _uri(file: str) -> str:
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), errors="surrogateescape")


def _fingerprint(it: Finding) -> str:
    """Return what stays the same when lines move."""
    parts = json.dumps([it.rule, it.place.file, it.place.steps, it.functions])
    return hashlib.sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def as_junit(reports: Sequence[Report], unread: Sequence[str]) -> str:
    """Return the reports as JUnit's XML: a suite for each template, a case for each item of the checklist.

    Notes fail nothing: they are the output of a case that passes. What is silenced is skipped.
    """
    root = ET.Element("testsuites", name="lambda-guard audit")
    for report in reports:
        _suite(root, report)
    for text in unread:
        suite = ET.SubElement(
            root, "testsuite", name="unread", tests="1", failures="0", errors="1", skipped="0"
        )
        case = ET.SubElement(suite, "testcase", classname="unread", name="template")
        ET.SubElement(case, "error", message=visible(text), type="TemplateError")
    for total in ("tests", "failures", "errors", "skipped"):
        root.set(total, str(sum(int(suite.get(total, 0)) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False)


def _suite(root: ET.Element, report: Report) -> None:
    suite = ET.SubElement(root, "testsuite", name=visible(report.survey.file))
    titles = {check.rule: check.title for check in CHECKS} | {rule: it[0] for rule, it in RULES.items()}
    for rule, title in titles.items():
        found = [it for it in report.findings if it.rule == rule]
        silenced = [(it, reason) for it, reason in report.silenced if it.rule == rule]
        case = ET.SubElement(
            suite, "testcase", classname=visible(report.survey.file), name=f"{rule} {title}", time="0"
        )
        bad = [it for it in found if it.severity != "note"]
        if bad:
            failure = ET.SubElement(case, "failure", message=visible(bad[0].what), type=rule)
            failure.text = _text(bad)
        elif silenced and not found:
            ET.SubElement(case, "skipped", message=visible(silenced[0][1]))
        elif found:
            ET.SubElement(case, "system-out").text = _text(found)
    for total, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(total, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(suite)))


def _text(found: Sequence[Finding]) -> str:
    return "\n".join(visible(f"{it.place}: {_said(it)}", "\n") for it in found)


FORMATS: Final[dict[str, Callable[[Sequence[Report], Sequence[str]], str]]] = {
    "json": as_json,
    "sarif": as_sarif,
    "junit": as_junit,
}
