"""State machines run: moto has an interpreter of the States Language, whose tasks call this cloud's services.

https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
"""

import json
import os
import time
from typing import Any
from uuid import uuid4

from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.stepfunctions.responses import StepFunctionResponse

from lambda_guard.local.aws.replacing import replaces

_POLL_SECONDS = 0.01


def tasks_call_services(port: int) -> None:
    """Have tasks call the services on a port of this machine."""
    os.environ["MOTO_PORT"] = str(port)


def executions_run() -> None:
    """AWS, StartExecution: "name: if you don't provide a name for the execution, Step Functions … generates" one.

    moto calls all of those `None`; and it runs executions only if its configuration says so. The interpreter is loaded
    with the first state machine, in about a second.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    default_user_config["stepfunctions"] = {"execute_state_machine": True}

    @replaces(StepFunctionResponse, "start_execution")
    def start_execution(_original: Any, self: Any) -> ActionResult:
        execution = _started(self)
        return ActionResult({"executionArn": execution.execution_arn, "startDate": execution.start_date})


def executions_are_waited_for() -> None:
    """AWS, StartSyncExecution: "Starts a Synchronous Express state machine execution"; moto doesn't have it.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartSyncExecution.html
    """

    def start_sync_execution(self: Any) -> ActionResult:
        execution = _started(self)
        while execution.stop_date is None:
            time.sleep(_POLL_SECONDS)
        found = {
            "executionArn": execution.execution_arn,
            "stateMachineArn": execution.state_machine_arn,
            "name": execution.name,
            "startDate": execution.start_date,
            "stopDate": execution.stop_date,
            "status": execution.exec_status,
            "input": execution.execution_input,
            "output": None if execution.output is None else json.dumps(execution.output),
            "error": execution.error,
            "cause": execution.cause,
        }
        return ActionResult({key: value for key, value in found.items() if value is not None})

    if hasattr(StepFunctionResponse, "start_sync_execution"):
        raise AttributeError("moto has start_sync_execution now")
    setattr(StepFunctionResponse, start_sync_execution.__name__, start_sync_execution)


def _started(self: Any) -> Any:
    name = self._get_param("name") or str(uuid4())
    given = self._get_param("input", if_none="{}")
    return self.stepfunction_backend.start_execution(self._get_param("stateMachineArn"), name, given)
