"""The fingerprint of an error: the same for the same cause, even after the code has been edited.

It is made of the error's type, the function of the user's own code that raised it, and the operation there: the
key that was looked up, the attribute, the function that was called, or the condition under which it raised. So
it doesn't change with moved lines, reworded messages, other ids, reordered code, additional functions in
between, other versions of packages or other directories; and two checks in one function have two.
"""

# Not `ast` and `inspect`, whose imports would take longer than all that a first failure is otherwise.
import _ast as ast
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from types import CodeType, TracebackType
from typing import Any, Final

from .. import _json
from . import stack_frames
from .stack_frames import Frame

_CHAIN_MOST: Final = 4
_CALLERS_MOST: Final = 3
_GROUP_MOST: Final = 20
_GROUPS_MOST: Final = 100  # at most: groups may be deeper than the stack, share parts, contain each other
_FUNCTION_LINES_MOST: Final = 500
_ENDS_MOST: Final = 50  # lines that are tried as the end of a function
_WORD_MOST: Final = 100  # characters
_NAMELESS: Final = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")
# The base class's descriptor, since the exception's class may override its attributes.
_TRACEBACK: Final[Any] = BaseException.__traceback__
_CAUSE: Final[Any] = BaseException.__cause__
_EXCEPTIONS: Final[Any] = BaseExceptionGroup.exceptions

Step = tuple[CodeType, int]  # a frame's code, and its current instruction


def fingerprint(error: BaseException) -> str:
    """Return 16 hex digits that are the same for the same cause.

    Args:
        error: the handler's exception; its causes (`raise … from …`) and the parts of a group are included.
    """
    return _digest("\n".join(_chain(error, iter(range(_GROUPS_MOST)))))


def of_place(kind: str, stack: list[Frame]) -> str:
    """Return the fingerprint of a failure that isn't an exception, from its place in the code.

    Args:
        kind: used in place of an exception's type.
        stack: outermost frame first.
    """
    places = [f"{stack_frames.base(file)}:{function}" for file, _, function in stack_frames.own(stack)[-1:]]
    return _digest("\n".join([kind, *places]))


def _chain(error: BaseException, groups: Iterator[int]) -> Iterator[str]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen and len(seen) < _CHAIN_MOST:
        seen.add(id(link))
        yield from _parts(link, groups)
        link = _CAUSE.__get__(link)


def _parts(error: BaseException, groups: Iterator[int]) -> Iterator[str]:
    yield f"{_json.type_name(error)}{_code(error)}"
    yield from _places(_own_steps(_TRACEBACK.__get__(error)))
    if issubclass(type(error), BaseExceptionGroup) and next(groups, None) is not None:
        parts = _EXCEPTIONS.__get__(error)
        yield from sorted({"|".join(_chain(part, groups)) for part in parts[:_GROUP_MOST]})


def _code(error: BaseException) -> str:
    """Return the error code that distinguishes the causes of a type: of a botocore `ClientError` or an `OSError`."""
    try:
        response: Any = getattr(error, "response", None)
        if isinstance(response, Mapping):
            return f" {response['Error']['Code']}"
        return f" {error.errno}" if isinstance(error, OSError) and error.errno else ""
    except BaseException:  # from a property: even `SystemExit` must not end the process
        return ""


def _own_steps(trace: TracebackType | None) -> list[Step]:
    """Return the steps through the user's own code, innermost first; if there is none, through all code."""
    steps, own = [], []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not stack_frames.is_ours((code.co_filename, 0, "")):
            steps.append((code, trace.tb_lasti))
            if not stack_frames.is_installed(code.co_filename):
                own.append(steps[-1])
        trace = trace.tb_next
    return (own or steps)[::-1]


def _places(steps: list[Step]) -> Iterator[str]:
    """Yield the innermost place, and the call that led to it if the place alone doesn't identify the cause.

    `require(event, "id")` always fails in `require`: only the calls distinguish the causes.
    """
    if not steps:
        return
    code, instruction = steps[0]
    site = _site(code, instruction, False)
    yield f"{stack_frames.base(code.co_filename)}:{_function(code)} {site}"
    if _is_of_arguments(site, code):
        yield from islice(filter(None, (_site(*step, True) for step in steps[1 : _CALLERS_MOST + 1])), 1)


def _is_of_arguments(site: str, code: CodeType) -> bool:
    """Return whether a site names only the function's own arguments, so that the cause is in the caller."""
    return set(site.split()) <= {"if", "else", "<", ">", *code.co_varnames[: code.co_argcount]}


def _function(code: CodeType) -> str:
    """Return the function's qualified name; for a comprehension, that of the enclosing function."""
    name = ".".join(part for part in code.co_qualname.split(".") if part not in (*_NAMELESS, "<locals>"))
    return name or code.co_name


@lru_cache(256)
def _site(code: CodeType, instruction: int, is_caller: bool) -> str:
    """Return a description of an instruction's operation that survives edits, or `""` if there is none."""
    try:
        position = next(islice(code.co_positions(), instruction // 2, None))
        tree = _parsed(code)
        return _described(tree, position, is_caller) if tree is not None and None not in position else ""
    except Exception:  # no source, or not the source that was compiled
        return ""


def _parsed(code: CodeType) -> ast.Module | None:
    """Return the tree of the function, or of the statement around a nameless one, its lines numbered as in the file."""
    import linecache

    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :][:_FUNCTION_LINES_MOST]
    if not lines:
        return None
    indented = lines[0][:1].isspace()  # a method: parsed below a dummy header, so that its columns stay
    above = "\n" * (code.co_firstlineno - 1 - indented) + "if 1:\n" * indented
    for end in islice(_ends(lines), _ENDS_MOST):
        with suppress(SyntaxError):
            return compile(above + "".join(lines[:end]), "<source>", "exec", ast.PyCF_ONLY_AST)  # type: ignore[return-value]  # a tree, by this flag
    return None


def _ends(lines: list[str]) -> Iterator[int]:
    """Yield where a block may end that begins with the first line: where one is indented no further, and at the end.

    Such a line may still belong to it, as the bracket below the parameters or one in a text of several lines: what is
    before it is no Python then.
    """
    first = _indentation(lines[0])
    for number, line in enumerate(lines):
        if number and line.strip() and line.lstrip()[0] != "#" and _indentation(line) <= first:
            yield number
    yield len(lines)


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _described(tree: ast.Module, position: tuple[Any, ...], is_caller: bool) -> str:
    line, end_line, column, end_column = position
    path = _path_to(tree, (line, column), (end_line, end_column))
    node = path[-1]
    if isinstance(node, ast.Raise | ast.Assert):
        return _condition(node.test) if isinstance(node, ast.Assert) else _guard(path)
    if isinstance(node, ast.Call):
        words = [word for argument in node.args if (word := _word(argument))]
        if is_caller:
            return f"({','.join(words)})" if words else _guard(path)
        return f"{_leaf(node.func)}({','.join(words)})"
    return _operation(node)


def _path_to(tree: ast.Module, start: tuple[int, int], end: tuple[int, int]) -> list[ast.AST]:
    """Return the nodes from the tree down to the smallest one that spans from `start` to `end`."""
    path: list[ast.AST] = [tree]
    while True:
        inside = next((child for child in _children(path[-1]) if _spans(child, start, end)), None)
        if inside is None:
            return path
        path.append(inside)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name in node._fields:
        found = getattr(node, name, None)
        yield from [
            each for each in (found if isinstance(found, list) else [found]) if isinstance(each, ast.AST)
        ]


def _spans(node: ast.AST, start: tuple[int, int], end: tuple[int, int]) -> bool:
    if not isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.pattern):
        return any(_spans(child, start, end) for child in _children(node))  # a `case`, an argument
    return (node.lineno, node.col_offset) <= start and end <= (node.end_lineno or 0, node.end_col_offset or 0)


def _operation(node: ast.AST) -> str:
    if isinstance(node, ast.Subscript):
        return f"[{node.slice.value!r}]" if isinstance(node.slice, ast.Constant) else ""
    if isinstance(node, ast.Attribute):
        return f".{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    return type(node.op if isinstance(node, ast.BinOp | ast.UnaryOp | ast.AugAssign) else node).__name__


def _guard(path: list[ast.AST]) -> str:
    """Return the innermost condition under which the last node of `path` is reached."""
    for above, below in zip(path[-2::-1], path[::-1], strict=False):
        if isinstance(above, ast.If) and below is not above.test:
            return f"{'else' if below in above.orelse else 'if'} {_condition(above.test)}"
        if isinstance(above, ast.ExceptHandler):
            return f"except {_condition(above.type) if above.type else ''}"
        if isinstance(above, ast.match_case):
            return f"case {' '.join(sorted(_leaves(above.pattern)))}"
    return ""


def _condition(test: ast.AST) -> str:
    return " ".join(sorted(set(_leaves(test))))


def _leaves(node: ast.AST) -> Iterator[str]:
    """Yield the keys, attributes, names, words and comparison operators of an expression."""
    if isinstance(node, ast.Compare):
        yield from (_ORDER[type(op)] for op in node.ops if type(op) in _ORDER)
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id in _BUILTINS) and not node.args:
            yield _leaf(node.func)
        for argument in node.args:
            yield from _leaves(argument)
        return
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
        yield from _leaves(node.value)
        return
    if leaf := _leaf(node):
        yield leaf
        return
    for child in _children(node):
        yield from _leaves(child)


_ORDER: Final[dict[type[ast.cmpop], str]] = {ast.Lt: "<", ast.LtE: "<", ast.Gt: ">", ast.GtE: ">"}
_BUILTINS: Final = frozenset(("len", "bool", "isinstance", "any", "all", "str", "int", "float", "set"))


def _leaf(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _leaf(node.slice)
    if isinstance(node, ast.Constant):
        return _word(node)
    return node.id if isinstance(node, ast.Name) else ""


def _word(node: ast.AST) -> str:
    """Return a constant that names something: a key, a table, a status. Prose is left out, since it gets reworded."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and len(value) <= _WORD_MOST and value.split() == [value] else ""


def _digest(parts: str) -> str:
    # Late, and not from `hashlib`, which has this very function, but loads OpenSSL: milliseconds of a first failure.
    from _blake2 import blake2b

    return blake2b(parts.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
