"""From SAM to plain CloudFormation, by AWS's own aws-sam-translator.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
"""

import copy
import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from lambda_guard.templates.document import Document, TemplateError

BUCKET = "local"
HASH_DIGITS = 10  # that the translator adds to the logical id of a layer
# What may be a local path, for which `sam deploy` puts an address in S3; the translator wants the address.
_PATHS = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


def translate(
    file: str, document: Document, values: Mapping[str, Any], region: str
) -> tuple[Document, dict[str, str]]:
    """Return the plain template, and the local paths by the key of the S3 address that stands for them.

    Raises:
        TemplateError: SAM refuses the template.
    """
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import undo_mark_unicode_str_in_template

    source, paths = _with_addresses(document)
    # All that the translator wants of a boto3 session is the region.
    translator = Translator(None, Parser(), boto_session=SimpleNamespace(region_name=region))
    # AWS's switches of unfinished features, all off; without it each question for one is a WARNING on standard error.
    switches = SimpleNamespace(is_enabled=lambda _feature: False)
    texts = {name: value for name, value in values.items() if not name.startswith("AWS::")}
    try:
        plain = translator.translate(
            source, parameter_values=texts, feature_toggle=switches, get_managed_policy_map=dict
        )
    except InvalidDocumentException as error:
        raise TemplateError(f"{file}: {'; '.join(cause.message for cause in error.causes)}") from error
    finally:
        translator.metrics.publish()  # to nowhere; metrics of its own that it still holds at its end are a WARNING, too
    template: Document = json.loads(json.dumps(undo_mark_unicode_str_in_template(plain), default=str))
    return template, paths


def definitions(plain: Document, paths: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the logical id of each API that is defined by a local file, and the file's path; its address is taken out.

    Intrinsic functions in the file count here, as for SAM CLI; on AWS, they do with `AWS::Include` alone.
    """
    for name, resource in plain["Resources"].items():
        location = (resource.get("Properties") or {}).get("BodyS3Location")
        path = location
        if isinstance(location, dict):
            path = paths.get(str(location.get("Key"))) if location.get("Bucket") == BUCKET else None
        if isinstance(path, str):
            del resource["Properties"]["BodyS3Location"]
            yield name, path


def _with_addresses(document: Document) -> tuple[Document, dict[str, str]]:
    source, paths = copy.deepcopy(document), dict[str, str]()
    for_all = (source.get("Globals") or {}).get("Function") or {}
    elsewhere = {"CodeUri", "InlineCode", "ImageUri"}
    for name, resource in source["Resources"].items():
        _stand_in(resource)
        if resource["Type"] not in _PATHS:
            continue
        properties, key = resource.setdefault("Properties", {}), _PATHS[resource["Type"]]
        if key == "CodeUri" and "CodeUri" not in for_all and not elsewhere & properties.keys():
            properties[key] = "."
        _put_address(properties, key, name, paths)
    _put_address(for_all, "CodeUri", "Globals", paths)
    return source, paths


def _stand_in(resource: dict[str, Any]) -> None:
    """Put something in the place of what the translator asks AWS for, or wants to be there before it's built."""
    properties = resource.get("Properties") or {}
    if resource["Type"] == "AWS::Serverless::Application" and isinstance(properties.get("Location"), dict):
        # of the Serverless Application Repository, for which the translator calls AWS
        url = f"serverlessrepo://{properties.pop('Location').get('ApplicationId')}"
        resource.update(Type="AWS::CloudFormation::Stack", Properties={**properties, "TemplateURL": url})
    if properties.get("PackageType") == "Image" and "ImageUri" not in properties:
        properties["ImageUri"] = BUCKET


def _put_address(properties: dict[str, Any], key: str, name: str, paths: dict[str, str]) -> None:
    path = properties.get(key)
    if isinstance(path, str) and not path.startswith("s3://"):
        properties[key] = f"s3://{BUCKET}/{name}"
        paths[name] = path
