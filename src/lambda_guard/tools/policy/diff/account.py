"""What a role or a managed policy of an account grants.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html
"""

from collections.abc import Callable
from typing import Any

from lambda_guard.tools.aws import Clients, CloudError, NoSuchResourceError, NotPermittedError, explained
from lambda_guard.tools.policy.diff.denials import evaluation
from lambda_guard.tools.policy.diff.granted import Granted

_PATHS = ("", "service-role/", "job-function/")


class Account:
    """Reads policies; each that can't be read is noted where it belongs.

    Args:
        clients: returns the clients of a Region, or of the function's; raises CloudError where there is no account.
    """

    def __init__(self, clients: Callable[[str | None], Clients]) -> None:
        self._clients = clients
        self._opened: Clients | None = None
        self._unreachable: CloudError | None = None

    def role(self, name: str, function: str) -> Granted:
        """Return what a role grants.

        Args:
            name: of the role, or its ARN.
            function: whose dead letters and destinations Lambda sends in the role's name.

        Raises:
            NoSuchResourceError: there is no such role.
            CloudError: AWS can't be reached, or nothing of the role may be read.
        """
        name = name.rsplit("/", 1)[-1]
        granted = Granted(f"the role {name}")
        role = self._asked(granted, "iam", "get_role", RoleName=name)
        boundary = ((role or {}).get("Role") or {}).get("PermissionsBoundary") or {}
        if arn := boundary.get("PermissionsBoundaryArn"):
            granted.limit(self.policy(arn))
        for policy in self._pages(granted, "list_role_policies", "PolicyNames", RoleName=name):
            answer = self._asked(granted, "iam", "get_role_policy", RoleName=name, PolicyName=policy)
            if answer is not None:
                granted.add(answer["PolicyDocument"], policy)
        for attached in self._pages(
            granted, "list_attached_role_policies", "AttachedPolicies", RoleName=name
        ):
            self.attach(granted, attached["PolicyArn"])
        if granted.unread and not granted.statements:
            raise CloudError(f"nothing of the role {name} could be read: {granted.unread[0]}")
        self._add_targets(granted, function)
        return granted

    def policy(self, arn: str) -> Granted:
        """Return what a managed policy grants.

        Raises:
            CloudError: AWS can't be reached.
        """
        granted = Granted(f"the policy {arn.rsplit('/', 1)[-1]}")
        self.attach(granted, arn)
        return granted

    def evaluated(self, authorization_id: str, region: str | None) -> list[str]:
        """Return what AWS's evaluation of a denied request says; nothing where AWS isn't asked anyway, or refuses."""
        if self._opened is None:
            return []
        request = {"authorizationId": authorization_id}
        try:
            with explained("look at why a call was denied"):
                client = self._clients(region)("iam-toolbox")
                return list(evaluation(client.get_request_authorization_details(**request)))
        except CloudError:
            return []

    def attach(self, granted: Granted, policy: str) -> None:
        """Add a managed policy by its ARN, or one of AWS's by its name alone."""
        if (document := self._managed(granted, policy)) is not None:
            granted.add(document, policy.rsplit("/", 1)[-1])

    def _managed(self, granted: Granted, policy: str) -> Any:
        arns = (
            [policy]
            if policy.startswith("arn:")
            else [f"arn:aws:iam::aws:policy/{it}{policy}" for it in _PATHS]
        )
        for arn in arns:
            try:
                found = self._asked(granted, "iam", "get_policy", PolicyArn=arn)
            except NoSuchResourceError:
                continue
            if found is None:
                return None
            version = found["Policy"]["DefaultVersionId"]
            answer = self._asked(granted, "iam", "get_policy_version", PolicyArn=arn, VersionId=version)
            return None if answer is None else answer["PolicyVersion"]["Document"]
        granted.unread.append(f"there is no managed policy {policy} in this account")
        return None

    def _add_targets(self, granted: Granted, function: str) -> None:
        """Add where Lambda sends failed events and results; without the permission to ask, that stays open."""
        lenient = Granted(granted.what)
        try:
            settings = self._asked(lenient, "lambda", "get_function_configuration", FunctionName=function)
            configs = self._asked(
                lenient, "lambda", "list_function_event_invoke_configs", FunctionName=function
            )
        except CloudError:
            return
        targets = [((settings or {}).get("DeadLetterConfig") or {}).get("TargetArn")]
        for one in (configs or {}).get("FunctionEventInvokeConfigs", []):
            targets += [it.get("Destination") for it in (one.get("DestinationConfig") or {}).values()]
        granted.sends += [target for target in targets if target]

    def _asked(self, granted: Granted, service: str, operation: str, **request: Any) -> Any:
        """Return an answer; None where the permission is missing, which is noted."""
        return self._ask(
            granted,
            f"call {operation} of {service}",
            lambda: getattr(self._client(service), operation)(**request),
        )

    def _pages(self, granted: Granted, operation: str, key: str, **request: Any) -> list[Any]:
        def ask() -> list[Any]:
            pages = self._client("iam").get_paginator(operation).paginate(**request)
            return [entry for page in pages for entry in page[key]]

        found: list[Any] | None = self._ask(granted, f"call {operation} of iam", ask)
        return found or []

    def _ask(self, granted: Granted, what: str, ask: Callable[[], Any]) -> Any:
        """Ask, but not once more where nothing answered."""
        if self._unreachable is not None:
            raise self._unreachable
        try:
            with explained(what):
                return ask()
        except NotPermittedError as error:
            granted.unread.append(str(error))
            return None
        except NoSuchResourceError:
            raise
        except CloudError as error:
            self._unreachable = error
            raise

    def _client(self, service: str) -> Any:
        if self._opened is None:
            self._opened = self._clients(None)
        return self._opened(service)
