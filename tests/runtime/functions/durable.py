"""A durable function in both orders of the decorators, with a service that accepts every checkpoint."""

import logging

from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import Duration

from lambda_guard import logger, production


class Service:
    """As much of Lambda's client as checkpoints need: each update is accepted, and becomes an operation."""

    def checkpoint_durable_execution(self, *, CheckpointToken, Updates=(), **_):
        operations = [
            {
                "Id": update["Id"],
                "Type": update["Type"],
                "SubType": update.get("SubType"),
                "Status": "STARTED",
            }
            | ({"WaitDetails": {}} if update["Type"] == "WAIT" else {})
            for update in Updates
        ]
        return {"CheckpointToken": CheckpointToken, "NewExecutionState": {"Operations": operations}}


def run(event, context):
    """Say that it is at work, and return, raise or wait."""
    logger.info("ours")
    logging.getLogger("theirs").warning("theirs")
    print("printed")
    if event["do"] == "fail":
        raise LookupError("no such order")
    if event["do"] == "wait":
        context.wait(Duration.from_seconds(60))
    return {"done": True}


service = Service()
outside = production(durable_execution(run, boto3_client=service))
inside = durable_execution(production(run), boto3_client=service)
