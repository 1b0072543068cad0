"""Reads a SAM or CloudFormation template and gives the stack that it declares.

AWS's own aws-sam-translator turns SAM into plain CloudFormation, so that what `AWS::Serverless::Function`
and its events mean is AWS's code, not ours. What is left is read here; what isn't honoured is named in a
warning.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambda_guard.local._errors import TemplateError
from lambda_guard.local.aws.services import own_session
from lambda_guard.templates import support
from lambda_guard.templates.intrinsics import Template
from lambda_guard.templates.resources import StackReader
from lambda_guard.templates.stack import Stack

_LOCAL_BUCKET = "s3://local/"
_SECTIONS = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters")
# What else of SAM's may be a path, for which `sam deploy` puts an address; nothing of it is honoured here.
_LOCAL_PATHS = {
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}


def read_stack(
    template: str | Path | Mapping[str, Any],
    *,
    root: Path | None = None,
    parameters: Mapping[str, str] | None = None,
    region: str,
    account: str,
    endpoint: str,
    inline_code: Path,
) -> Stack:
    """Read a template.

    Args:
        template: a file in YAML or JSON, or the template itself.
        root: what `CodeUri` is relative to; by default the file's directory, or the current one.
        parameters: values that win over the parameters' defaults.
        region: for ARNs.
        account: for ARNs.
        endpoint: the URL of the services, for queue URLs.
        inline_code: a directory to which `InlineCode` is written.

    Raises:
        TemplateError: the message names the file, the resource and what is wrong.
    """
    file, document = _load(template)
    base = root or (Path(file).parent if not isinstance(template, Mapping) else Path.cwd())
    values = _parameters(file, document, parameters or {}, region=region, account=account)
    source, places = _with_placeholders(file, document)
    plain = _translate(file, source, values, region)
    warnings = [*support.source_warnings(document), *support.warnings(plain, document)]
    reader = StackReader(
        file=file,
        template=plain,
        places={name: base / place for name, place in places.items()},
        base=base,
        parameters=values,
        region=region,
        account=account,
        endpoint=endpoint,
        inline_code=inline_code,
    )
    return reader.read(warnings)


def _load(template: str | Path | Mapping[str, Any]) -> tuple[str, Template]:
    if isinstance(template, Mapping):
        return _checked("the template", dict(template))
    path = Path(template)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: the template can't be read: {error}") from error
    return _checked(str(path), _parse(str(path), text))


def _parse(file: str, text: str) -> Any:
    import yaml  # type: ignore[import-untyped]  # the stubs are not ours to ask for

    try:
        return yaml.load(text, _loader())  # noqa: S506 - a SafeLoader with CloudFormation's tags
    except yaml.YAMLError as error:
        raise TemplateError(f"{file}: not YAML: {error}") from error


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # as above
        """YAML with the short forms of intrinsic functions."""

    def construct(loader: Any, suffix: str, node: Any) -> Any:
        name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {name: value.split(".", 1) if suffix == "GetAtt" and isinstance(value, str) else value}

    Loader.add_multi_constructor("!", construct)
    # "2012-10-17" and "2010-09-09" are strings to CloudFormation.
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
    return Loader


def _checked(file: str, document: Any) -> tuple[str, Template]:
    document = _unshared(file, document)
    resources = document.get("Resources") if isinstance(document, dict) else None
    if not isinstance(resources, dict) or not resources:
        raise TemplateError(f"{file}: a template is a mapping with a non-empty mapping `Resources`")
    for section in _SECTIONS:
        entries = document.get(section) or {}
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise TemplateError(f"{file}: `{section}` must be a mapping of names to mappings")
    for name, resource in resources.items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(f"{file}: resource {name}: it needs a `Type`, for example AWS::SQS::Queue")
        if not isinstance(resource.get("Properties") or {}, dict):
            raise TemplateError(f"{file}: resource {name}: `Properties` must be a mapping")
        if not resource.get("Properties"):
            resource.pop("Properties", None)  # YAML's `Properties:` with nothing below it
    return file, document


def _unshared(file: str, document: Any) -> Any:
    """Return a copy in which nothing stands twice: YAML's aliases would be translated once for all places."""
    try:
        return json.loads(json.dumps(document, default=str))
    except (ValueError, TypeError, RecursionError) as error:
        raise TemplateError(f"{file}: not a template: {error}") from error


def _parameters(
    file: str, document: Template, given: Mapping[str, str], *, region: str, account: str
) -> dict[str, Any]:
    declared = document.get("Parameters") or {}
    if unknown := set(given) - set(declared):
        raise TemplateError(f"{file}: the template has no parameter {', '.join(sorted(unknown))}")
    values = {name: given.get(name, declaration.get("Default")) for name, declaration in declared.items()}
    if missing := sorted(name for name, value in values.items() if value is None):
        raise TemplateError(f"{file}: parameter {', '.join(missing)} has no default: give a value")
    for name, declaration in declared.items():
        if "List" in str(declaration.get("Type")) and isinstance(values[name], str):
            values[name] = [part.strip() for part in values[name].split(",")]
    return {
        **values,
        "AWS::Region": region,
        "AWS::AccountId": account,
        "AWS::Partition": "aws",
        "AWS::StackName": "local",
        "AWS::StackId": f"arn:aws:cloudformation:{region}:{account}:stack/local/0",
        "AWS::URLSuffix": "amazonaws.com",
    }


def _with_placeholders(file: str, document: Template) -> tuple[Template, dict[str, str]]:
    """Return the template with S3 addresses for local code, which SAM asks for, and what they stand for."""
    source, places = copy.deepcopy(document), {}
    globals_ = ((source.get("Globals") or {}).get("Function")) or {}
    functions = {
        name: resource.setdefault("Properties", {})
        for name, resource in source["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    for name, properties in [("Globals", globals_), *functions.items()]:
        code = properties.get("CodeUri")
        if code is None and name != "Globals" and not {"InlineCode", "ImageUri"} & set(properties):
            code = None if "CodeUri" in globals_ else "."
        if code is None:
            continue
        if not isinstance(code, str) or code.startswith("s3://"):
            raise TemplateError(f"{file}: resource {name}: CodeUri must be a local directory, not {code!r}")
        places[name] = code
        properties["CodeUri"] = f"{_LOCAL_BUCKET}{name}"
    for name, resource in source["Resources"].items():
        key = _LOCAL_PATHS.get(resource["Type"], "")
        if isinstance((resource.get("Properties") or {}).get(key), str):
            resource["Properties"][key] = f"{_LOCAL_BUCKET}{name}"
    return source, places


def _translate(file: str, source: Template, values: Mapping[str, Any], region: str) -> Template:
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import undo_mark_unicode_str_in_template

    translator = Translator(None, Parser(), boto_session=own_session(region))
    texts = {name: value for name, value in values.items() if not name.startswith("AWS::")}
    try:
        plain = translator.translate(source, parameter_values=texts, get_managed_policy_map=dict)
    except InvalidDocumentException as error:
        raise TemplateError(f"{file}: {'; '.join(cause.message for cause in error.causes)}") from error
    template: Template = json.loads(json.dumps(undo_mark_unicode_str_in_template(plain), default=str))
    return template
