"""docs/quickstart.md, done as it says: an empty folder, a fresh environment, two terminals, and what they show."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

WHEEL = os.environ.get("QUICKSTART_WHEEL")
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quickstart.md"
DONE = "-- that was all"
STAYS = "Ctrl-C ends it."
FOREIGN = ("AWS_", "LAMBDA_GUARD_", "POWERTOOLS_", "PYTEST_", "VIRTUAL_ENV", "COLUMNS", "_X_AMZN_")

pytestmark = [
    pytest.mark.skipif(not WHEEL, reason="needs a wheel and an index of packages: make test-quickstart"),
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"),
]


@dataclass
class Step:
    """A block of the page with a title: a file to save, or commands for a terminal with what it shows then."""

    title: str
    text: str
    shown: str


def steps():
    """Return the page's blocks with a title, each with the block of output that follows it, if one does."""
    fences = re.findall(
        r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    following = [*fences[1:], ("", "", "")]
    return [
        Step(title, text, after if language == "text" else "")
        for (_, title, text), (language, _, after) in zip(fences, following, strict=True)
        if title
    ]


class Terminal:
    """A shell in the folder, which keeps its environment from one block to the next."""

    def __init__(self, folder, environment):
        self.shown = []
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def type(self, commands, page):
        """Type lines, and read what they show; without an output on the page, they only have to succeed."""
        lines = [f"{line} || echo failed: $?\n" for line in commands.splitlines()]
        self.process.stdin.write("".join([*lines, f"echo; echo {DONE}\n"]))
        self.process.stdin.flush()
        wanted = [line for line in page.splitlines() if line not in {"", "…"}]
        for line in wanted if STAYS in wanted else [*wanted, DONE]:
            while not shape(line).fullmatch(self._line()):
                assert self.shown[-1] != f"{DONE}\n", f"{line!r} isn't shown:\n{''.join(self.shown)}"

    def _line(self):
        line = self.process.stdout.readline()
        self.shown.append(line)
        assert line, f"the terminal is closed:\n{''.join(self.shown)}"
        assert not line.startswith("failed: "), "".join(self.shown)
        return " ".join(line.split())

    def interrupt(self):
        """Press Ctrl-C, and leave; return what is shown until then."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


def shape(line):
    """Return what a line of the page looks like: numbers, their units, their room and ids are others each time."""
    line = " ".join(line.split())
    parts = re.split(r"(…|#[0-9a-f]{16}|python:3\.\d+|[+-]?\b[\d.]+ ?m?s\b|\b\d+(?= of |/128| lines))", line)
    pattern = {True: r"[\w#:.+ -]+?", False: ".*"}
    return re.compile(
        "".join(pattern[part != "…"] if index % 2 else re.escape(part) for index, part in enumerate(parts))
    )


def free_port():
    """Return a port that is free, and the next one is, too; the page's own if it can be had."""
    for port in range(4566, 4966, 2):
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise OSError("no two free ports")


@pytest.fixture
def environment(tmp_path):
    """Return a newcomer's environment: this Python, and the wheel of this checkout in place of a published one."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    wheel, constraint = Path(WHEEL).resolve(), tmp_path / "constraint.txt"
    constraint.write_text(f"aws-lambda-guard=={wheel.name.split('-')[1]}\n")
    links = f"{wheel.parent} {own.get('PIP_FIND_LINKS', '')}".strip()
    path = f"{Path(sys.base_prefix) / 'bin'}:{own['PATH']}"
    return own | {
        "PATH": path,
        "PIP_FIND_LINKS": links,
        "PIP_CONSTRAINT": str(constraint),
        "LC_ALL": "C.UTF-8",
    }


def test_the_page_leads_from_an_empty_folder_to_a_tested_function(tmp_path, environment):
    """Every file is saved and every command typed as the page has them; what it shows is what is seen."""
    folder = tmp_path / "shop"
    folder.mkdir()
    port = free_port()
    terminals = {name: Terminal(folder, environment) for name in ("First terminal", "Second terminal")}
    try:
        for step in steps():
            text, shown = (on_port(part, port) for part in (step.text, step.shown))
            if step.title in terminals:
                terminals[step.title].type(text, shown)
            else:
                (folder / step.title).write_text(text)
        [installed] = folder.glob(".venv/lib/python3.*/site-packages/lambda_guard/_production.py")
        assert installed.read_bytes() == (ROOT / "src" / "lambda_guard" / "_production.py").read_bytes()
        assert sorted(path.name for path in folder.glob("[!.]*.*")) == [
            "app.py",
            "template.yaml",
            "test_app.py",
        ]
        assert "ended" in terminals["First terminal"].interrupt()
    finally:
        for terminal in terminals.values():
            if terminal.process.poll() is None:
                terminal.interrupt()


def on_port(text, port):
    """Return a text of the page for another port than 4566, if another program has that."""
    if port == 4566:
        return text
    command = text.replace("local up template.yaml", f"local up template.yaml --port {port}")
    return command.replace("4566", str(port)).replace("4567", str(port + 1))
