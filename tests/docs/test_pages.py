"""The README and the pages: their code runs, their links lead somewhere, and they name everything there is."""

import re
import shutil
from pathlib import Path

import pytest

from lambda_guard import _names
from lambda_guard._production import _OPTIONS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_code_runs(page, monkeypatch, tmp_path):
    """Every block of Python on a page runs, one after the other, in a function's environment and beside a template."""
    shutil.copytree(Path(__file__).parent / "project", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    namespace = {"__name__": page.stem}
    for block in re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    """Every relative link of a page is a file or a folder of the repository."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text(page))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_nothing_is_left_to_fill_in(page):
    """No page has a placeholder in it."""
    assert re.findall(r"@@\w+|TODO|FIXME|TBD", text(page)) == []


def test_every_option_is_documented():
    """The configuration page has a row for every option and every variable of ours."""
    page = text("docs/configuration.md")
    ours = {
        value for key, value in vars(_names).items() if key.startswith("ENV_") and "LAMBDA_GUARD" in value
    }
    assert {name for name in {*_OPTIONS, *ours} if f"`{name}`" not in page} == set()


def test_every_key_and_metric_is_documented():
    """The records page names every metric, and every key of a log line and of the invocation record."""
    page = text("docs/records.md")
    keys = {
        value
        for key, value in vars(_names).items()
        if isinstance(value, str) and value.islower() and not key.startswith(("_", "ENV_", "W3C", "RECORD_"))
    }
    missing = {name for name in {*_names.UNITS, *(keys - {_names.EMF})} if f"`{name}`" not in page}
    assert missing == set()
