"""What we change in objects of others, and what we keep: the tables of `docs/architecture.md` against what really happens."""

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .architecture import ROOT, SOURCES, table, ticked, with_line

PATCHES = {
    (step.strip(), name)
    for names, steps, *_ in table("object", "step", "what, and why", "undone")
    for step in steps.split(",")
    for name in ticked(names)
}


def test_what_is_patched_is_what_the_page_says(tmp_path):
    """Importing, decorating and calling change what the table of patches lists at each step, and nothing else."""
    program = Path(__file__).parent / "what_is_patched.py"
    lambda_ = {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9", "LAMBDA_TASK_ROOT": "/var/task"}
    done = subprocess.run(
        [sys.executable, program],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT.parent), **lambda_},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    changed = json.loads(done.stdout.splitlines()[-1])
    assert {(step, name) for step, names in changed.items() for name in names} == PATCHES


CONTAINERS = {"Counter", "OrderedDict", "WeakKeyDictionary", "WeakSet", "WeakValueDictionary", "defaultdict", "deque",
              "dict", "list", "set"}  # fmt: skip
HOLDERS = {
    "Condition",
    "ContextVar",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
    "allocate_lock",
    "count",
    "local",
}
CHANGING = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
            "setdefault", "update"}  # fmt: skip


class State:
    """What a module keeps for as long as the process lives, found in its source.

    Args:
        text: the module's.
    """

    def __init__(self, text):
        self.tree = ast.parse(text)
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        self.changed = {name for node in ast.walk(self.tree) for name in _changed(node)}

    def holders(self):
        """Yield the names of the module that hold state."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name) and self._holds(target.id, node.value):
                    yield target.id
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Global):
                yield from node.names
        for node in [*self.tree.body, *(each for one in self.classes.values() for each in one.body)]:
            decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else ()
            if any(_called(each) in ("lru_cache", "cache") for each in decorators):
                yield node.name
        for name, node in self.classes.items():
            own = {each for each in ast.walk(node) if isinstance(each, ast.Attribute)}
            on_class = any(each.value.id == "cls" for each in own if _is_assigned(each))
            if name in self.changed or on_class:
                yield name

    def _holds(self, name, value):
        called = _called(value) if isinstance(value, ast.Call) else None
        if called in HOLDERS or called in ("WeakSet", "WeakKeyDictionary", "WeakValueDictionary"):
            return True
        if called in self.classes:
            return _is_changeable(self.classes[called])
        display = isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)
        return (display or called in CONTAINERS) and name in self.changed


def _called(node):
    node = node.func if isinstance(node, ast.Call) else node
    node = node.value if isinstance(node, ast.Subscript) else node
    return getattr(node, "attr", getattr(node, "id", None))


def _is_assigned(node):
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
    )


def _is_changeable(node):
    """Whether a class has a method other than `__init__` that assigns an attribute, or is a thread's own."""
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name != "__init__"]
    assigned = any(_is_assigned(each) for method in methods for each in ast.walk(method))
    return assigned or any(_called(base) == "local" for base in node.bases)


def _changed(node):
    """Yield the names of what a node changes in place: items of a container, attributes of a class."""
    found = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
        found = node.func.value
    elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        found = node.value
    if isinstance(found, ast.Name):
        yield found.id


@functools.cache
def _held(text):
    return frozenset(State(text).holders())


def holders_of(known):
    """Return the names of all that outlives an invocation in our modules."""
    return {f"{module}.{name}" for module, (text, _) in known.items() for name in _held(text)}


def test_every_holder_of_process_state_is_on_the_page():
    """What a scan of the modules finds is what the table of process state lists, each with its reset."""
    rows = table("holder", "holds", "reset")
    assert {name for holder, *_ in rows for name in ticked(holder)} == holders_of(SOURCES)
    assert [row for row in rows if not all(row)] == []


@pytest.mark.parametrize(
    ("line", "holder"),
    [
        ("_memo = {}\ndef f(key):\n    _memo[key] = 1", "_memo"),
        ("_seen: set[str] = set()\ndef f(key):\n    _seen.add(key)", "_seen"),
        ("_number = 0\ndef f():\n    global _number\n    _number += 1", "_number"),
        ("class _Last:\n    value = None\ndef f():\n    _Last.value = 1", "_Last"),
        ("class _Default:\n    at = 0\n    @classmethod\n    def set(cls):\n        cls.at = 1", "_Default"),
        ("_guarding = threading.Lock()", "_guarding"),
        ("_here: ContextVar[int] = ContextVar('here')", "_here"),
        ("@functools.lru_cache(8)\ndef costly(key):\n    return key", "costly"),
        ("class _Kept(threading.local):\n    loop = None\n_kept = _Kept()", "_kept"),
    ],
)
def test_planted_state_is_noticed(line, holder):
    """Each way of keeping something beyond an invocation is found where it is planted."""
    assert f"_json.{holder}" in holders_of(with_line("_json", line))
