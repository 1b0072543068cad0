"""The document of a template: loaded from YAML or JSON, checked, and its parameters given values."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.templates.transforms import transformed

Document = dict[str, Any]
OF_A_PARAMETER: Final = "parameter-of-the-template"
"""The service of a dynamic reference that stands for a template's parameter: `name:value`."""
_SECTIONS = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a stack is.

    Attributes:
        region: of ARNs.
        account: of ARNs.
        endpoint: the URL of SQS, for queue URLs.
    """

    region: str
    account: str
    endpoint: str

    def arn(self, service: str, rest: str) -> str:
        """Return an ARN of this region and account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def queue_url(self, name: str) -> str:
        """Return a queue's URL."""
        return f"{self.endpoint}/{self.account}/{name}"


ANYWHERE: Final = Location("us-east-1", "123456789012", "")
"""Of a stack of which only what doesn't depend on its place is asked."""


class TemplateError(LambdaGuardError, ValueError):
    """The template can't be read, or declares something impossible.

    The message names the file and the resource.
    """

    exit_code = 2


def load(
    template: str | Path | Mapping[str, Any],
    root: str | Path | None = None,
    given: Mapping[str, str] | None = None,
) -> tuple[str, Document]:
    """Return the template's name, for messages, and its document, after CloudFormation's own transforms.

    Args:
        template: a file in YAML or JSON, or the document itself.
        root: what the files are relative to that it includes; by default its directory, or the current one.
        given: values of parameters that win over their defaults.

    Raises:
        TemplateError: it can't be read, or isn't a template.
    """
    if isinstance(template, Mapping):
        file, document = "the template", dict(template)
    else:
        file = str(Path(template))
        document = parse(file, read_file(Path(template), f"{file}: the template"))
    document = _unshared(file, document)
    return file, _checked(file, _transformed(file, document, base_of(template, root), given or {}))


def base_of(template: str | Path | Mapping[str, Any], root: str | Path | None = None) -> Path:
    """Return what the paths in a template are relative to; arguments as in `load`."""
    return Path(root or (Path.cwd() if isinstance(template, Mapping) else Path(template).parent))


def read_file(path: Path, what: str) -> str:
    """Return a file's text; `what` it is, for the message.

    Raises:
        TemplateError: it can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{what} can't be read: {error}") from error


def _transformed(file: str, document: Any, base: Path, given: Mapping[str, str]) -> Any:
    def include(asked: Any) -> Any:
        match asked:
            case {"Name": "AWS::Include", "Parameters": {"Location": str(location)}}:
                path = base / location
                return parse(str(path), read_file(path, f"{file}: {location}")) if path.is_file() else None
        return None

    def default(name: str) -> Any:
        match document:
            case {"Parameters": {**declared}} if isinstance(it := declared.get(name), dict):
                return it.get("Default")
        return None

    try:
        return transformed(document, lambda name: given.get(name, default(name)), include)
    except ValueError as error:
        raise TemplateError(f"{file}: {error}") from error


def parse(file: str, text: str) -> Any:
    """Return a document in YAML or JSON, in which intrinsic functions may have their short forms.

    Raises:
        TemplateError: it's neither.
    """
    import yaml  # type: ignore[import-untyped]  # the stubs are not ours to ask for

    if text.lstrip().startswith("{"):
        with suppress(ValueError):  # tabs are JSON's, and not YAML's
            return json.loads(text)
    try:
        return yaml.load(text, _loader())  # noqa: S506 - a SafeLoader with CloudFormation's tags
    except yaml.YAMLError as error:
        raise TemplateError(f"{file}: not YAML: {error}") from error


def _loader() -> Any:
    import yaml
    from samtranslator.yaml_helper import intrinsics_multi_constructor

    # libyaml's is ten times as fast, and takes `{Schedule: cron(0 3 * * ? *)}`, as CloudFormation does.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # as above
        """YAML with the short forms of intrinsic functions."""

    Loader.add_multi_constructor("!", intrinsics_multi_constructor)
    # A policy's version, 2012-10-17, is a string to CloudFormation.
    Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_yaml_str)
    return Loader


def _checked(file: str, document: Any) -> Document:
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
    checked: Document = document
    return checked


def _unshared(file: str, document: Any) -> Any:
    """Return a copy without shared objects: the SAM translator would translate a YAML alias once for all places."""
    try:
        return json.loads(json.dumps(document, default=str))
    except (ValueError, TypeError, RecursionError) as error:
        raise TemplateError(f"{file}: not a template: {error}") from error


def without_default(document: Document) -> list[str]:
    """Return the names of the parameters that a stack must be given."""
    return [name for name, it in (document.get("Parameters") or {}).items() if "Default" not in it]


def placeholders(
    document: Document, given: Mapping[str, str], make: Callable[[Document], str]
) -> dict[str, str]:
    """Return what `make` makes of the declaration of each parameter that has neither a value nor a default."""
    needed = [name for name in without_default(document) if name not in given]
    return {name: make(document["Parameters"][name]) for name in needed}


def stored_values(document: Document, values: Mapping[str, Any], unknown: Iterable[str]) -> dict[str, str]:
    """Return dynamic references of ours in place of the values that are names in Parameter Store.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html

    Args:
        document: which declares the parameters.
        values: of all of them.
        unknown: the names of those that have no name of a value.
    """
    declared = document.get("Parameters") or {}
    stored = [
        name for name, it in declared.items() if str(it.get("Type")).startswith("AWS::SSM::Parameter::Value<")
    ]
    names = {name: values[name] for name in stored if name not in unknown}
    texts = {name: ",".join(value) if isinstance(value, list) else value for name, value in names.items()}
    return {name: f"{{{{resolve:{OF_A_PARAMETER}:{name}:{text}}}}}" for name, text in texts.items()}


def parameter_values(
    file: str, document: Document, given: Mapping[str, str], location: Location
) -> dict[str, Any]:
    """Return the values of the parameters, `given` or by default, and of the pseudo parameters.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html

    Raises:
        TemplateError: a parameter is unknown, or has neither a value nor a default.
    """
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
        "AWS::Region": location.region,
        "AWS::AccountId": location.account,
        "AWS::Partition": "aws",
        "AWS::StackName": "local",
        "AWS::StackId": location.arn("cloudformation", "stack/local/0"),
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::NotificationARNs": [],
    }
