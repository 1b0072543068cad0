"""A zip archive by hand: the commands of the page."""

import zipfile

from .conftest import (
    OF_THE_RUNTIME,
    assert_answers,
    assert_complete,
    assert_has_byte_code,
    assert_starts_with_the_layer,
    commands,
    packages,
)


def test_an_archive(project, tmp_path):
    """What is uploaded has its modules at the root, and runs where it is unpacked."""
    project.shell(commands("Zip archive", 0))
    with zipfile.ZipFile(project.folder / "orders.zip") as archive:
        archive.extractall(tmp_path)
    assert_complete(tmp_path, project.python)
    assert not packages(tmp_path) & OF_THE_RUNTIME
    assert_has_byte_code(tmp_path, project.python)
    assert_answers(tmp_path)


def test_an_archive_for_arm(project):
    """build.sh builds for the machine that it names; elsewhere wrapt's own Python code stands in."""
    script = project.folder / "function" / "build-arm.sh"
    text = (project.folder / "function" / "build.sh").read_text(encoding="utf-8")
    script.write_text(text.replace("architecture=x86_64", "architecture=aarch64"), encoding="utf-8")
    project.run("sh", "function/build-arm.sh", "arm")
    assert_complete(project.folder / "arm", project.python, "aarch64")
    assert_answers(project.folder / "arm")


def test_an_archive_beside_the_layer(project, tmp_path):
    """The code alone."""
    project.shell(commands("Zip archive", 1))
    with zipfile.ZipFile(project.folder / "code.zip") as archive:
        archive.extractall(tmp_path)
    assert packages(tmp_path) == {"app.py"}
    assert_starts_with_the_layer(tmp_path)
