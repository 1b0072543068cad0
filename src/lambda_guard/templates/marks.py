"""A template as it is written: the document, and the line of every value in it.

Nothing is resolved or translated here, so that a template which couldn't be deployed can be read, too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambda_guard.templates.document import Document, TemplateError

Steps = tuple[str | int, ...]
"""The way to a value: `("Resources", "Orders", "Properties", "Timeout")`; a short intrinsic counts as `Fn::…`."""

_VALUES_MOST: Final = 200_000
"""CloudFormation takes 1 MB of text; aliases of aliases would make more of it than memory holds.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
_PLACEHOLDERS: Final = ("{{", "{%")


@dataclass(frozen=True, slots=True)
class Written:
    """A template's document and the lines of its values.

    Attributes:
        file: its name, for messages.
        lines: line numbers from 1, by the steps to the value; a mapping's entry has the line of its key.
    """

    file: str
    document: Document
    lines: Mapping[Steps, int] = field(default_factory=dict)

    def line(self, steps: Steps) -> int | None:
        """Return the line of a value, or of the nearest one around it; None where no lines are known."""
        for length in range(len(steps), 0, -1):
            if (line := self.lines.get(steps[:length])) is not None:
                return line
        return 1 if self.lines else None


def read(path: str | Path) -> Written:
    """Return a template in YAML or JSON, from a file.

    Raises:
        TemplateError: it can't be read, or isn't a template.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path}: the template can't be read: {error}") from error
    return written(str(path), text)


def written(file: str, text: str) -> Written:
    """Return a template in YAML or JSON, from its text.

    Raises:
        TemplateError: it isn't a template; the message says why, and at which line.
    """
    import yaml  # type: ignore[import-untyped]  # the stubs are not ours to ask for

    lines: dict[Steps, int] = {}
    try:
        root = compose(text)
        document = _Construction(lines).value(root, ()) if root is not None else None
    except yaml.YAMLError as error:
        document = _as_json(file, text, error)
    except (RecursionError, _TooMuchError) as error:
        raise TemplateError(
            f"{file}: not a template: its values are nested or repeated without end"
        ) from error
    except TypeError as error:
        raise TemplateError(f"{file}: not a template: {_hint(text) or error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources") or None, dict):
        raise TemplateError(
            f"{file}: {_hint(text) or 'a template is a mapping with a non-empty mapping `Resources`'}"
        )
    return Written(file, document, lines)


def compose(text: str) -> Any:
    """Return the nodes of a template's text.

    Raises:
        yaml.YAMLError: it isn't YAML.
    """
    import yaml

    # libyaml's is ten times as fast, and takes `{Schedule: cron(0 3 * * ? *)}`, as CloudFormation does.
    return yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def value_of(node: Any) -> Any:
    """Return what a node of YAML says, intrinsics in their long form."""
    return _Construction({}).value(node, ())


def _as_json(file: str, text: str, error: Exception) -> Any:
    """Read what YAML refuses and JSON takes: indentation by tabs, say."""
    try:
        return json.loads(text)
    except ValueError:
        raise TemplateError(f"{file}: not YAML: {_hint(text) or error}") from error


def _hint(text: str) -> str:
    found = [mark for mark in _PLACEHOLDERS if mark in text.replace("{{resolve:", "")]
    if not found:
        return ""
    return f"it holds a generator's placeholders ({found[0]} …): generate the template first, and audit that"


class _TooMuchError(Exception):
    pass


class _Construction:
    """Makes values of YAML's nodes; short intrinsics become long ones, and dates stay text, as for CloudFormation."""

    def __init__(self, lines: dict[Steps, int]) -> None:
        from yaml.constructor import SafeConstructor  # type: ignore[import-untyped]  # likewise

        self._scalars = SafeConstructor()
        self._lines = lines
        self._left = _VALUES_MOST

    def value(self, node: Any, steps: Steps) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooMuchError
        self._lines.setdefault(steps, node.start_mark.line + 1)
        if node.tag.startswith("!") and node.tag != "!":
            return self._intrinsic(node, steps)
        return self._plain(node, steps)

    def _intrinsic(self, node: Any, steps: Steps) -> Any:
        name = node.tag[1:]
        key = name if name in {"Ref", "Condition"} else f"Fn::{name}"
        value = self._plain(node, (*steps, key))
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {key: value}

    def _plain(self, node: Any, steps: Steps) -> Any:
        if node.id == "mapping":
            return self._mapping(node, steps)
        if node.id == "sequence":
            return [self.value(item, (*steps, place)) for place, item in enumerate(node.value)]
        if node.tag.startswith("!") or node.tag.endswith(("timestamp", "merge", "value", "binary")):
            return node.value
        return self._scalars.construct_object(node)

    def _mapping(self, node: Any, steps: Steps) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, below in self._entries(node):
            self._lines[(*steps, key)] = self._key_line
            made[key] = self.value(below, (*steps, key))
        return made

    def _entries(self, node: Any) -> Iterator[tuple[str, Any]]:
        """Yield keys and nodes; those of a merge (`<<`) come first, so that the mapping's own win."""
        own = []
        for key, below in node.value:
            if key.id != "scalar":
                raise TypeError(f"line {key.start_mark.line + 1} has a mapping or a list for a key")
            if key.tag.endswith("merge"):
                for merged in below.value if below.id == "sequence" else [below]:
                    yield from self._entries(merged) if merged.id == "mapping" else ()
            else:
                own.append((key, below))
        for key, below in own:
            self._key_line = key.start_mark.line + 1
            yield key.value, below
