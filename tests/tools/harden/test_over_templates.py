"""`lambda-guard harden` over templates in the manner of public ones: none is damaged, and each translates as before."""

from functools import cache
from pathlib import Path

import pytest
from botocore.exceptions import NoRegionError

from lambda_guard.templates.document import Location, TemplateError
from lambda_guard.templates.marks import written
from lambda_guard.templates.template import Template
from lambda_guard.tools.harden.hardening import harden
from lambda_guard.tools.harden.settings import Settings

FOLDER = Path(__file__).parents[1] / "audit" / "templates"
TEMPLATES = sorted(it for it in FOLDER.iterdir() if it.suffix in {".yaml", ".yml", ".json", ".template"})
HERE = Location("eu-west-1", "123456789012", "")
REMADE = (
    "Lambda::Version",
    "Lambda::Alias",
    "Lambda::Permission",
    "IAM::Role",
    "CodeDeploy",
    "EventInvokeConfig",
)


@cache
def hardened(path):
    """Harden a template as it is, once for all tests; None where it isn't one."""
    try:
        return harden(path, path.read_bytes().decode("utf-8"), {}, Settings())
    except TemplateError:
        return None


def translated(path, text):
    """Return the resources that CloudFormation gets, or None where the template can't be deployed as it is."""
    document = written(str(path), text).document
    open_ones = {name: "x" for name, it in (document.get("Parameters") or {}).items() if "Default" not in it}
    try:
        return Template(document, HERE, root=path.parent, parameters=open_ones).plain["Resources"]
    except (TemplateError, NoRegionError):  # an application of the repository is looked up
        return None


def contains(new, old):
    """Return whether everything that was said is said still."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            key in new and contains(new[key], value) for key, value in old.items()
        )
    return new == old


@pytest.mark.parametrize("path", TEMPLATES, ids=[it.stem for it in TEMPLATES])
def test_over(path):
    """Every line stays, the document says what it said, a second run finds nothing, and SAM takes it as before."""
    text = path.read_bytes().decode("utf-8")
    done = hardened(path)
    if done is None:
        pytest.skip("no template: the audit's tests are about it")
    old = written(str(path), text).document
    assert contains(written(str(path), done.text).document, old)
    again = harden(path, done.text, {}, Settings())
    assert (again.text, again.done) == (done.text, ())
    assert len(again.left) <= len(done.left)
    before, after = translated(path, text), translated(path, done.text)
    assert (before is None) == (after is None)
    for name, resource in (before or {}).items():
        if not any(kind in resource["Type"] for kind in REMADE) and name in after:
            assert after[name]["Type"] == resource["Type"]
            assert set(resource.get("Properties") or ()) <= set(after[name].get("Properties") or ())


def test_most_of_them_gain_something():
    """The test above sees insertions, and not only templates that are complete."""
    changed = sum(bool(it and it.done) for it in map(hardened, TEMPLATES))
    assert changed > len(TEMPLATES) / 2
