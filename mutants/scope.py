"""What is mutated, and by which tests: patterns below `src/lambda_guard` and paths below the repository."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
BUILD: Final = ROOT / "build/mutants"
PACKAGE: Final = Path("src/lambda_guard")

MODULES: Final = (
    "_guard.py",
    "_production.py",
    "_failsafe.py",
    "_scope.py",
    "batch/*.py",
    "timeout/*.py",
    "propagation/*.py",
    "tools/dlq/journal.py",
    "tools/dlq/delivery.py",
    "tools/dlq/sending.py",
    "tools/dlq/queue.py",
    "tools/dlq/write_ahead.py",
)

TESTS: Final = ("tests", "tests/tools/dlq")
# What isn't about behaviour, or about none of the modules above.
NOT_TESTS: Final = (
    "tests/local",
    "tests/tools",
    "tests/templates",
    "tests/docs",
    "tests/typing",
    "tests/test_architecture.py",
)

# Tests whose processes are killed, so that nobody learns what they have executed; by the beginning of the module.
UNMEASURED: Final = {
    "timeout/": ("tests/timeout", "tests/runtime/test_timeouts.py"),
    "_guard.py": ("tests/runtime/test_runtime.py",),
    "propagation/inject.py": ("tests/runtime/test_examples.py",),
}


def modules() -> list[str]:
    """Return the modules that are mutated, as paths below the repository; each pattern has to match one."""
    found = []
    for pattern in MODULES:
        matching = sorted(path for path in (ROOT / PACKAGE).glob(pattern) if path.name != "__init__.py")
        if not matching:
            raise SystemExit(
                f"mutants/scope.py: no module is named {PACKAGE / pattern}: put the pattern right"
            )
        found += [str(path.relative_to(ROOT)) for path in matching]
    return found
