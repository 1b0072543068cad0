"""Our own code in a layer: what runs in a function, from the installation that builds the layer."""

import shutil
from pathlib import Path
from typing import Final

from lambda_guard import _names
from lambda_guard._version import __version__

ON_THE_DESK: Final = ("tools", "local", "templates", "iam", "testing")
"""The packages that no function needs."""
_ENTRY: Final = "lambda_guard_handler.py"
_WRAPPER: Final = "lambda-guard"


def copy(opt: Path) -> str:
    """Copy our code, the zero-code entry and the exec wrapper into `opt`, which becomes `/opt`; return the version."""
    package = Path(_names.__file__).parent
    shutil.copytree(package, opt / "python" / package.name, ignore=_left_out)
    shutil.copyfile(package.parent / _ENTRY, opt / "python" / _ENTRY)
    shutil.copyfile(Path(__file__).parent / _WRAPPER, opt / _WRAPPER)
    return __version__


def _left_out(folder: str, names: list[str]) -> set[str]:
    desk = set(ON_THE_DESK) if Path(folder).name == "lambda_guard" else set()
    return {name for name in names if name in desk or name == "__pycache__"}
