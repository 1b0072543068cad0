"""Values that take more than an expression: a state machine's definition, a secret's text, a bucket's ACL."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from lambda_guard.local.resources.fitting import fitted
from lambda_guard.templates.document import parse, read_file
from lambda_guard.templates.template import Resource, Template, text


def _definition(
    template: Template, it: Resource, properties: Mapping[str, Any], _client: Any
) -> dict[str, Any]:
    """Return a state machine's definition, in which CloudFormation replaces `${name}`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
    """
    path = template.path(it, "DefinitionS3Location")
    if path is not None:
        definition = read_file(
            path, f"{template.file}: resource {it.logical_id}: the definition {str(path)!r}"
        )
        if path.suffix in {".yaml", ".yml"}:
            definition = json.dumps(parse(str(path), definition))
    else:
        definition = text(properties.get("DefinitionString") or properties.get("Definition") or "")
    if re.search(r'"QueryLanguage"\s*:\s*"JSONata"', definition):
        raise template.error(it.logical_id, "its states are in JSONata, and moto interprets JSONPath alone")
    for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
        definition = definition.replace(f"${{{name}}}", text(value))
    return {"definition": definition}


def _secret(template: Template, it: Resource, properties: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """Return the text of a secret that is to be generated: a password, or a document with one.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
    """
    wanted = properties.get("GenerateSecretString")
    if wanted is None:
        return {}
    if not isinstance(wanted, Mapping):
        raise template.error(it.logical_id, f"GenerateSecretString must be a mapping, not {wanted!r}")
    request, _ = fitted(client, "get_random_password", wanted)
    password = client.get_random_password(**request)["RandomPassword"]
    if "GenerateStringKey" not in wanted:
        return {"generated": password}
    document = json.loads(wanted.get("SecretStringTemplate") or "{}")
    return {"generated": json.dumps({**document, wanted["GenerateStringKey"]: password})}


def _acl(_template: Template, _it: Resource, properties: Mapping[str, Any], _client: Any) -> dict[str, Any]:
    """Return a bucket's canned ACL as S3 writes it: `public-read` for `PublicRead`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
    """
    return {"acl": re.sub(r"(?<=[a-z])(?=[A-Z])", "-", str(properties.get("AccessControl"))).lower()}


_COMPUTED: Final[Mapping[str, Callable[[Template, Resource, Mapping[str, Any], Any], dict[str, Any]]]] = {
    "AWS::S3::Bucket": _acl,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _definition,
}


def computed(template: Template, it: Resource, properties: Mapping[str, Any], client: Any) -> dict[str, Any]:
    """Return further names for the expressions of a resource's type.

    Raises:
        TemplateError: a file that a property names can't be read.
    """
    function = _COMPUTED.get(it.kind)
    return {} if function is None else function(template, it, properties, client)
