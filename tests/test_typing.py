"""Types, as pyright sees them; `make types` has mypy's view of the same files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lambda_guard

TYPING = Path(__file__).parent / "typing"


def test_pyright_has_no_objection(tmp_path):
    """In its strict mode, to every use in `tests/typing`; what must be refused is, or an ignore would be one too many."""
    pyright = shutil.which("pyright", path=Path(sys.executable).parent) or shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright isn't installed: pip install pyright")
    for file in TYPING.glob("*.py"):
        shutil.copy(file, tmp_path)
    settings = {
        "include": ["*.py"],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "extraPaths": [str(Path(lambda_guard.__file__).parents[1])],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [pyright, "--project", str(tmp_path), "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
