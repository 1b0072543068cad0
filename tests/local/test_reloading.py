"""Reloading: what changed on disk is what the next invocation runs."""

import os
import threading

import pytest

from lambda_guard.local import Function
from lambda_guard.local.reloading import Reloader

ONE = "def handler(event, context):\n    return 1\n"
TWO = ONE.replace("1", "2")
NEITHER_COUNTS = [
    "node_modules/pack/index.js",
    ".git/index",
    "__pycache__/app.cpython-311.pyc",
    "venv/bin/python",
    "app.py~",
    "up.log",
    ".app.py.swp",
    "logs/aws/lambda/orders/stream.log",
]


class Setting:
    """A function in a directory, with what looks at its files; the tests look, no thread does."""

    def __init__(self, directory, **settings):
        self.code = directory / "src"
        self.code.mkdir()
        self.template = self.code / "template.yaml"
        self.template.touch()
        self.write("app.py", ONE)
        self.function = Function(name="orders", handler="app.handler", code=self.code, timeout=60, **settings)
        self.said = []
        self.reloader = Reloader([self.function], self.template, [self.code / "logs"], self.said.append)

    def write(self, name, text):
        path = self.code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text)
        if path.stat().st_mtime_ns == before:  # a clock of the file system that stands still
            os.utime(path, ns=(before, before + 1))
        return path

    def look(self):
        """Look until it has settled."""
        self.reloader.look()
        self.reloader.look()
        said, self.said[:] = list(self.said), []
        return said

    def close(self):
        self.reloader.close()
        self.function.close()


@pytest.fixture
def set_up(tmp_path):
    """Return what sets a function up, with settings."""
    made = []

    def make(**settings):
        made.append(Setting(tmp_path, **settings))
        return made[-1]

    yield make
    for it in made:
        it.close()


def test_the_next_invocation_runs_changed_code(set_up, monkeypatch):
    """In a new environment; of the same size, in the same second, in a file whose bytecode Python takes for current."""
    it = set_up()
    monkeypatch.chdir(it.code.parent)
    assert it.function.invoke({}).payload == 1
    assert it.look() == []
    it.write("app.py", TWO)
    assert it.look() == ["reloaded orders: src/app.py changed"]
    result = it.function.invoke({})
    assert (result.payload, result.cold_start) == (2, True)
    assert (it.function.invoke({}).cold_start, it.look()) == (False, [])


def test_a_file_that_is_being_written_is_left_alone(set_up):
    """It counts once it is the same from one look to the next, and several files are one change."""
    it = set_up()
    it.write("app.py", "def handler(")
    it.reloader.look()
    it.write("app.py", TWO)
    (it.code / "gone.json").touch()
    it.reloader.look()
    (it.code / "gone.json").unlink()
    for number in range(3):
        it.write(f"stock/{number}.py", "")
    it.reloader.look()
    assert it.said == []
    [said] = it.look()
    assert said.startswith("reloaded orders: ")
    assert said.endswith("and 2 more changed")


def test_a_mistake_shows_as_it_does_on_aws(set_up):
    """A syntax error fails INIT, and is gone with the next change."""
    it = set_up()
    assert it.function.invoke({}).status == "success"
    it.write("app.py", "def handler(event, context)\n    return 1\n")
    it.look()
    result = it.function.invoke({})
    assert (result.status, result.error_type) == ("error", "Runtime.UserCodeSyntaxError")
    it.write("app.py", TWO)
    it.look()
    assert it.function.invoke({}).payload == 2


def test_what_is_under_way_ends_in_its_environment(set_up, tmp_path):
    """An invocation goes on with the code with which it began; its environment serves no other."""
    it = set_up()
    begun, end = tmp_path / "begun", tmp_path / "end"
    touch = f"import pathlib, time\n    pathlib.Path({str(begun)!r}).touch()\n"
    wait = f"    while event and not pathlib.Path({str(end)!r}).exists():\n        time.sleep(0.01)\n"
    it.write("app.py", ONE.replace("return", f"{touch}{wait}    return"))
    it.look()
    results = []
    thread = threading.Thread(target=lambda: results.append(it.function.invoke({"wait": True})))
    thread.start()
    while not begun.exists():
        thread.join(0.01)
    it.write("app.py", TWO)
    it.look()
    during = it.function.invoke({})
    end.touch()
    thread.join()
    assert (results[0].status, results[0].payload) == ("success", 1)
    assert (during.payload, during.cold_start) == (2, True)
    assert [it.function.invoke({}).cold_start for _ in range(2)] == [False, False]
    assert len(it.function.pids()) == 1


@pytest.mark.parametrize("name", NEITHER_COUNTS)
def test_what_is_no_code_reloads_nothing(set_up, name):
    """Packages of others, caches, editors' files, the logs that the functions themselves write."""
    it = set_up()
    it.write(name, "one")
    assert it.look() == []
    it.write(name, "two")
    assert it.look() == []


def test_what_the_command_itself_prints_reloads_nothing(set_up):
    """Its output may be in a file beside the code, which each line about a reload would change."""
    it = set_up()
    with it.write("out.txt", "").open("w") as file:
        before = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            it.look()
            os.write(1, b"reloaded\n")
            assert it.look() == []
        finally:
            os.dup2(before, 1)
            os.close(before)


def test_data_and_new_and_removed_files_count(set_up):
    """What a handler reads beside its modules, in a folder or a hidden file."""
    it = set_up()
    for name in ("prices.json", "data/prices.csv", ".env"):
        path = it.write(name, "1")
        assert len(it.look()) == 1
        path.unlink()
        assert len(it.look()) == 1


def test_a_link_that_leads_back_is_followed_once(set_up):
    """A folder that contains itself has an end."""
    it = set_up()
    (it.code / "again").symlink_to(it.code, target_is_directory=True)
    it.write("app.py", TWO)
    assert len(it.look()) == 1


def test_a_layer_is_unpacked_again(set_up, tmp_path):
    """Its files are copies; one that can't be unpacked leaves the function as it is."""
    (tmp_path / "layer/python").mkdir(parents=True)
    prices = tmp_path / "layer/python/prices.py"
    prices.write_text("PRICE = 1\n")
    it = set_up(layers=(tmp_path / "layer",))
    it.write("app.py", "import prices\ndef handler(event, context):\n    return prices.PRICE\n")
    it.look()
    assert it.function.invoke({}).payload == 1
    prices.write_text("PRICE = 22\n")
    assert it.look() == [f"reloaded orders: {prices} changed"]
    assert it.function.invoke({}).payload == 22
    (tmp_path / "layer/out").symlink_to("/etc")
    [said] = it.look()
    assert said.startswith("not reloaded: function orders: the layer ")
    assert it.function.invoke({}).payload == 22


def test_a_changed_template_is_said(set_up):
    """It takes a new cloud, whose queues and tables would be empty: when, is the user's to say."""
    it = set_up()
    it.write("template.yaml", "Resources: {}")
    assert it.look() == [f"{it.template} has changed: Ctrl-C, and start it again to apply it"]
    assert it.function.invoke({}).cold_start
