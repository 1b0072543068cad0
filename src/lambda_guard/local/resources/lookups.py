"""Values from Parameter Store and Secrets Manager: dynamic references, and parameters of the template that name one.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lambda_guard.templates.document import OF_A_PARAMETER
from lambda_guard.templates.template import Template

_PUBLIC = "/aws/service/"
_ARN_PARTS = 7
_WHOLE = "SecretString"


class Lookups:
    """Looks values up in this cloud, where the template's own parameters and secrets are.

    Args:
        template: of which the references are.
        client: returns a boto3 client of a service.
        attributes: returns what a resource's service tells of it; it's made before that.

    Attributes:
        said: a sentence for each reference that can't be looked up, or that AWS would refuse, by the reference.
    """

    def __init__(
        self, template: Template, client: Callable[[str], Any], attributes: Callable[[str], Mapping[str, Any]]
    ) -> None:
        self.said: dict[str, str] = {}
        self._template = template
        self._client = client
        self._attributes = attributes

    def look_up(self, service: str, reference: str) -> str | None:
        """Return the value of `{{resolve:service:reference}}`; None if it stands as it is."""
        if service == OF_A_PARAMETER:
            return self._of_a_parameter(*reference.split(":", 1))
        found = self._secret(reference) if service == "secretsmanager" else self._parameter(reference)
        if found is None:
            whole = f"{{{{resolve:{service}:{reference}}}}}"
            self.said[whole] = f"{whole}: this cloud doesn't have it, and the text is taken as it stands"
        return found

    def _of_a_parameter(self, parameter: str, name: str) -> str:
        found = self._parameter(name)
        if found is None:
            said = f"SSM has no {name!r} here, and that is its value"
        elif name.startswith(_PUBLIC):
            return found
        else:
            said = (
                f"its value is that of {name} in this template; AWS wants it in SSM before the stack is made"
            )
        self.said[parameter] = f"Parameter {parameter}: {said}"
        return name if found is None else found

    def _parameter(self, reference: str) -> str | None:
        """Return a parameter's value, by its name or `name:version`."""
        name, _, _ = reference.partition(":")
        if not name.startswith(_PUBLIC) and not self._is_made("AWS::SSM::Parameter", name):
            return None
        ssm = self._client("ssm")
        try:
            answer = ssm.get_parameter(Name=reference, WithDecryption=True)
        except (ssm.exceptions.ParameterNotFound, ssm.exceptions.ParameterVersionNotFound):
            return None
        return str(answer["Parameter"]["Value"])

    def _secret(self, reference: str) -> str | None:
        """Return a secret's text, or a key's value in it, by `id:SecretString:key:stage:version`; the id is enough."""
        parts = reference.split(":")
        named = _ARN_PARTS if parts[0] == "arn" else 1
        identifier, rest = ":".join(parts[:named]), [*parts[named:], "", "", "", ""]
        self._is_made("AWS::SecretsManager::Secret", identifier)
        wanted = {"VersionStage": rest[2], "VersionId": rest[3]}
        secrets = self._client("secretsmanager")
        try:
            answer = secrets.get_secret_value(
                SecretId=identifier, **{key: it for key, it in wanted.items() if it}
            )
        except secrets.exceptions.ResourceNotFoundException:
            return None
        if rest[0] not in {"", _WHOLE} or not rest[1]:
            return str(answer.get(_WHOLE))
        return _value(answer.get(_WHOLE), rest[1])

    def _is_made(self, kind: str, name: str) -> bool:
        """Make the template's resource of a name before it is looked up; return whether there is one."""
        named = [
            it.logical_id
            for it in self._template.resources(kind)
            if self._template.name(it.logical_id) == name
        ]
        for logical_id in named:
            self._attributes(logical_id)
        return bool(named)


def _value(secret: Any, key: str) -> str | None:
    try:
        found = json.loads(secret)[key]
    except (KeyError, TypeError, ValueError):
        return None
    return found if isinstance(found, str) else json.dumps(found)
