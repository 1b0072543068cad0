"""What the role of a template's function grants, as SAM and CloudFormation would make it.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html#sam-function-policies
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.patterns import literal, read
from lambda_guard.iam.resources import Place
from lambda_guard.templates import sam
from lambda_guard.templates.document import TemplateError, load
from lambda_guard.templates.marks import Written
from lambda_guard.templates.marks import read as read_marks
from lambda_guard.templates.survey.functions import PLAIN, properties
from lambda_guard.templates.survey.nodes import Node, Template, Text, Unknown
from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.policy.diff.account import Account
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.diff.names import Names
from lambda_guard.tools.policy.diff.unseen import execution_role

_ATTACHED: Final = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy")
_SAM_POLICY: Final = "RolePolicy"


class TemplateRole:
    """Reads the role of one function of a template.

    Args:
        path: the template.
        function: the name of the function, as it is deployed.
        place: where it is deployed.
        parameters: values in place of the defaults.
        used: the resources of its calls, from which names are taken that the template leaves to CloudFormation.
        account: for what stands in an account alone.

    Raises:
        TemplateError: it isn't a template, or SAM refuses it.
    """

    def __init__(
        self,
        path: str,
        function: str,
        place: Place,
        *,
        parameters: Mapping[str, str],
        used: frozenset[str],
        account: Account,
    ) -> None:
        self._file, source = load(path)
        declared = source.get("Parameters") or {}
        if unknown := sorted(parameters.keys() - declared.keys()):
            raise TemplateError(f"{self._file}: the template has no parameter {', '.join(unknown)}")
        defaults = {name: one["Default"] for name, one in declared.items() if "Default" in one}
        plain, _ = sam.translate(self._file, source, {**defaults, **parameters}, place.region or "us-east-1")
        self._written = read_marks(path)
        known = {
            "AWS::Region": place.region,
            "AWS::AccountId": place.account,
            "AWS::Partition": place.partition,
        }
        settled = {name: value for name, value in known.items() if value is not None}
        self._template = Template(Written(self._file, plain), {**parameters, **settled})
        self._names = Names(self._template, place, used)
        self._account = account
        self._function = function

    def granted(self) -> Granted:
        """Return what the function's role grants.

        Raises:
            LambdaGuardError: the template has no such function; the message names those that there are.
            CloudError: its role is one of the account's, and can't be read there.
        """
        logical_id, it = self._of_function()
        role = str(it.at("Role").text or "")
        name = role.removeprefix("${").removesuffix("}").removesuffix(".Arn")
        kinds = {other: kind for other, kind, _ in self._template.resources()}
        if kinds.get(name) == "AWS::IAM::Role":
            granted = self._role(logical_id, name)
        elif isinstance(it.at("Role").text, Unknown) or not role:
            raise LambdaGuardError(
                f"{self._file}: which role {logical_id} has isn't settled in the template ({role or 'it has none'}): "
                "give --diff the role's name"
            )
        else:
            granted = self._account.role(role, self._function)
        granted.what = f"the role of {logical_id} in {self._file}"
        granted.sends += self._targets(logical_id, it)
        return granted

    def _of_function(self) -> tuple[str, Node]:
        """Return the function that has the name, or whose name may be it."""
        wanted = literal(self._function)
        found: dict[str, tuple[bool | None, Node]] = {}
        for logical_id, kind, resource in self._template.resources():
            if kind == PLAIN:
                it = properties(self._template, logical_id, kind, resource)
                name = it.at("FunctionName").text
                # Without one CloudFormation makes STACK-LOGICALID-RANDOM of it, and people write the logical id.
                names = [logical_id, f"*-{logical_id}-*"] if name is None else [self._names.pattern(name)]
                fits = [read(name, {}).fits(wanted) for name in names]
                found[logical_id] = (True if True in fits else None if None in fits else False, it)
        for answer in (True, None):
            if len(chosen := [name for name, (fits, _) in found.items() if fits is answer]) == 1:
                return chosen[0], found[chosen[0]][1]
            if chosen:
                raise LambdaGuardError(
                    f"{self._file}: {self._function} may be any of {', '.join(chosen)}: settle their names with "
                    "--parameter"
                )
        raise LambdaGuardError(
            f"{self._file}: it has no function {self._function}: there are {', '.join(found) or 'none'}"
        )

    def _role(self, function: str, role: str) -> Granted:
        granted = Granted(role)
        it = self._properties(role)
        for policy in it.at("Policies").items():
            name = str(policy.at("PolicyName").text)
            self._add(granted, policy.at("PolicyDocument"), f"{name}{self._line(policy, function, name)}")
        for arn in it.at("ManagedPolicyArns").items():
            self._attach(granted, arn.text)
        for logical_id, kind, resource in self._template.resources():
            attached = properties(self._template, logical_id, kind, resource) if kind in _ATTACHED else None
            if attached is not None and role in self._roles_of(attached):
                self._add(
                    granted, attached.at("PolicyDocument"), f"{logical_id}{self._line(attached, '', '')}"
                )
        if (boundary := it.at("PermissionsBoundary").text) is not None:
            limits = Granted(role)
            self._attach(limits, boundary)
            granted.limit(limits)
        return granted

    def _roles_of(self, it: Node) -> list[str]:
        named = [*it.at("Roles").items(), *it.at("RoleName").items()]
        return [str(one.text).removeprefix("${").removesuffix("}") for one in named]

    def _attach(self, granted: Granted, policy: Text) -> None:
        """Add a managed policy of the template, one of AWS's for execution roles, or one that the account has."""
        own = str(policy).removeprefix("${").removesuffix("}")
        if isinstance(policy, Unknown):
            kinds = {name: kind for name, kind, _ in self._template.resources()}
            if kinds.get(own) == "AWS::IAM::ManagedPolicy":
                self._add(granted, self._properties(own).at("PolicyDocument"), own)
            else:
                granted.unread.append(
                    f"which policy {policy} is isn't settled in the template: settle it with --parameter"
                )
            return
        if (document := execution_role(own.rsplit("/", 1)[-1])) is not None:
            granted.add(document, own.rsplit("/", 1)[-1])
            return
        try:
            self._account.attach(granted, own)
        except CloudError as error:
            granted.unread.append(f"the managed policy {own} isn't in the template: {error}")

    def _add(self, granted: Granted, document: Node, policy: str) -> None:
        listed = enumerate(document.at("Statement").items(), start=1)
        statements = [self._statement(granted, it, policy, number) for number, it in listed]
        if settled := [one for one in statements if one]:
            granted.add({"Version": "2012-10-17", "Statement": settled}, policy)

    def _statement(self, granted: Granted, it: Node, policy: str, number: int) -> dict[str, Any] | None:
        """Return a statement with patterns in place of what only a deployment settles, or None where it isn't any."""
        made: dict[str, Any] = {
            "Sid": str(it.at("Sid").text or f"#{number}"),
            "Effect": str(it.at("Effect").text),
            "Condition": _plain(it.at("Condition").value),
        }
        for key in ("Action", "NotAction", "Resource", "NotResource"):
            if it.at(key).raw is not None:
                texts = [one.text for one in it.at(key).items()]
                if key.endswith("Action") and any(isinstance(one, Unknown) for one in texts):
                    granted.unread.append(f"an action in {policy} isn't settled in the template")
                    texts = [one for one in texts if not isinstance(one, Unknown)]
                made[key] = [self._names.pattern(one) for one in texts]
        return made if made.get("Action", ["*"]) else None

    def _targets(self, function: str, it: Node) -> Iterator[str]:
        """Yield where Lambda sends failed events and results in the function's name."""
        yield from self._text(it.at("DeadLetterConfig", "TargetArn"))
        for logical_id, kind, resource in self._template.resources():
            if kind in {"AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping"}:
                other = properties(self._template, logical_id, kind, resource)
                if f"{{{function}" in str(other.at("FunctionName").text):
                    for _, target in other.at("DestinationConfig").entries():
                        yield from self._text(target.at("Destination"))

    def _text(self, it: Node) -> Iterator[str]:
        if it.text is not None:
            yield self._names.pattern(it.text)

    def _properties(self, logical_id: str) -> Node:
        return Node(
            self._template,
            self._template.section("Resources")[logical_id].get("Properties") or {},
            ("Resources", logical_id, "Properties"),
        )

    def _line(self, it: Node, function: str, name: str) -> str:
        """Return the line of a policy as ` (template.yaml:12)`; SAM names those that it translates by their place."""
        number = name.removeprefix(f"{function}{_SAM_POLICY}")
        steps = (
            ("Resources", function, "Properties", "Policies", int(number))
            if name != number and number.isdigit()
            else it.steps
        )
        line = self._written.line(steps) if steps[:2] in self._written.lines else None
        return "" if line is None else f" ({self._file}:{line})"


def _plain(value: Any) -> Any:
    """Return a condition as JSON has it, with texts for what isn't settled."""
    return json.loads(json.dumps(value, default=str))
