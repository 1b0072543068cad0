"""`make mutants`: a sample of mutants against the tests that cover them; what is done isn't done again."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence

from .covering import Covering, among, digest, measure
from .mutate import Mutant, every_mutant, sample
from .report import report
from .scope import BUILD
from .tree import Tree, Trees

RESULTS = BUILD / "results.jsonl"


def main() -> int:
    """Run the sample; return 0 where nothing survived without a reason."""
    options = _options()
    BUILD.mkdir(parents=True, exist_ok=True)
    if options.only:
        mutants = [mutant for mutant in every_mutant() if mutant.id in options.only]
    else:
        mutants = sample(options.seed, options.sample)
    if options.show:
        return _show(mutants)
    state = {path: digest(path) for path in ("src", "tests", *{mutant.path for mutant in mutants})}
    trees = Trees(BUILD, options.workers)
    verdicts = _known(mutants, state) if not options.only else {}
    left = [mutant for mutant in mutants if mutant.id not in verdicts]
    covering = among(trees, options.tests) if options.tests else measure(trees)
    _try_all(left, trees, covering, state, verdicts)
    text = report(mutants, verdicts)
    (BUILD / "report.md").write_text(text)
    print(f"\n{text}\nin {BUILD / 'report.md'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants")
    parser.add_argument("--seed", default="lambda_guard", help="what the sample is drawn by")
    parser.add_argument("--workers", type=int, default=2, help="how many are tried at once")
    parser.add_argument("--only", nargs="*", default=[], metavar="ID", help="these mutants, tried or not")
    parser.add_argument(
        "--tests", nargs="*", default=[], metavar="FILE", help="with --only: against these alone"
    )
    parser.add_argument("--show", action="store_true", help="show the mutants, and run nothing")
    return parser.parse_args()


def _show(mutants: Sequence[Mutant]) -> int:
    for mutant in mutants:
        print(f"{mutant.id} {mutant.path}:{mutant.line} {mutant.function}\n{mutant.diff}\n")
    return 0


def _known(mutants: Sequence[Mutant], state: Mapping[str, str]) -> dict[str, str]:
    """Verdicts that still hold: of one that was noticed while its module is the same, of a survivor while all is."""
    verdicts: dict[str, str] = {}
    if RESULTS.exists():
        by_id = {mutant.id: mutant for mutant in mutants}
        for result in map(json.loads, RESULTS.read_text().splitlines()):
            mutant = by_id.get(result["id"])
            if mutant and all(
                state[path] == result["state"].get(path) for path in _held_to(mutant, result["killer"])
            ):
                verdicts[mutant.id] = result["killer"]
    return verdicts


def _held_to(mutant: Mutant, killer: str) -> tuple[str, ...]:
    return (mutant.path,) if killer else ("src", "tests")


def _try_all(
    mutants: Sequence[Mutant],
    trees: Trees,
    covering: Covering,
    state: Mapping[str, str],
    verdicts: dict[str, str],
) -> None:
    def attempt(tree: Tree, mutant: Mutant) -> None:
        started = time.monotonic()
        tests = covering.tests_for(mutant)
        killer = tree.verdict(mutant.path, mutant.source, tests, covering.seconds) if tests else ""
        verdicts[mutant.id] = killer
        held_to = {path: state[path] for path in _held_to(mutant, killer)}
        with RESULTS.open("a") as file:
            file.write(json.dumps({"id": mutant.id, "killer": killer, "state": held_to}) + "\n")
        said = f"noticed by {killer}" if killer else f"SURVIVED {len(tests)} tests"
        place = f"{mutant.id} {mutant.path}:{mutant.line}"
        print(f"{len(verdicts):4} {time.monotonic() - started:6.1f} s {place} {said}", flush=True)

    trees.map(attempt, mutants)


if __name__ == "__main__":
    sys.exit(main())
