"""Whether a function's handler is there is read from its code, which isn't imported."""

import pytest

from lambda_guard.local.handlers import missing


@pytest.fixture
def code(tmp_path):
    """Return a directory of code; importing any of it would fail."""
    files = {
        "app.py": "import nowhere\ndef handler(event, context): ...\ndef _other(): ...\nclass Thing: ...\n",
        "package/__init__.py": "raise ImportError",
        "package/inner.py": "handler = 1",
        "folder/inside.py": "if nowhere:\n    from x import a as handler\n",
        "broken.py": "def handler(:\n",
        "all.py": "from nowhere import *",
        "lazy.py": "def __getattr__(name): ...",
        "made.py": "globals()['handler'] = 1",
        "loops.py": "for handler in []: ...\n",
        "walrus.py": "if (handler := 1): ...\n",
        "caught.py": "def make():\n    global handler\n    handler = 1\n",
        "unpacked.py": "handler, *rest = 1, 2\n",
        "native.abi3.so": "",
        "nothing.py": "",
        "patterns.py": "DIGIT = '\\d'\ndef handler(event, context): ...\n",
        "inner.py": "def outer():\n    def handler(): ...\nclass C:\n    handler = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "handler",
    [
        *("app.handler", "package.inner.handler", "package/inner.handler", "folder/inside.handler", "all.handler"),
        *("lazy.handler", "made.handler", "loops.handler", "walrus.handler", "caught.handler", "unpacked.handler"),
        *("native.handler", "app.Thing", "patterns.handler"),
    ],
)  # fmt: skip
def test_a_handler_that_is_there_or_may_be_is_nothing_to_say(handler, code):
    """However the module gets the name."""
    assert missing(handler, code, ()) is None


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (
            "main.handler",
            "'CODE' has no module main.py; its modules: all.py, app.py, broken.py, caught.py, inner.py, …",
        ),
        ("package.main.handler", "'CODE' has no module package/main.py; its modules: all.py, "),
        ("folder.handler", "'CODE' has no module folder.py"),
        ("app.lambda_handler", "'CODE/app.py' defines no 'lambda_handler'; its functions: handler, _other"),
        ("nothing.handler", "'CODE/nothing.py' defines no 'handler'"),
        ("inner.handler", "'CODE/inner.py' defines no 'handler'; its functions: outer"),
    ],
)
def test_a_handler_that_is_not_there_is_said(handler, reason, code):
    """With what there is instead, which shows the mistake."""
    said = missing(handler, code, ())
    assert said.startswith(f"the handler {handler} isn't there: {reason.replace('CODE', str(code))}")


def test_a_module_with_a_syntax_error_is_said(code):
    """With its line, as the import would say it."""
    assert missing("broken.handler", code, ()) == (
        f"the handler broken.handler can't be imported: '{code}/broken.py' line 1: invalid syntax"
    )


def test_a_handler_may_be_elsewhere_on_the_path(code, tmp_path):
    """In a layer, for example; an empty directory has no modules to name."""
    empty = tmp_path / "empty"
    empty.mkdir()
    assert missing("app.handler", empty, [str(code)]) is None
    assert missing("app.handler", empty, ()) == (
        f"the handler app.handler isn't there: '{empty}' has no module app.py, and no modules at all"
    )
