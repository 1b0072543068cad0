"""Rehearses sets of alarms over the lines of incidents: which of them ring, and after how many minutes."""

import json
import tempfile
from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

from lambda_guard.templates.survey.model import Function
from lambda_guard.tools.alarms import catalogue, heartbeats
from lambda_guard.tools.alarms.commands import alarms
from lambda_guard.tools.alarms.fleet import Fleet, Queue, template
from lambda_guard.tools.harden import canary
from lambda_guard.tools.harden.settings import Settings

from . import incidents

NEW_VERSION = "2"
NOTHING = "**nothing**"
ROWS = tuple(row.name for row in (*catalogue.FLEET, catalogue.DEAD_LETTERS, catalogue.QUEUE_AGE))


def fleet(dead_letter_queues, queues):
    """Return the template of `alarms fleet` with these queues named."""
    return template(
        Fleet(
            dead_letter_queues=[Queue.read(name) for name in dead_letter_queues],
            queues=[Queue.read(name) for name in queues],
        )
    )


def heartbeats_of(scheduled):
    """Return the alarms of `alarms heartbeats` for functions with names of their own."""
    return heartbeats.made_for(scheduled, None).resources


def canaries_of(name):
    """Return the alarms that `harden` writes beside a function with traffic shifting, in the deployment of version 2."""
    it, settings = Function(logical_id=name, place=None), Settings()
    made = {
        f"CanaryErrors{name}": canary.errors(it, settings),
        f"CanaryInPart{name}": canary.in_part(it, settings),
    }
    return {key: _resolved(resource) for key, resource in made.items()}


def _resolved(node):
    match node:
        case {"Ref": name}:
            return name
        case {"Fn::GetAtt": [_, "Version.Version"]}:
            return NEW_VERSION
        case {"Fn::Sub": text}:
            return text.replace("${", "").replace("}", "")
        case dict():
            return {key: _resolved(value) for key, value in node.items()}
        case list():
            return [_resolved(each) for each in node]
    return node


def ours(lines):
    """Return which of our alarms ring in each incident, as the page has it, by the incident's title."""
    common, found = fleet(incidents.DEAD_LETTER_QUEUES, incidents.QUEUES), {}
    for incident in incidents.INCIDENTS:
        more = heartbeats_of(it for it in incidents.SCHEDULED if it.key in incident.names)
        for name in set(incidents.VERSIONED) & set(incident.names):
            more |= canaries_of(name)
        document = {**common, "Resources": common["Resources"] | more}
        with tempfile.TemporaryDirectory() as folder:
            found[incident.title] = told(_titled(rung(document, lines[incident.title], folder)))
    return found


def rung(document, lines, folder):
    """Return after how many minutes each alarm of a template rings first, by its logical id.

    Raises:
        AssertionError: one rings before anything went wrong.
    """
    alarms_file, sources = Path(folder, "alarms.json"), []
    for name, of_one in lines.items():
        sources.append(Path(folder, f"{name}.log"))
        sources[-1].write_text("\n".join([*of_one, ""]))
    alarms_file.write_text(json.dumps(document))
    done = CliRunner().invoke(
        alarms, ["rehearse", str(alarms_file), *map(str, sources), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.stderr
    found = {}
    for alarm in json.loads(done.stdout)["alarms"]:
        for ring in alarm["rings"][:1]:
            minutes = (datetime.fromisoformat(ring["from"]).timestamp() * 1000 - incidents.WRONG_MS) / 60_000
            assert minutes > 0, (alarm["alarm"], ring)
            found[alarm["alarm"]] = round(minutes)
    return found


def told(found):
    """Write what rang as the table has it: the earliest first."""
    named = sorted((minutes, name) for name, minutes in found.items())
    return ", ".join(f"{name} {minutes}" for minutes, name in named) or NOTHING


def _titled(found):
    return {_title(name): minutes for name, minutes in found.items()}


def _title(logical_id):
    if logical_id.startswith("Canary"):
        return "canary"
    if logical_id.startswith("Heartbeat"):
        return "heartbeat"
    return max((name for name in ROWS if logical_id.startswith(name)), key=len, default=logical_id)
