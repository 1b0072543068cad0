"""docs/checklist.md is the checklist."""

from pathlib import Path

from .page import HEADING, items

PAGE = Path(__file__).parents[3] / "docs" / "checklist.md"


def test_the_page_has_every_item_as_the_checklist_says_it():
    """The part below its heading is made by `python -m tests.tools.audit.page`."""
    assert PAGE.read_text(encoding="utf-8").split(f"{HEADING}\n", 1)[1] == items()
