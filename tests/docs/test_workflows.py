"""The project's own workflow runs what the Makefile and the classifiers name, and every workflow runs pinned actions."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = [
    *sorted(ROOT.glob(".github/workflows/*.yml")),
    *sorted(ROOT.glob("examples/app/.github/workflows/*.yml")),
]
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


MAKEFILE = (ROOT / "Makefile").read_text()


def parts(line):
    """The words behind what a line of the Makefile begins with, those of `$(LEGS)` among them."""
    found = re.search(rf"^{re.escape(line)}(.+?)\"?$", MAKEFILE, re.MULTILINE)[1]
    return found.replace("$(LEGS)", "" if line.startswith("LEGS") else " ".join(parts("LEGS   := "))).split()


EVERYTHING = parts('test-all: install\n\t@$(MAKE) --no-print-directory side-by-side PARTS="')


def test_every_part_of_make_test_all_is_a_job():
    """What is added to the Makefile is added to the workflow, too."""
    jobs = CI["jobs"]
    legs = jobs["legs"]["strategy"]["matrix"]["leg"]
    commands = [step.get("run", "") for name in ("checks", "tests") for step in jobs[name]["steps"]]
    made = {word for command in commands if command.startswith("make") for word in command.split()}

    assert sorted(legs) == sorted(parts("LEGS   := "))
    assert set(EVERYTHING) == (made - {"make", "PYTHON=python"}) | set(legs)


def test_make_test_all_has_what_make_test_has():
    """What each commit passes is tried again with everything; the site, by the leg that looks at it."""
    assert "test-docs: docs" in MAKEFILE
    assert set(parts("PARTS_OF_TEST := ")) - {"docs"} < set(EVERYTHING)


@pytest.mark.parametrize("job", ["tests", "windows"])
def test_every_python_of_the_classifiers_is_tested(job):
    """The Pythons that the package claims are those of the matrix."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    claimed = [found[1] for line in classifiers if (found := re.search(r":: Python :: (3\.\d+)$", line))]

    assert CI["jobs"][job]["strategy"]["matrix"]["python"] == claimed


def test_the_check_for_branch_rules_waits_for_every_job():
    """`passed` needs all other jobs."""
    assert set(CI["jobs"]["passed"]["needs"]) == CI["jobs"].keys() - {"passed"}


AS_ON_WINDOWS = """
import os, signal, sys

sys.modules.update(dict.fromkeys(("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")))
for module, names in ((os, ("fork", "getuid", "killpg", "mkfifo")), (signal, ("SIGALRM", "SIGHUP", "SIGKILL", "SIGSTOP"))):
    for name in names:
        delattr(module, name)
"""


@pytest.mark.slow
def test_the_tests_of_the_tools_can_be_collected_on_windows(tmp_path):
    """What only POSIX has is asked for in the tests that need it, and in no module of theirs."""
    (tmp_path / "as_on_windows.py").write_text(AS_ON_WINDOWS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "as_on_windows",
        "--collect-only",
        "-q",
        "-n",
        "0",
        "tests/tools",
    ]
    own = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env=own)

    assert done.returncode == 0, done.stdout
    assert "python -m pytest tests/tools " in (ROOT / ".github/workflows/ci.yml").read_text()


def test_actions_are_pinned_alike_in_all_workflows():
    """An action is named by its commit, with the version beside it, and by the same one everywhere."""
    pins = {}
    for workflow in WORKFLOWS:
        for action, rest in re.findall(r"uses: (\S+?)@(.+)", workflow.read_text()):
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", rest), (workflow.name, action, rest)
            pins.setdefault(action, set()).add(rest)

    assert pins
    assert all(len(versions) == 1 for versions in pins.values()), pins


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_every_job_ends_in_time_and_names_what_it_may_do(workflow):
    """No job waits GitHub's six hours, and none has the permissions that a repository's settings happen to give."""
    for name, job in yaml.safe_load(workflow.read_text())["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 120, name
        assert "permissions" in job, name


def test_nothing_is_published_but_from_a_tag_whose_tests_have_passed():
    """Every job of a release that may write waits for all of CI, and for the artefacts; on a branch none of them runs."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    assert jobs["tests"]["uses"].endswith("/.github/workflows/ci.yml")

    def waits_for(name):
        needs = jobs[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(waits_for, direct))

    writing = {name for name, job in jobs.items() if "write" in job["permissions"].values()}
    assert writing == {"provenance", "index", "page"}
    assert jobs["provenance"]["if"] == "github.ref_type == 'tag'"
    for name in writing:
        assert waits_for(name) >= {"tests", "build"}, name
        assert name == "provenance" or "provenance" in waits_for(name), name
