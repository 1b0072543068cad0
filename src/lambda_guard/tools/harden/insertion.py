"""Text that is inserted into a template: at the end of a mapping, with every other character as it was.

A template is never written anew, since that would lose comments, order and style. Each insertion is checked: what the
new text says must be what the old one said and the block, or nothing is inserted.
"""

import json
from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import Any

from lambda_guard.errors import LambdaGuardError
from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.marks import Steps, compose, value_of, written
from lambda_guard.templates.writing import as_yaml


class RefusedError(LambdaGuardError):
    """A block can't be inserted where it belongs; the message says why.

    Attributes:
        steps: the mapping that it belongs into.
        block: as text to paste.
    """

    def __init__(self, why: str, steps: Steps, block: Mapping[str, Any]) -> None:
        super().__init__(why)
        self.steps, self.block = steps, as_yaml(block)


def inserted(text: str, steps: Steps, block: Mapping[str, Any]) -> str:
    """Return a template's text with a block in it; where its mappings are there, what they lack goes into them.

    Args:
        text: YAML or JSON.
        steps: the mapping that the block is to extend.
        block: keys and values; intrinsics in their long form.

    Raises:
        RefusedError: a value stands where the block wants another, or the text is written in a way in which it can't be
            inserted without changing something else.
        TemplateError: the text is no template.
    """
    root = compose(text)
    parts = list(_lacking(root, steps, block))
    if not parts:
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    ended = text if text.endswith("\n") else text + newline
    puts = [(*_put(ended, _found(root, target), part), len(target)) for target, part in parts]
    new = ended if any(at > len(text) for at, _, _ in puts) else text
    # From the end on, so that nothing before has moved; of two at one place the inner one comes first in the text.
    for at, lines, _ in sorted(puts, key=lambda it: (-it[0], it[2])):
        new = f"{new[:at]}{lines}{new[at:]}"
    return _checked(text, parts, new)


def _lacking(root: Any, steps: Steps, block: Mapping[str, Any]) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """Yield the parts of a block that aren't there, each with the mapping that it goes into."""
    node = _found(root, steps)
    if node is None:
        if not steps:
            raise RefusedError("the template is empty", steps, block)
        yield from _lacking(root, steps[:-1], {str(steps[-1]): block})
        return
    if node.id != "mapping" or node.tag.startswith("!"):
        raise RefusedError(f"{_path(steps)} isn't a mapping", steps, block)
    there = {key.value: below for key, below in node.value}
    if fresh := {key: value for key, value in block.items() if key not in there}:
        yield steps, fresh
    for key, value in block.items():
        if key not in there or value_of(there[key]) == value:
            continue
        if there[key].id != "mapping" or not isinstance(value, Mapping):
            raise RefusedError(
                f"{_path((*steps, key))} is there, and says something else", steps, {key: value}
            )
        yield from _lacking(root, (*steps, key), value)


def _found(root: Any, steps: Steps) -> Any:
    node = root
    for step in steps:
        if node is None or node.id != "mapping":
            return None
        node = next((value for key, value in node.value if key.value == str(step)), None)
    return node


def _put(text: str, node: Any, block: Mapping[str, Any]) -> tuple[int, str]:
    """Return where a block goes, and as what: at the end of a mapping, in its style; the text ends with a new line."""
    if node.flow_style:
        return _put_in_flow(node, block)
    column = node.value[0][0].start_mark.column
    lines = indent(as_yaml(block), " " * column)
    return line_after(text, node), lines.replace("\n", "\r\n") if "\r\n" in text else lines


def _put_in_flow(node: Any, block: Mapping[str, Any]) -> tuple[int, str]:
    """Put it before the closing brace: `{A: 1, B: 2}`, and JSON, on a line of its own where its neighbours have one."""
    entries = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in block.items()]
    if not node.value:
        return node.start_mark.index + 1, ", ".join(entries)
    last = node.value[-1]
    own_line = last[0].start_mark.line > node.start_mark.line
    space = f"\n{' ' * last[0].start_mark.column}" if own_line else " "
    return last[1].end_mark.index, f",{space}{f',{space}'.join(entries)}"


def line_after(text: str, node: Any) -> int:
    """Return where the line after a node begins; the text ends with a new line."""
    while node.id != "scalar" and not node.flow_style and node.value:
        node = node.value[-1] if node.id == "sequence" else node.value[-1][1]
    end = int(node.end_mark.index)
    # A block scalar ends where the next line begins.
    return end if end and text[end - 1] == "\n" else text.index("\n", end) + 1


def _checked(text: str, parts: list[tuple[Steps, Mapping[str, Any]]], new: str) -> str:
    """Return the new text if it says what the old one said, and the parts.

    Raises:
        RefusedError: it doesn't.
    """
    expected = json.loads(json.dumps(written("", text).document))
    for steps, part in parts:
        target = expected
        for step in steps:
            target = target[step]
        target.update(json.loads(json.dumps(part)))
    try:
        if written("", new).document == expected:
            return new
    except TemplateError:
        pass
    steps, part = parts[0]
    raise RefusedError(f"{_path(steps)} is written in a way that nothing can be inserted into", steps, part)


def _path(steps: Steps) -> str:
    return ".".join(map(str, steps))
