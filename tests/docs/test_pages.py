"""The README and the pages: their code runs, their links lead somewhere, and they name everything there is."""

import re
import shutil
from pathlib import Path

import pytest

from lambda_guard import _names

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]

# Its blocks are functions before and after; each runs in a process of its own, in `test_migrating`.
RUN_ALONE = {ROOT / "docs" / "migrating.md"}


def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.usefixtures("own_loop")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page not in RUN_ALONE], ids=lambda page: page.stem
)
def test_code_runs(page, monkeypatch, tmp_path):
    """Every block of Python on a page runs, one after the other, in a function's environment and beside a template."""
    shutil.copytree(Path(__file__).parent / "project", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    namespace = {"__name__": page.stem}
    for block in re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL):
        exec(compile(block, str(page), "exec"), namespace)
    if runner := namespace.get("runner"):  # the testing SDK's: its own `close` leaves its loop open
        runner._scheduler._thread.join()
        runner._scheduler._loop.close()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    """Every relative link of a page is a file or a folder of the repository."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text(page))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_page_is_two_links_from_the_readme():
    """In the repository, too: README leads to every page of `docs`, over one other page at most."""
    reached = {ROOT / "README.md"}
    for _ in range(2):
        links = {(page, link) for page in reached for link in re.findall(r"\]\(([^)#:\s]+\.md)", text(page))}
        reached |= {(page.parent / link).resolve() for page, link in links}
    assert set(PAGES) - reached == set()


def headings(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_to_sections_lead_to_headings(page):
    """Every relative link to a section of a page is a heading there."""
    links = re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)\s]+)\)", text(page))
    assert [
        link for link in links if link[1] not in headings(page.parent / link[0] if link[0] else page)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_nothing_is_left_to_fill_in(page):
    """No page has a placeholder in it."""
    assert re.findall(r"@@\w+|TODO|FIXME|TBD", text(page)) == []


def keys_of_tables(page):
    """Return each part of the dotted keys in the first column of a page's tables: `calls[].count` is two."""
    cells = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    keys = [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    return {part for key in keys for part in key.replace("[]", "").split(".")}


def test_every_key_and_metric_is_documented():
    """The records page has a row for every key in `_names`, and for none that isn't there but AWS's own."""
    values = {
        value
        for name, value in vars(_names).items()
        if isinstance(value, str) and not name.startswith(("_", "ENV_"))
    }
    not_keys = {
        *(
            _names.SUCCESS,
            _names.SUSPENDED,
            _names.DURABLE_SDK,
            _names.MANAGED_INSTANCES,
            _names.SNAP_START,
            _names.TIMEOUT,
            _names.SKIPPED,
            _names.TIMEOUT_TYPE,
            _names.RECORD_INVOCATION,
            _names.RECORD_INIT,
        ),
        *(_names.HTTP_TRACE_HEADER, _names.SQS_TRACE_ATTRIBUTE, _names.W3C_TRACE_HEADER),
        *(_names.DEFAULT_NAMESPACE, _names.SUBSEGMENT, *_names.UNITS.values()),
    }
    xray = {"response", "queue_url", "topic_arn", "table_name", "bucket_name", "lambda_guard"}
    assert keys_of_tables(text("docs/records.md")) - xray == values - not_keys - xray
