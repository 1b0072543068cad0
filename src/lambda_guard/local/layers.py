"""The layers of a template's functions: which of them are on this machine, and what that means for the others."""

import shlex
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lambda_guard.local._errors import OptionError
from lambda_guard.shapes import arns
from lambda_guard.templates.stack import FunctionDeclaration, LayerDeclaration, Stack

_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
_HERE: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"


def on_this_machine(stack: Stack, given: Mapping[str, Path]) -> tuple[Stack, list[str]]:
    """Return the stack with the layers that are here, and a sentence for each that isn't, or can't do what it should.

    Args:
        stack: as it was read.
        given: directories or zip archives by a layer's name, its version's ARN or its logical id; they count before
            what the template says.

    Raises:
        OptionError: no function has a layer that is given, or what is given isn't a directory or a zip archive.
    """
    declared = {it.arn: it for it in stack.layers}
    used = [
        declared.get(arn) or LayerDeclaration(logical_id="", name=arns.layer(arn), arn=arn)
        for arn in dict.fromkeys(arn for it in stack.functions for arn in it.layers)
    ]
    _check(given, used)
    reasons = dict(stack.unresolved_layers)
    layers = tuple(_placed(it, given, reasons) for it in used)
    contents = {it.arn: it.content for it in layers if it.content is not None}
    functions = tuple(_with_present(it, contents) for it in stack.functions)
    warnings = [
        *(_absence(it, stack, reasons) for it in layers if it.content is None),
        *(
            warning
            for it in layers
            if it.content is not None
            for warning in _content_warnings(it, it.content)
        ),
        *_wrapper_warnings(stack.functions, functions),
    ]
    here = tuple(it for it in layers if it.content is not None)
    return replace(stack, functions=functions, layers=here), warnings


def _names(it: LayerDeclaration) -> tuple[str, ...]:
    return tuple(filter(None, (it.arn, it.logical_id, it.name)))


def _check(given: Mapping[str, Path], used: Iterable[LayerDeclaration]) -> None:
    known = {name for it in used for name in _names(it)}
    for name, path in given.items():
        if name not in known:
            names = ", ".join(it.logical_id or it.name for it in used) or "none"
            raise OptionError(f"no function has a layer {name!r}; layers: {names}")
        if not _is_content(path):
            raise OptionError(f"layer {name}: '{path}' isn't a directory or a zip archive")


def _is_content(path: Path) -> bool:
    if not path.is_file():
        return path.is_dir()
    try:
        zipfile.ZipFile(path).close()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return True


def _placed(it: LayerDeclaration, given: Mapping[str, Path], reasons: dict[str, str]) -> LayerDeclaration:
    """Return a layer with its content, if that is here; if it should be, `reasons` has then why it isn't."""
    for name in _names(it):
        if name in given:
            return replace(it, content=given[name].resolve())
    if it.content is not None and not _is_content(it.content):
        reasons[it.arn] = f"'{it.content}' isn't a directory or a zip archive"
        return replace(it, content=None)
    return it


def _absence(it: LayerDeclaration, stack: Stack, reasons: Mapping[str, str]) -> str:
    name = shlex.quote(it.logical_id or it.name)
    functions = ", ".join(function.logical_id for function in stack.functions if it.arn in function.layers)
    reason = f" ({reasons[it.arn]})" if it.arn in reasons else ""
    return (
        f"The layer {it.logical_id or it.arn} isn't on this machine{reason}, and is left out of {functions}: "
        f"give a directory or zip archive in its place, --layer {name}=PATH"
    )


def _with_present(it: FunctionDeclaration, contents: Mapping[str, Path]) -> FunctionDeclaration:
    """Return the function with the layers that are here, and without a wrapper that another one would have brought."""
    present = tuple(arn for arn in it.layers if arn in contents)
    wrapper, environment = it.environment.get(_WRAPPER, ""), dict(it.environment)
    inside = wrapper.removeprefix("/opt/")
    if (
        present != it.layers
        and wrapper != inside
        and not any(_holds(contents[arn], inside) for arn in present)
    ):
        del environment[_WRAPPER]
    return replace(it, layers=present, environment=environment)


def _wrapper_warnings(
    before: Iterable[FunctionDeclaration], after: Iterable[FunctionDeclaration]
) -> Iterator[str]:
    for old, new in zip(before, after, strict=True):
        if wrapper := set(old.environment) - set(new.environment) and old.environment[_WRAPPER]:
            yield f"{old.logical_id}: {_WRAPPER}={wrapper} has no effect: it would come from a layer that isn't here"


def _content_warnings(it: LayerDeclaration, content: Path) -> Iterator[str]:
    """Yield what is usually a mistake: https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html."""
    name, top = it.logical_id or it.name, _listed(content, "")
    misplaced = (entry.endswith(".py") or "python" in _listed(content, f"{entry}/") for entry in top)
    if "python" not in top and (it.build_method or any(misplaced)):
        build = "; run `sam build`, and start .aws-sam/build/template.yaml" if it.build_method else ""
        yield f"{name}: '{content}' has no folder python/, in which Lambda looks for modules{build}"
    versions = {entry for entry in _listed(content, "python/lib/") if entry.startswith("python3.")}
    if versions and _HERE not in versions:
        yield (
            f"{name}: it has modules for {', '.join(sorted(versions))} in python/lib, and functions run with this "
            f"interpreter, {_HERE}"
        )
    if "extensions" in top:
        yield f"{name}: its extensions don't run here"


def _holds(content: Path, file: str) -> bool:
    folder, _, name = file.rpartition("/")
    return name in _listed(content, f"{folder}/" if folder else "")


def _listed(content: Path, folder: str) -> set[str]:
    """Return the names in a folder of a layer, which ends with a slash or is the layer itself."""
    if content.is_dir():
        inside = content / folder
        return {path.name for path in inside.iterdir()} if inside.is_dir() else set()
    with zipfile.ZipFile(content) as archive:
        names = [name[len(folder) :] for name in archive.namelist() if name.startswith(folder)]
    return {name.partition("/")[0] for name in names} - {""}
