"""Before a version gets traffic: it is invoked with sample events, and must write a record without any failure.

The handler does with the samples, in samples/*.json, what it does with real events. They are made up, never taken from
production, with ids that nobody takes for a customer's.
"""

import base64
import json
import os
from pathlib import Path

import boto3

from lambda_guard import logger, production

SAMPLES = Path(__file__).parent / "samples"
codedeploy, lambda_ = boto3.client("codedeploy"), boto3.client("lambda")


@production
def handler(event, context):
    status = "Failed"  # also where a check can't be made: CodeDeploy would wait for an hour
    try:
        samples = sorted(SAMPLES.glob("*.json"))
        faults = [fault for sample in samples for fault in faults_of(sample)]
        if not samples:
            faults = ["there are no sample events"]
        for fault in faults:
            logger.error("the new version doesn't pass", version=os.environ["NEW_VERSION"], fault=fault)
        status = "Failed" if faults else "Succeeded"
    finally:
        codedeploy.put_lifecycle_event_hook_execution_status(
            deploymentId=event["DeploymentId"],
            lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
            status=status,
        )


def faults_of(sample):
    """Return what is wrong with the new version, by its answer to a sample and by its record."""
    arn, payload = os.environ["NEW_VERSION"], sample.read_bytes()
    answer = lambda_.invoke(FunctionName=arn, Payload=payload, LogType="Tail")
    record = record_in(base64.b64decode(answer["LogResult"]).decode(errors="replace"))
    if answer.get("FunctionError"):
        error = json.load(answer["Payload"])
        return [f"{sample.name}: {error.get('errorType')}: {error.get('errorMessage')}"]
    if record is None:
        return [f"{sample.name}: no invocation record in the last 4 KB of the log"]
    counts = {key: record.get(key) for key in ("RecordFailures", "ServerErrors", "GuardErrors")}
    faults = [f"{sample.name}: {key} {count:g}" for key, count in counts.items() if count]
    return faults if record["outcome"] == "success" else [f"{sample.name}: {record['outcome']}", *faults]


def record_in(tail):
    for line in tail.splitlines():
        if line.startswith("{") and line.endswith("}") and '"record":"invocation"' in line:
            return json.loads(line)
    return None
