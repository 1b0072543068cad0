"""docs/local-cloud-coverage.md: what is real, what is moto's, and what isn't there."""

from pathlib import Path

from . import coverage

PAGE = Path(__file__).parents[2] / "docs/local-cloud-coverage.md"


def test_the_page_says_what_the_tables_say():
    """A row that is added to a table is in the page: python -m tests.local.coverage > docs/local-cloud-coverage.md."""
    assert PAGE.read_text("utf-8") == coverage.page()
