"""All benchmarks, one after the other: `make bench`.

Each is a module of its own with a `main()`, and can be run for itself: `python -m benchmarks.budgets`.
"""

import importlib
import sys

BENCHMARKS = ("budgets",)


def main():
    missed = 0
    for name in BENCHMARKS:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n== {name}: {module.__doc__.splitlines()[0]}\n")
        missed += bool(module.main())
    return missed


if __name__ == "__main__":
    sys.exit(main())
