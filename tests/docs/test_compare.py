"""docs/compare.md: each cell has a test, a figure or a source, and the cells that were tried are what a run finds."""

import ast
import json
import os
import re
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "compare.md").read_text(encoding="utf-8")
PYTHON = os.environ.get("PEERS_PYTHON")
needs_peers = pytest.mark.skipif(not PYTHON, reason="needs the other products: make test-peers")
CANNOT_BE_KNOWN = "can't be known"


def table(heading):
    """Return a table's rows below a heading: the first cell, and the other cells by the names of their columns."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("| ")
    ]
    header, _, *rows = rows
    return {row[0].lstrip("| "): dict(zip(header[-len(row) + 1 :], row[1:], strict=True)) for row in rows}


def notes():
    """Return the footnotes, by name."""
    return dict(re.findall(r"^\[\^([\w-]+)\]: (.*)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("heading", ["Read", "Counted"])
def test_each_cell_has_evidence(heading):
    """A cell refers to a footnote, says that it can't be known, or is one that is tried or what others are held against."""
    for first, cells in table(heading).items():
        for column, cell in cells.items():
            named = re.findall(r"\[\^([\w-]+)\]", cell)
            tried = heading == "Counted" and first in ALONE
            assert named or tried or cell == "1" or cell.startswith(CANNOT_BE_KNOWN), (first, column)
            assert set(named) <= set(notes()), (first, column)


def test_each_footnote_is_a_test_a_figure_or_a_source():
    """A test by its name in a file that has it; a benchmark of ours; or an address, and when it was read."""
    assert set(notes()) == set(re.findall(r"\[\^([\w-]+)\](?!:)", PAGE))
    for name, note in notes().items():
        tests = re.findall(r"\[`(test_\w+)`\]\((\.\./tests/[\w/]+\.py)\)", note)
        figures = re.findall(r"\]\((\.\./benchmarks/\w+\.py)\)", note)
        sources = re.findall(r"\]\(https://[^)\s]+\)", note)
        assert (
            tests or figures or (sources and re.search(r"read (in its package )?20\d\d-\d\d-\d\d", note))
        ), name
        for function, file in tests:
            tree = ast.parse((DOCS / file).read_text(encoding="utf-8"))
            assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (
                function
            )
        assert all((DOCS / file).exists() for file in figures)


def test_the_versions_are_those_that_are_tried():
    """The page names the versions that pyproject.toml pins for `make test-peers`."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = [re.split(r"(?:\[\w+\])?==", one) for one in project["dependency-groups"]["peers"]]
    for name, version in pinned:
        said = {"aws-lambda-powertools": "Powertools"}.get(
            name, f"`{name.replace('instrumentation-botocore', '')}"
        )
        assert version in PAGE, (name, version)
        assert said in PAGE or name.endswith("botocore"), name


def ending(found, *keys):
    """Return the words for what Lambda gets."""
    answers = {json.dumps(found[key]) for key in keys}
    if answers == {"null"}:
        return "**a success**"
    return "an error" if all("error: " in answer for answer in answers) else "as it is"


def as_usual(found):
    plain = (
        found["return"] == {"seen": True}
        and found["nothing"] is None
        and found["raise"] == "error: ValueError"
    )
    return "as it is" if plain else "differs"


def odd(found):
    return "as it is" if found["odd"] == {"statusCode": None, "body": None} else "**an error**"


def calls(found):
    missed = len(found["not called"])
    return f"**{23 - missed}**" if missed else "23"


def attributes(names):
    return {(): "nothing", ("AWSTraceHeader",): "a system attribute"}.get(
        tuple(names), "an attribute" if len(names) == 1 else f"{len(names)} attributes"
    )


# Each row of "Tried": what its cell says of what was found.
TRIED = {
    "the handler returns a value, or raises": as_usual,
    "the handler calls `sys.exit(1)`": lambda found: ending(found, "exit"),
    'it answers `{"statusCode": None}`': odd,
    "of 23 events, most of them odd, the handler is called for": calls,
    "an `async def` handler": lambda found: "runs" if found["async"] == {"seen": True} else "an error",
    "a message that it sends to SQS gets": lambda found: attributes(found["send"]),
    "one that has ten attributes already gets": lambda found: attributes(found["send ten"]),
    "work for that message is recorded in": lambda found: (
        "the sender's trace" if found["trace goes on"] else "a new trace"
    ),
    "of event and answer, the log and X-Ray have": lambda found: (
        f"**the {found['payload'][0]}**" if found["payload"] else "nothing"
    ),
    "when time runs out, the log has a line with the stack": lambda found: (
        "yes" if found["timeout"] else "no"
    ),
}
# The rows of "Counted" that are tried: Powertools' three decorators, and ours.
ALONE = {
    "an uncaught error has a JSON line": lambda found: "yes" if found["error line"] else "no",
    "a metric's metadata that isn't JSON: the outcome": lambda found: (
        "as it is" if found["metadata"][0] == {"seen": True} else "**an error**"
    ),
    "… and of the next invocation": lambda found: (
        "as it is" if found["metadata"][1] == {"seen": True} else "**an error**"
    ),
    "`print` and other libraries' loggers": lambda found: "JSON" if all(found["print"]) else "text",
}


@pytest.fixture(scope="module")
def found():
    """Return what is found under each product; three at a time, since they mostly wait."""

    def outcomes(product):
        command = [PYTHON, str(Path(__file__).with_name("peers.py")), product]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)[product]

    products = [*next(iter(table("Tried").values()))]
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(products, pool.map(outcomes, products), strict=True))


@needs_peers
def test_each_cell_is_what_is_found(found):
    """Every cell of the table of what was tried, for every product, as the runtime client shows it now."""
    now = {row: {product: word(found[product]) for product in found} for row, word in TRIED.items()}
    assert table("Tried") == now


@needs_peers
def test_what_is_tried_against_the_three_decorators_is_found(found):
    """The rows about Powertools' decorators and `@production` alone."""
    both = {"three decorators": "Powertools", "`@production`": "lambda_guard"}
    counted = table("Counted")
    for row, word in ALONE.items():
        assert counted[row] == {column: word(found[product]) for column, product in both.items()}
