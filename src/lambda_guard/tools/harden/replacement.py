"""Text that is put in place of one statement of a template, with every other character as it was.

Checked as an insertion is: what the new text says must be what the old one said, with the new statements in place of
the old one, or nothing is replaced.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import count
from textwrap import indent
from typing import Any, Final

from lambda_guard.templates.document import TemplateError
from lambda_guard.templates.marks import Steps, compose, written
from lambda_guard.tools.harden.insertion import RefusedError, line_after

_NAME: Final = re.compile(r"^- Sid: (\w+)$", re.MULTILINE)


def replaced(text: str, steps: Steps, block: str, statements: Sequence[Mapping[str, Any]]) -> str:
    """Return a template's text with statements in place of one.

    Args:
        text: YAML or JSON.
        steps: to the statement: an entry of a list, or a mapping that stands for a list of one.
        block: the statements as a list in YAML, with comments.
        statements: what the block says; intrinsics in their long form.

    Raises:
        RefusedError: the text is written in a way in which nothing can be replaced without changing something else.
        TemplateError: the text is no template.
    """
    found = _found(compose(text), steps)
    if found is not None:
        document = json.loads(json.dumps(written("", text).document))
        block, statements = _renamed(block, statements, _beside(document, steps))
        newline = "\r\n" if "\r\n" in text else "\n"
        start, end, new = _span(text, *found, block, statements)
        made = text[:start] + new.replace("\n", newline) + text[end:]
        if _says(made, _expected(document, steps, statements)):
            return made
    where = ".".join(map(str, steps))
    raise RefusedError(
        f"{where} is written in a way that nothing can be replaced in", steps, {"Statement": list(statements)}
    )


def _found(root: Any, steps: Steps) -> tuple[Any, Any] | None:
    """Return the node at the end of the steps, and the one that it is in; None where an intrinsic is on the way."""
    parent, node = None, root
    for step in steps:
        if node is None or node.tag.startswith("!"):
            return None
        parent = node
        if node.id == "mapping":
            node = next((value for key, value in node.value if key.value == str(step)), None)
        elif node.id == "sequence" and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            return None
    return None if node is None or node.id != "mapping" else (node, parent)


def _span(
    text: str, node: Any, parent: Any, block: str, statements: Sequence[Mapping[str, Any]]
) -> tuple[int, int, str]:
    """Return from where to where the text is replaced, and by what."""
    if parent.flow_style or (node.flow_style and parent.id == "mapping"):
        return node.start_mark.index, node.end_mark.index, _flow(node, parent, statements)
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    ahead = text[start : node.start_mark.index]
    column = len(ahead) - len(ahead.lstrip(" "))
    lines = indent(block, " " * column)
    if not text.endswith("\n"):
        text = f"{text}\n"
        lines = lines.removesuffix("\n")
    end = min(line_after(text, node), len(text) - (not lines.endswith("\n")))
    return start, end, lines


def _flow(node: Any, parent: Any, statements: Sequence[Mapping[str, Any]]) -> str:
    """Return statements within brackets, as JSON: on lines of their own, where the old one has its own."""
    if parent.id == "mapping":
        return json.dumps(list(statements))
    if node.start_mark.line == parent.start_mark.line:
        return ", ".join(json.dumps(it) for it in statements)
    ahead = f"\n{' ' * node.start_mark.column}"
    return f",{ahead}".join(json.dumps(it, indent=2).replace("\n", ahead) for it in statements)


def _expected(document: Any, steps: Steps, statements: Sequence[Mapping[str, Any]]) -> Any:
    """Return what the document says with statements in place of one; it is changed."""
    place, last = _within(document, steps[:-1]), steps[-1]
    if isinstance(last, int):
        place[last : last + 1] = statements
    else:
        place[last] = list(statements)
    return document


def _within(document: Any, steps: Steps) -> Any:
    for step in steps:
        document = document[step]
    return document


def _beside(document: Any, steps: Steps) -> set[str]:
    """Return the names of the other statements of a policy, from which the new ones must differ."""
    others = _within(document, steps[:-1]) if isinstance(steps[-1], int) else []
    rest = [it for number, it in enumerate(others) if number != steps[-1]]
    return {str(it["Sid"]) for it in rest if isinstance(it, dict) and "Sid" in it}


def _renamed(
    block: str, statements: Sequence[Mapping[str, Any]], taken: set[str]
) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """Return statements, and the same as text, with names that aren't taken."""
    names: dict[str, str] = {}
    for it in statements:
        sid = str(it["Sid"])
        free = (sid if number == 1 else f"{sid}x{number}" for number in count(1))
        names[sid] = next(name for name in free if name not in taken | set(names.values()))
    new = [{**it, "Sid": names[str(it["Sid"])]} for it in statements]
    return _NAME.sub(lambda found: f"- Sid: {names[found[1]]}", block), new


def _says(text: str, expected: Any) -> bool:
    try:
        return bool(written("", text).document == expected)
    except TemplateError:
        return False
