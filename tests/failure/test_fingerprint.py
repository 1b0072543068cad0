"""Fingerprints of errors, over real edits of an example."""

import json
import re
import textwrap
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_guard import production
from lambda_guard.failure.exceptions import as_record
from lambda_guard.failure.fingerprint import fingerprint
from lambda_guard.testing import make_context

BILLING = """
import json


class PaymentRefused(Exception):
    pass


class Ledger:
    def __init__(self):
        self.accounts = {"gold": 1}

    def account(self, name):
        return self.accounts[name]


def handler(event, context):
    order = json.loads(event["body"])
    check(order)
    return charge(order, Ledger())


def check(order):
    if not order["lines"]:
        raise ValueError(f"order {order['id']} has no lines")
    if order["total"] < 0:
        raise ValueError(f"order {order['id']}: {order['total']} is negative")


def charge(order, ledger):
    if order["card"] == "expired":
        raise PaymentRefused("your card has expired")
    price = order["total"] / order["count"]
    try:
        return price, ledger.account(order["customer"]["tier"])
    except KeyError as error:
        raise PaymentRefused("no account") from error


def require(event, key):
    if key not in event:
        raise LookupError(f"{key} is missing")


def both(event, context):
    require(event, "name")
    require(event, "street")
"""

ORDER = {"id": "o-1", "lines": [1], "total": 3, "count": 1, "card": "ok", "customer": {"tier": "gold"}}
CAUSES = {
    "not JSON": "{",
    "no lines": {**ORDER, "lines": []},
    "negative": {**ORDER, "total": -1},
    "expired": {**ORDER, "card": "expired"},
    "no count": {**ORDER, "count": 0},
    "no customer": {key: value for key, value in ORDER.items() if key != "customer"},
    "no total": {key: value for key, value in ORDER.items() if key != "total"},
    "no such tier": {**ORDER, "customer": {"tier": "lead"}},
    "a tier of no kind": {**ORDER, "customer": {"tier": []}},
}


@pytest.fixture
def module(tmp_path):
    """Write a module's source to a file of its own directory, and run it."""
    made = iter(range(100))

    def make(source, name="billing.py"):
        folder = tmp_path / str(next(made))
        folder.mkdir()
        path = folder / name
        path.write_text(textwrap.dedent(source))
        found = ModuleType(path.stem)
        exec(compile(path.read_text(), str(path), "exec"), found.__dict__)
        return found

    return make


def failure(function, *args):
    with pytest.raises(BaseException) as caught:
        function(*args)
    return caught.value


def raising(error):
    raise error


def fingerprints(billing):
    events = {
        name: {"body": body if isinstance(body, str) else json.dumps(body)} for name, body in CAUSES.items()
    }
    return {name: fingerprint(failure(billing.handler, event, None)) for name, event in events.items()}


def moved(source):
    head, _, tail = source.partition("def check(order)")
    body, _, rest = tail.partition("def charge(")
    return f"# moved\n\n\n{head}def charge({rest}\n\n\ndef check(order){body}"


EDITS = {
    "lines moved": lambda source: "# a licence\n" * 30 + source.replace("    if ", "\n\n    # why\n    if "),
    "functions reordered": moved,
    "messages reworded": lambda source: (
        source.replace("your card has expired", "card expired!")
        .replace("order {order['id']} has no lines", "nothing ordered")
        .replace("order {order['id']}: {order['total']} is negative", "negative total {order['total']}")
        .replace('"no account"', 'f"no account for {order}"')
    ),
    "other imports and a decorator": lambda source: source.replace(
        "import json", "import functools\nimport json, os"
    ).replace("def check", "@functools.lru_cache if False else (lambda function: function)\ndef check"),
    "a function put between": lambda source: (
        source.replace("    return charge(order, Ledger())", "    return process(order)")
        + "\n\ndef process(order):\n    return charge(order, Ledger())\n"
    ),
    "the handler renamed and wrapped": lambda source: (
        source.replace("def handler", "def _handle")
        + "\n\ndef handler(event, context):\n    with open('/dev/null'):\n        return _handle(event, context)\n"
    ),
    "a check added above": lambda source: source.replace(
        "def check(order):\n",
        'def check(order):\n    if order["id"] is None:\n        raise ValueError("no id")\n',
    ),
    "a condition written differently": lambda source: source.replace(
        'if not order["lines"]:', 'if len(order["lines"]) == 0:'
    ).replace('if order["total"] < 0:', 'if order.get("total") < 0:'),
    "an expression over several lines": lambda source: source.replace(
        'price = order["total"] / order["count"]',
        'price = (\n        order["total"]\n        / order["count"]\n    )',
    ),
    "typed": lambda source: source.replace("def check(order)", "def check(order: dict) -> None").replace(
        "def charge(order, ledger)", "def charge(\n    order: dict, ledger: Ledger\n) -> tuple"
    ),
}


OTHER_ERRORS = {
    "the handler renamed and wrapped": "not JSON",  # it came from the function that has another name now
    "a condition written differently": "no total",  # looked up by a call now, which finds nothing
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits(module, edit):
    """The same cause has the same fingerprint after an edit of the module, but for a cause that is another one now."""
    assert EDITS[edit](BILLING) != BILLING
    before, after = fingerprints(module(BILLING)), fingerprints(module(EDITS[edit](BILLING)))
    assert {cause for cause in CAUSES if before[cause] != after[cause]} == (
        {OTHER_ERRORS[edit]} if edit in OTHER_ERRORS else set()
    )


def test_causes(module):
    """Different causes have different fingerprints, also those of one type in one function."""
    found = fingerprints(module(BILLING))
    assert len(set(found.values())) == len(CAUSES)
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in found.values())


def test_ids(module):
    """What is in the event is no part of it."""
    billing = module(BILLING)
    refused = [failure(billing.charge, {"card": "expired", "id": id_}, None) for id_ in ("o-1", "o-2")]
    missing = [failure(billing.Ledger().account, name) for name in ("lead", "tin")]
    assert fingerprint(refused[0]) == fingerprint(refused[1])
    assert fingerprint(missing[0]) == fingerprint(missing[1])


def test_shared_check(module):
    """A function that checks for others is told apart by what it was called with."""
    billing = module(BILLING)
    name, street = failure(billing.both, {}, None), failure(billing.both, {"name": "A"}, None)
    assert fingerprint(name) != fingerprint(street)


def test_file_and_function_and_type(module):
    """Another file, another function or another type is another cause."""
    source = "def {}(event):\n    raise {}('x')\n"
    found = [
        fingerprint(failure(getattr(module(source.format(function, kind), file), function), {}))
        for function, kind, file in (
            ("handler", "ValueError", "a.py"),
            ("handler", "ValueError", "b.py"),
            ("other", "ValueError", "a.py"),
            ("handler", "TypeError", "a.py"),
        )
    ]
    assert len(set(found)) == 4


def test_causes_of_causes(module):
    """An error raised from another one has a part of it."""
    source = "def handler(event):\n    try:\n        {}\n    except Exception as error:\n        raise RuntimeError() from error\n"
    one, other = (failure(module(source.format(line)).handler, {}) for line in ("event['a']", "1 / 0"))
    assert fingerprint(one) != fingerprint(other)


def test_codes():
    """A botocore `ClientError` is told apart by its code, an `OSError` by its errno."""

    class ClientError(Exception):
        def __init__(self, code):
            self.response = {"Error": {"Code": code}}

    assert fingerprint(ClientError("AccessDenied")) != fingerprint(ClientError("Throttling"))
    assert fingerprint(OSError(1, "x")) != fingerprint(OSError(2, "x").__class__(28, "x"))


def test_groups(module):
    """A group is told apart by the set of causes in it, not by their order or number."""
    billing = module(BILLING)
    lines, total = (failure(billing.check, {**ORDER, **change}) for change in ({"lines": []}, {"total": -1}))
    assert fingerprint(ExceptionGroup("", [lines, total])) == fingerprint(
        ExceptionGroup("", [total, lines, lines])
    )
    assert fingerprint(ExceptionGroup("", [lines])) != fingerprint(ExceptionGroup("", [total]))


def grouped(module):
    """Return groups as handlers raise them."""
    billing = module(BILLING)
    lines, total, tier = (
        failure(billing.handler, {"body": json.dumps(CAUSES[cause])}, None)
        for cause in ("no lines", "negative", "no such tier")
    )
    many = [type(f"Error{number}", (Exception,), {})() for number in range(30)]
    caused = ValueError()
    caused.__cause__ = ExceptionGroup("", [lines])
    return {
        "one": ExceptionGroup("", [lines]),
        "several": ExceptionGroup("", [lines, total, tier]),
        "nested": ExceptionGroup("", [lines, BaseExceptionGroup("", [total, ExceptionGroup("", [tier])])]),
        "more than are looked at": ExceptionGroup("", many),
        "groups of many": ExceptionGroup("", [ExceptionGroup("", many), ExceptionGroup("", [lines] * 30)]),
        "a cause": caused,
    }


def test_groups_are_what_they_were(module):
    """A fingerprint is searched for later, so those of groups don't change from one version of ours to the next."""
    assert {name: fingerprint(group) for name, group in grouped(module).items()} == {
        "one": "d20a63d6346d92f8",
        "several": "dc237d7894fa66e0",
        "nested": "a71566613134e07e",
        "more than are looked at": "8babd96cca56600c",
        "groups of many": "fc41fe2ded16b791",
        "a cause": "2893644e5c7d1be8",
    }


def nested(levels, error):
    """Return a group with a group in it, and so on, down to an error."""
    for _ in range(levels):
        error = ExceptionGroup("", [error])
    return error


def cyclic(count):
    """Return the first error of a group that all of its errors were raised from."""
    errors = [type(f"Error{number}", (Exception,), {})() for number in range(count)]
    for error in errors:
        error.__cause__ = ExceptionGroup("", errors)
    return errors[0]


def shared(levels):
    """Return a group that holds another one three times, which holds another one three times, and so on."""
    error = ValueError()
    for _ in range(levels):
        error = ExceptionGroup("", [error] * 3)
    return error


ENDLESS = {
    "deep": lambda: nested(3_000, ValueError()),
    "deeper": lambda: nested(100_000, ValueError()),
    "cyclic": lambda: cyclic(1),
    "cyclic, all": lambda: cyclic(20),
    "shared": lambda: shared(30),
}


@pytest.mark.parametrize("shape", ENDLESS)
def test_endless_groups(shape, captured):
    """However groups are nested, the record has a fingerprint, the same each time, and the handler's error comes out."""
    for _ in range(2):
        error = ENDLESS[shape]()
        handler = production(lambda event, context, error=error: raising(error))
        with pytest.raises(type(error)) as raised:
            handler({}, make_context(timeout_ms=60_000))
        assert raised.value is error
    first, second = (record["error"]["fingerprint"] for record in captured.records)
    assert first == second
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert not any("GuardErrors" in record for record in captured.records)


def test_installed_packages(module, tmp_path, monkeypatch):
    """What a package does below the function's own code is no part of it, also where it was installed beside the handler."""
    task = tmp_path / "task"
    (task / "shop.dist-info").mkdir(parents=True)
    (task / "shop.dist-info" / "RECORD").write_text("shop/__init__.py,,\nshop/client.py,,\n")
    (task / "shop").mkdir()
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(task))
    client = "class Client:\n{}    def {}(self):\n        raise ConnectionError\n    call = {}\n"
    found = []
    for filler, inner, name in (
        ("", "post", "app.py"),
        ("    # 2.0\n", "send", "app.py"),
        ("", "post", "other.py"),
    ):
        path = task / "shop" / "client.py"
        package = {}
        exec(compile(client.format(filler, inner, inner), str(path), "exec"), package)
        own = {}
        exec(compile("def handler(client):\n    return client.call()\n", str(task / name), "exec"), own)
        found.append(fingerprint(failure(own["handler"], package["Client"]())))
    assert found[0] == found[1] != found[2]


def test_no_source():
    """Where the source isn't there, type, file and function still tell."""
    found = {}
    exec(
        compile(
            "def a():\n    raise ValueError\ndef b():\n    raise ValueError\n", "/nowhere/gone.py", "exec"
        ),
        found,
    )
    a, b = fingerprint(failure(found["a"])), fingerprint(failure(found["b"]))
    assert a != b
    assert a == fingerprint(failure(found["a"]))


def test_comprehensions_and_methods(module):
    """A comprehension belongs to its function, a method to its class."""
    source = """
    class A:
        def total(self, lines):
            return [line["price"] for line in lines]

    class B:
        def total(self, lines):
            return [line["price"] for line in lines]
    """
    found = module(source)
    a, b = failure(found.A().total, [{}]), failure(found.B().total, [{}])
    assert fingerprint(a) != fingerprint(b)
    assert fingerprint(a) == fingerprint(failure(module("\n\n" + textwrap.dedent(source)).A().total, [{}]))


LAYOUTS = {
    "parameters below each other": """
        def f(
            event,
            *,
            key="b",
        ):
            return event["a"] and event["b"]
        """,
    "decorated": """
        def same(*_):
            return lambda function: function
        @same(
            1,
        )
        @same()
        # as documented
        def f(event):
            return event["a"] and event["b"]
        """,
    "text that is indented less": """
        def f(event):
            text = '''
        def g():
            pass
        '''
            return event["a"] and event["b"]
        """,
    "comments and an empty line": """
        def f(event):
        # first
            if event["a"]:

        # then
                return event["b"]
        """,
    "on one line": """
        def f(event): return event["a"] and event["b"]
        """,
    "a function in a function, and what can't be reached": """
        def outer():
            async def unused(): pass
            def f(event):
                return event["a"] and event["b"]
                if 1: pass
            return f
            x = [
        ]
        f = outer()
        """,
    "a list over several lines": """
        def f(event):
            return [
                event["a"] and event["b"]
                for _ in "x"
            ]
        """,
    "a lambda": """
        f = lambda event: event["a"] and event["b"]
        g = 1
        """,
    "a generator": """
        def f(event):
            if any(event["a"] and event["b"] for _ in "x"):
                return 1
            else:
                return 2
        """,
    "a class": """
        def f(event):
            class Order(
                dict
            ):
                a = event["a"]
                b = event["b"]
        """,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(module, layout):
    """However a function is laid out, two operations in it are told apart, and blank lines in front change nothing."""
    source = textwrap.dedent(LAYOUTS[layout])
    first, second = (
        {fingerprint(failure(f, event)) for f in (module(source).f, module("\n\n" + source).f)}
        for event in ({}, {"a": 1})
    )
    assert len(first) == len(second) == 1
    assert first != second


class HostileError(Exception):
    def __getattribute__(self, name):
        raise SystemError(name)

    def __str__(self):
        raise SystemError


ERRORS = {
    "plain": lambda: ValueError("x"),
    "hostile": HostileError,
    "key": lambda: KeyError(object()),
    "system": OSError,
    "group": lambda: ExceptionGroup("g", [HostileError(), ValueError()]),
    "none": lambda: None,
}


@given(st.lists(st.sampled_from(sorted(ERRORS)), min_size=2, max_size=6))
def test_never_raises(chain):
    """Whatever the exceptions of a chain are like, it has a fingerprint."""
    first, *causes = [ERRORS[kind]() for kind in chain]
    error = first = first or ValueError()
    for cause in causes:
        if error is not None:
            BaseException.__cause__.__set__(error, cause)
        error = cause
    assert len(fingerprint(first)) == 16


def test_recursion(module):
    """A chain that comes back to itself ends."""
    error = ValueError()
    error.__cause__ = error
    assert len(fingerprint(error)) == 16


def test_record(module):
    """The record's `error` has type, message, fingerprint and stack."""
    error = failure(module(BILLING).check, {**ORDER, "lines": []})
    assert as_record(error) == {
        "type": "ValueError",
        "message": "order o-1 has no lines",
        "fingerprint": fingerprint(error),
        "stack": [
            f"test_fingerprint.py:{failure.__code__.co_firstlineno + 2} in failure",
            "billing.py:25 in check",
        ],
    }
