"""The template of a project, as it was written or as the CDK or the Serverless Framework left it, and its parameters.

SAM: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html,
the CDK: https://docs.aws.amazon.com/cdk/v2/guide/deploy.html, whose output is a cloud assembly.
"""

import json
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lambda_guard.local._errors import OptionError
from lambda_guard.templates.document import TemplateError, load, parse

_WRITTEN: Final = ("template.yaml", "template.yml", "template.json")
_BUILT: Final = (".aws-sam", "build", "template.yaml")
_SERVERLESS: Final = "cloudformation-template-update-stack.json"
_TO_BUILD: Final = {"cdk.json": "cdk synth", "serverless.yml": "serverless package"}
_CONFIGURATIONS: Final = ("samconfig.toml", "samconfig.yaml", "samconfig.yml")
_COMMANDS: Final = ("global", "build", "deploy")
"""Whose parameters count, the last most: `deploy` names those of the stack."""


def template_file(path: Path) -> Path:
    """Return the template that a path means: the file, or the one of a project, of `cdk.out` or of `.serverless`.

    Raises:
        OptionError: there is none, or more than one; the message says what to name.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise OptionError(f"there is no '{path}': name a template, or a directory that has one")
    for name in _WRITTEN:
        if (path / name).is_file():
            return path / name
    for directory in (path, path / "cdk.out", path / ".serverless"):
        if (directory / "manifest.json").is_file():
            return _of_an_assembly(directory)
        if (directory / _SERVERLESS).is_file():
            return directory / _SERVERLESS
    builds = [f"run {command}" for file, command in _TO_BUILD.items() if (path / file).is_file()]
    names = f"a template is {', '.join(_WRITTEN)}, cdk.out or .serverless there"
    raise OptionError(f"no template in '{path}': {builds[0] if builds else names}")


def _of_an_assembly(directory: Path) -> Path:
    """Return the template of the only stack of a cloud assembly."""
    stacks = list(_stacks(directory))
    if not stacks:
        raise OptionError(f"'{directory}' has no stack")
    if len(stacks) > 1:
        raise OptionError(f"'{directory}' has several stacks, name one: {', '.join(map(str, stacks))}")
    return stacks[0]


def _stacks(directory: Path) -> Iterator[Path]:
    """Yield the templates of a cloud assembly's stacks, those of its stages too."""
    try:
        artifacts = (
            json.loads((directory / "manifest.json").read_text(encoding="utf-8")).get("artifacts") or {}
        )
        for artifact in artifacts.values():
            properties = artifact.get("properties") or {}
            if artifact.get("type") == "aws:cloudformation:stack":
                yield directory / properties["templateFile"]
            elif artifact.get("type") == "cdk:cloud-assembly":
                yield from _stacks(directory / properties["directoryName"])
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise OptionError(f"'{directory / 'manifest.json'}' isn't a cloud assembly's: {error}") from error


def newer_build(template: Path) -> Iterator[str]:
    """Yield the sentence that names what `sam build` has made of a template since it was written, if it has."""
    built = template.parent.joinpath(*_BUILT)
    if built.is_file() and built.stat().st_mtime >= template.stat().st_mtime:
        yield f"'{built}' is newer than '{template}': start it for the code and dependencies that `sam build` has built"


def configured(template: Path, environment: str) -> tuple[dict[str, str], list[str]]:
    """Return the values of a template's parameters in the SAM CLI's configuration, and what there is to say of them.

    Args:
        template: the file; the configuration is beside it, or beside `.aws-sam`.
        environment: of the configuration; `default`, for example.

    Raises:
        OptionError: the configuration can't be read, or has no such environment.
    """
    file = _configuration(template)
    if file is None:
        if environment != "default":
            raise OptionError(f"--config-env {environment}: there is no samconfig.toml beside '{template}'")
        return {}, []
    document = _read(file)
    environments = [name for name, section in document.items() if isinstance(section, dict)]
    if environment not in environments:
        if environment == "default":
            return {}, []
        raise OptionError(
            f"'{file}' has no environment {environment!r}; environments: {', '.join(environments)}"
        )
    values = _of_commands(file, document[environment])
    if not values:
        return {}, []
    declared = load(template)[1].get("Parameters") or {}
    unknown = ", ".join(sorted(values.keys() - declared.keys()))
    said = f"'{file}' has values for {unknown}, which the template has no parameter for"
    return {name: value for name, value in values.items() if name in declared}, [said] if unknown else []


def _of_commands(file: Path, sections: Mapping[str, Any]) -> dict[str, str]:
    values = dict[str, str]()
    for command in _COMMANDS:
        parameters = (sections.get(command) or {}).get("parameters") or {}
        values |= overrides(file, parameters.get("parameter_overrides"))
    return values


def _configuration(template: Path) -> Path | None:
    directories = [template.parent]
    if template.parts[-len(_BUILT) :] == _BUILT:
        directories.append(template.parent.parent.parent)
    found = (directory / name for directory in directories for name in _CONFIGURATIONS)
    return next((file for file in found if file.is_file()), None)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text) if file.suffix == ".toml" else parse(str(file), text)
    except (OSError, ValueError, TemplateError) as error:
        raise OptionError(f"'{file}' can't be read: {error}") from error
    return document if isinstance(document, dict) else {}


def overrides(file: Path, written: Any) -> dict[str, str]:
    """Return the values of `parameter_overrides`, in any of the forms that the SAM CLI takes.

    Text with `Name=value` or `ParameterKey=Name,ParameterValue=value`, with quotes where a value has spaces; a list of
    such texts or of tables; a table.

    Raises:
        OptionError: it's none of these.
    """
    if not written:
        return {}
    if isinstance(written, dict):
        return {str(name): _value(value) for name, value in written.items()}
    if isinstance(written, list):
        return {name: value for each in written for name, value in overrides(file, each).items()}
    try:
        return dict(_pair(word) for word in shlex.split(str(written)))
    except ValueError:
        raise OptionError(
            f"'{file}': parameter_overrides must be like \"Name=value Other='a b'\", not {written!r}"
        ) from None


def _pair(word: str) -> tuple[str, str]:
    if word.startswith("ParameterKey="):
        name, comma, value = word.removeprefix("ParameterKey=").partition(",ParameterValue=")
    else:
        name, comma, value = word.partition("=")
    if not (name and comma):
        raise ValueError(word)
    return name, value


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
