"""The pytest plugin of a run: it measures which tests execute what, or runs given tests in a given order."""

import json
import os
import resource
import time
from collections.abc import Generator
from pathlib import Path

import coverage
import hypothesis
import pytest

MEMORY = 3 << 30  # bytes of address space: what needs more is a mutant that never ends
RUN = Path(os.environ["MUTANTS_RUN"])  # a folder: `order`, `now`, `tests`, `coverage*`

hypothesis.settings.register_profile(
    "mutants",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


def pytest_configure() -> None:
    """Let no mutant take all of the memory."""
    if measured is None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what is in `order`, in that order."""
    if (RUN / "order").exists():
        place = {name: index for index, name in enumerate(json.loads((RUN / "order").read_text()))}
        items[:] = sorted(
            (item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid]
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Say which test is at work, and what became of it."""
    (RUN / "now").write_text(item.nodeid)
    if measured is not None:
        measured.switch_context(item.nodeid)
    started = time.perf_counter()
    before = item.session.testsfailed
    result = yield
    with (RUN / "tests").open("a") as file:
        passed = item.session.testsfailed == before
        file.write(json.dumps([item.nodeid, time.perf_counter() - started, passed]) + "\n")
    return result


def _measuring() -> coverage.Coverage:
    found = coverage.Coverage(
        data_file=str(RUN / "coverage"),
        data_suffix=True,
        source=[os.environ["MUTANTS_SOURCE"]],
        config_file=False,
        messages=False,
    )
    found.start()
    return found


# From before the package is imported: what is executed before the first test belongs to none.
measured = _measuring() if os.environ.get("MUTANTS_MEASURE") else None


def pytest_unconfigure() -> None:
    """Keep what was measured."""
    if measured is not None:
        measured.stop()
        measured.save()
