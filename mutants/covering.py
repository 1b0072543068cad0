"""Which tests execute which lines, and how long each takes: measured once for a state of the repository."""

import hashlib
import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coverage import CoverageData

from .mutate import Mutant
from .scope import BUILD, NOT_TESTS, PACKAGE, ROOT, TESTS, UNMEASURED
from .tree import Tree, Trees

AT_ONCE = 10  # tests of a file that go before the next file's


@dataclass(frozen=True)
class Covering:
    """What was measured.

    Attributes:
        seconds: by the id of each test that passes on the unchanged code.
        lines: by module and line, the tests that execute it.
    """

    seconds: dict[str, float]
    lines: Mapping[str, Mapping[int, list[str]]]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Return the tests that execute the changed statement, in the order in which to run them.

        What is executed at import alone belongs to all tests of its module, and to those beside one of them in the
        folder that mirrors the module's: they may look at a table without executing a line.
        """
        module = Path(mutant.path).relative_to(PACKAGE)
        near = str("tests" / module.parent)
        lines = self.lines[mutant.path]
        found = {test for line in mutant.lines for test in lines[line]}
        if mutant.at_import:
            found |= {test for tests in lines.values() for test in tests}
            beside = {file for test in found if (file := test.partition("::")[0]).rpartition("/")[0] == near}
            found |= {test for test in self.seconds if test.partition("::")[0] in beside}
        for beginning, files in UNMEASURED.items():
            if str(module).startswith(beginning):
                found |= {test for test in self.seconds if test.startswith(files)}
        return self._in_turns([test for test in found if test in self.seconds], near)

    def _in_turns(self, tests: list[str], near: str) -> list[str]:
        """A few of each file at a time, the quick ones first; those near the module before all others."""
        of_file: Counter[str] = Counter()
        keys: dict[str, tuple[bool, int, str]] = {}
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            file = test.partition("::")[0]
            is_far = near == "tests" or not file.startswith(f"{near}/")
            keys[test] = is_far, of_file[file] // AT_ONCE, file
            of_file[file] += 1
        return sorted(keys, key=keys.__getitem__)


def among(trees: Trees, files: Sequence[str]) -> Covering:
    """Take all tests of some files to cover everything."""
    seconds = {
        test: seconds for found in trees.map(Tree.run, files) for test, seconds, passed in found if passed
    }
    return Covering(seconds, defaultdict(lambda: defaultdict(lambda: list(seconds))))


def measure(trees: Trees) -> Covering:
    """Measure, or return what was measured on the same state."""
    kept = BUILD / "covering.json"
    state = digest("src", "tests", "mutants/scope.py")
    if kept.exists() and (found := json.loads(kept.read_text()))["state"] == state:
        return _covering(found)
    files = sorted(test_files(), key=lambda name: (ROOT / name).stat().st_size, reverse=True)
    print(f"running the tests of {len(files)} files, to see how long each takes", flush=True)
    results = [each for found in trees.map(Tree.run, files) for each in found]
    for test, _, passed in results:
        if not passed:
            print(f"  left out, for it fails on the unchanged code: {test}", flush=True)
    print("running them once more, to see what each executes", flush=True)
    trees.map(Tree.measure, files)
    seconds = {test: round(seconds, 4) for test, seconds, passed in results if passed}
    found = {"state": state, "seconds": seconds, "lines": _lines(trees.all, list(seconds))}
    kept.write_text(json.dumps(found))
    return _covering(json.loads(kept.read_text()))


def digest(*paths: str) -> str:
    """Return a digest of all files below these paths."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *paths]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    found = hashlib.sha256()
    for name in sorted(names):
        if (ROOT / name).is_file():
            found.update(name.encode() + (ROOT / name).read_bytes())
    return found.hexdigest()


def test_files() -> list[str]:
    """Return the files of tests that may be run."""
    found: set[str] = set()
    for folder in TESTS:
        left_out = [each for each in NOT_TESTS if not folder.startswith(each)]
        for path in (ROOT / folder).rglob("test_*.py"):
            name = str(path.relative_to(ROOT))
            if not name.startswith(tuple(left_out)):
                found.add(name)
    return sorted(found)


def _covering(found: dict[str, Any]) -> Covering:
    names = list(found["seconds"])
    lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, by_line in found["lines"].items():
        for line, tests in by_line.items():
            lines[path][int(line)] = [names[index] for index in tests]
    return Covering(found["seconds"], lines)


def _lines(trees: Sequence[Tree], tests: list[str]) -> dict[str, dict[int, list[int]]]:
    """By module and line, the tests that execute it, as their places in `tests`."""
    place = {test: index for index, test in enumerate(tests)}
    found: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for tree in trees:
        for file in tree.run_folder.glob("coverage*"):
            data = CoverageData(str(file))
            data.read()
            for measured in data.measured_files():
                path = str(Path(measured).relative_to(tree.folder))
                for line, contexts in data.contexts_by_lineno(measured).items():
                    found[path][line].update(place[test] for test in contexts if test in place)
    return {path: {line: sorted(places) for line, places in lines.items()} for path, lines in found.items()}
