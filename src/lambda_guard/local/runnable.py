"""Which functions of a template run on this machine, and why the others don't."""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from lambda_guard.local._errors import FunctionAbsentError, LocalCloudError
from lambda_guard.local.handlers import missing
from lambda_guard.local.runtime.layers import unpack_code
from lambda_guard.templates.stack import AbsentFunction, FunctionDeclaration, MappingDeclaration, Stack
from lambda_guard.templates.template import Template

CONCURRENCY: Final = 10  # of a function that reserves none


def runnable(template: Template, stack: Stack, directory: Path) -> tuple[Stack, list[str]]:
    """Return the stack with the functions that can run here, the others as absent, and what there is to say of them.

    Args:
        template: where the stack was read from.
        stack: as it was read, with the layers that are here.
        directory: where inline code is written, and archives are unpacked.
    """
    here, absent = list[FunctionDeclaration](), list[AbsentFunction]()
    for it in stack.functions:
        try:
            here.append(_function(template, it, directory))
        except FunctionAbsentError as error:
            absent.append(_absent(it.logical_id, it.name, str(error), stack.mappings))
    for resource in template.unread("AWS::Lambda::Function"):
        absent.append(_absent(resource, template.name(resource), template.left_out[resource], stack.mappings))
    run = replace(stack, functions=tuple(here), absent=tuple(absent))
    return run, [
        *(f"{it.logical_id} doesn't run here: {it.reason}" for it in absent),
        *(f"{it.logical_id}: {problem}" for it in here if (problem := _missing(it, stack))),
        *(
            f"{it.logical_id} is throttled: it reserves no concurrency"
            for it in here
            if not it.reserved_concurrency
        ),
    ]


def _absent(
    logical_id: str, name: str, reason: str, mappings: Iterable[MappingDeclaration]
) -> AbsentFunction:
    arns = (it.source_arn for it in mappings if it.function == name and it.enabled)
    queues = tuple(arn for arn in arns if arn.startswith("arn:aws:sqs:"))
    return AbsentFunction(logical_id=logical_id, name=name, reason=reason, queues=queues)


def _function(template: Template, it: FunctionDeclaration, directory: Path) -> FunctionDeclaration:
    if it.runtime is None:
        raise FunctionAbsentError(
            "it's a container image, and Python functions from a directory or zip archive do"
        )
    if not it.runtime.startswith("python"):
        raise FunctionAbsentError(f"its runtime is {it.runtime}, and Python functions do")
    if it.handler is None or "." not in it.handler:
        raise FunctionAbsentError(f"Handler must be `module.function`, not {it.handler!r}")
    reserved = CONCURRENCY if it.reserved_concurrency is None else it.reserved_concurrency
    return replace(it, code=_code(template, it, directory), reserved_concurrency=reserved)


def _code(template: Template, it: FunctionDeclaration, directory: Path) -> Path:
    if it.inline_code is not None:
        place = directory / it.logical_id
        place.mkdir(parents=True, exist_ok=True)
        (place / "index.py").write_text(it.inline_code, encoding="utf-8")
        return place
    if it.code is None:
        raise FunctionAbsentError(f"its code is {_elsewhere(template, it.logical_id)}, not on this machine")
    if it.code.is_dir():
        return it.code
    if not it.code.is_file():
        raise FunctionAbsentError(f"its code '{it.code}' isn't there: build it, or correct the path")
    return _unpacked(it.code, directory)


def _unpacked(archive: Path, directory: Path) -> Path:
    """Return the directory of an archive's content, which functions with the same one share."""
    place = directory / f"code-{hashlib.sha256(str(archive.resolve()).encode()).hexdigest()[:12]}"
    if not place.exists():
        place.mkdir(parents=True)
        try:
            unpack_code(archive, place)
        except LocalCloudError as error:
            place.rename(place.with_suffix(".refused"))
            raise FunctionAbsentError(f"its code '{archive}' {error}") from error
    return place


def _elsewhere(template: Template, logical_id: str) -> str:
    code = (template.plain["Resources"][logical_id].get("Properties") or {}).get("Code")
    if not isinstance(code, dict) or "S3Key" not in code:
        return "nowhere in the template"
    bucket, key = code.get("S3Bucket"), code["S3Key"]
    return f"in S3 (s3://{bucket}/{key})" if isinstance(bucket, str) and isinstance(key, str) else "in S3"


def _missing(it: FunctionDeclaration, stack: Stack) -> str | None:
    """Return why the handler isn't there; a wrapper or a path of the function's own may lead anywhere."""
    if {"AWS_LAMBDA_EXEC_WRAPPER", "PYTHONPATH"} & it.environment.keys():
        return None
    assert it.handler is not None
    assert it.code is not None
    contents = {layer.arn: layer.content for layer in stack.layers}
    layers = [content for arn in it.layers if (content := contents.get(arn))]
    if any(content.is_file() for content in layers):  # an archive, which isn't unpacked yet, may have it
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [
        str(content / inside)
        for content in layers
        for inside in (f"python/lib/{version}/site-packages", "python")
    ]
    return missing(it.handler, it.code, [*folders, *filter(None, sys.path)])
