"""The pipeline of examples/app: what its steps make of the shop with SAM."""

import re
import shutil

import pytest

from .conftest import BUILT, ROOT, RUNTIME, Project

SHOP = ROOT / "examples" / "app"


def copied(folder):
    """Return a copy of the shop, for the Python and the wheel that are here; its lock names a release."""
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__", ".aws-sam"))
    shop = Project(folder)
    template = folder / "template.yaml"
    template.write_text(template.read_text().replace("python3.12", f"python{shop.python}"))
    [wheel] = (BUILT / "wheel").glob("aws_lambda_guard-*.whl")
    lock = folder / "constraints.txt"
    version = f"aws-lambda-guard=={wheel.name.split('-')[1]}"
    lock.write_text(re.sub(r"^aws-lambda-guard==.*", version, lock.read_text(), flags=re.MULTILINE))
    return shop


def contents(folder):
    """Return every file of a package with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """Two copies of the shop, in the second of which billing has changed; of both only orders is built, as it is quicker."""
    if not RUNTIME.exists():
        pytest.skip("nothing is installed: run `make test-deploy`")
    shops = [copied(tmp_path_factory.mktemp("shop") / "shop") for _ in range(2)]
    with (shops[1].folder / "billing" / "billing.py").open("a") as billing:
        billing.write("# changed\n")
    for shop in shops:
        shop.run("sam", "build", "Orders", PIP_CONSTRAINT=str(shop.folder / "constraints.txt"))
    return shops


def test_a_function_that_did_not_change_is_the_same_package(shops):
    """Built again, from nothing and in another folder, it has the same bytes: SAM gives it the same name, and no version."""
    before, after = (contents(shop.folder / ".aws-sam" / "build" / "Orders") for shop in shops)

    assert "orders.py" in before
    assert before == after


def test_what_is_named_is_what_is_built(shops):
    """`sam build Orders` builds nothing else."""
    built = {path.name for path in (shops[0].folder / ".aws-sam" / "build").iterdir()}

    assert built == {"Orders", "template.yaml"}


def test_the_packages_are_those_of_the_lock(shops):
    """What goes into a function has the version that was tested."""
    pinned = dict(
        re.findall(r"^([\w.-]+)==([\w.]+)", (shops[0].folder / "constraints.txt").read_text(), re.MULTILINE)
    )
    code = shops[0].folder / ".aws-sam" / "build" / "Orders"
    packed = {
        name.replace("_", "-"): version
        for info in code.glob("*.dist-info")
        for name, version in [info.name.removesuffix(".dist-info").split("-")]
    }

    assert {"aws-lambda-guard", "aws-lambda-powertools", "botocore", "wrapt"} <= packed.keys()
    assert packed == {name: pinned[name] for name in packed}


def test_the_template_is_valid(shops):
    """As the workflow asks: SAM translates it."""
    assert "is a valid SAM Template" in shops[0].run("sam", "validate")


def test_every_flag_of_the_deployment_is_one(shops):
    """`sam deploy` knows what both services' steps give it."""
    known = shops[0].run("sam", "deploy", "--help")
    for path in (".github/workflows/deploy.yml", ".circleci/config.yml"):
        step = re.search(r"sam deploy\n((?: +--.*\n)+)", (SHOP / path).read_text())[1]
        flags = re.findall(r"(?<!\S)--[\w-]+", step)
        assert len(flags) > 6
        assert [flag for flag in flags if flag not in known] == []
