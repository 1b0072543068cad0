"""The whole table of docs/incidents.md: our alarms, SLIC Watch's and cdk-monitoring-constructs' over the same lines.

`python benchmarks/incidents.py`: installs the two npm packages below `build/`, synthesises their alarms for the
functions, queues and topics of the incidents, lets the incidents happen once, and rehearses each set of alarms.
It needs node and npm, and takes a minute or two.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from lambda_guard.templates.document import Location
from lambda_guard.templates.template import Template

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "incidents"
sys.path.insert(0, str(HERE.parent))
from tests.tools.alarms import incidents, rehearsing  # noqa: E402 - found by the path

SLIC_WATCH = "serverless-slic-watch-plugin@3.2.0"
CONSTRUCTS = ("cdk-monitoring-constructs@10.2.0", "aws-cdk-lib@2.276.0", "constructs@10.8.1")
WITHOUT_A_TEMPLATE = ("Raising", "Picky", "Unvisited", "Sluggish", "Streaming", "Durable")


def main():
    install(SLIC_WATCH, *CONSTRUCTS)
    plain = with_all_functions()
    sets = {
        SLIC_WATCH: (slic_watch(plain), slic_title),
        f"{CONSTRUCTS[0]}, set up by hand": (constructs(plain, "by-hand"), constructs_title),
    }
    for name, (document, _) in sets.items():
        print(f"{name}: {alarms_of(document)} alarms")
    print(f"{CONSTRUCTS[0]}, by default: {alarms_of(constructs(plain, 'defaults'))} alarms\n")
    lines = incidents.collected()
    ours = rehearsing.ours(lines)
    print("| incident | ours | " + " | ".join(sets) + " |\n| --- | --- | --- | --- |")
    for incident in incidents.INCIDENTS:
        cells = [incident.title + " ¹" * incident.by_hand, ours[incident.title]]
        for document, title in sets.values():
            with tempfile.TemporaryDirectory() as folder:
                found = rehearsing.rung(document, lines[incident.title], folder)
            cells.append(rehearsing.told({title(document, name): at for name, at in found.items()}))
        print("| " + " | ".join(cells) + " |")


def install(*packages):
    """Install npm packages of exactly these versions."""
    BUILD.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(BUILD), *packages]
    subprocess.run(command, check=True)


def with_all_functions():
    """Return the template as plain CloudFormation, with the functions that the incidents start by themselves."""
    sam = incidents.template()
    plain = Template(sam, Location("eu-west-1", "123456789012", ""), root=incidents.CODE).plain
    for name in WITHOUT_A_TEMPLATE:
        plain["Resources"][name] = plain["Resources"]["Silent"]
    plain["Resources"]["Stream"] = {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}}
    mapping = {
        "FunctionName": {"Ref": "Streaming"},
        "EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]},
        "StartingPosition": "LATEST",
    }
    plain["Resources"]["StreamingStream"] = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}
    return plain


def node(script, *arguments):
    command = ["node", str(HERE / "alarm_sets" / script), str(BUILD / "node_modules"), *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def slic_watch(plain):
    file = BUILD / "template.json"
    file.write_text(json.dumps(plain))
    return only_alarms(node("slic_watch.js", str(file)))


def constructs(plain, how):
    names = {
        "functions": [
            name for name, it in plain["Resources"].items() if it["Type"] == "AWS::Lambda::Function"
        ],
        "streams": ["Streaming"],
        "queues": {name: name.replace("Queue", "Dead") for name in incidents.QUEUES} | {"Unread": None},
        "topics": ["News"],
    }
    file = BUILD / "names.json"
    file.write_text(json.dumps(names))
    return only_alarms(node("monitoring_constructs.js", str(file), how))


def only_alarms(document):
    """Leave the rest out of a template, but for what alarms refer to."""
    unread = {"AWS::CloudWatch::Dashboard", "AWS::Lambda::Permission"}
    kept = {name: it for name, it in document["Resources"].items() if it["Type"] not in unread}
    return {"Resources": kept}


def alarms_of(document):
    return sum(it["Type"] == "AWS::CloudWatch::Alarm" for it in document["Resources"].values())


def slic_title(_, logical_id):
    return re.fullmatch("slicWatch(.+?)Alarm.*", logical_id)[1]


def constructs_title(document, logical_id):
    """Return what an alarm is called between the name of its function or queue and its severity."""
    name = document["Resources"][logical_id]["Properties"]["AlarmName"]
    return re.fullmatch(r"A-[^-]+-(?:DLQ-)?(.+)-Critical", name)[1].replace("-", " ")


if __name__ == "__main__":
    main()
