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


def test_an_archive_beside_the_layer(project, tmp_path):
    """The code alone."""
    project.shell(commands("Zip archive", 1))
    with zipfile.ZipFile(project.folder / "code.zip") as archive:
        archive.extractall(tmp_path)
    assert packages(tmp_path) == {"app.py"}
    assert_starts_with_the_layer(tmp_path)
