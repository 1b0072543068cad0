"""`make release`: whole or not at all, for reasons that it names, and the same bytes when it is built again."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambda_guard.tools.layer.targets import PYTHONS

# Distributions and a layer are built twice, by processes that share a busy machine.
pytestmark = pytest.mark.timeout(1_300)

ROOT = Path(__file__).parents[2]
VERSION_LINE = Path("src/lambda_guard/_version.py")
TARGETS = Path("src/lambda_guard/tools/layer/targets.py")
# Where all tests pass: it says of which commit they were.
TESTS = 'test-all:\n\t@git rev-parse HEAD > "$$TESTED"\n'
FAILING = "test-all:\n\t@false\n"
# Somebody else commits while they run.
MEANWHILE = 'test-all:\n\t@cd "$$REPOSITORY" && git commit --quiet --allow-empty --message "Something else"\n'
# The process that waits for `make` is killed.
KILLED = "test-all:\n\t@kill -9 $$(ps -o ppid= -p $$PPID)\n"
THIS_PYTHON = "{}.{}".format(*sys.version_info)
ARTEFACTS = """
def build(tree, version, into, *, all_pythons, say):
    (into / "artefact").write_text(version)
    say("built")
"""
CHANGELOG = """# Changelog

## [Unreleased]

A summary,
wrapped.

### Added

- One thing, which
  is wrapped.
- Another.

## [1.3.0] - 2026-01-02

### Fixed

- Something old.
"""
OTHER_PYTHON = next(python for python in PYTHONS if python != THIS_PYTHON)


def git(repository, *arguments):
    """Run git, or end the test."""
    command = ["git", "-c", "user.name=Releaser", "-c", "user.email=releaser@example.com", *arguments]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def commit(repository, **files):
    """Write files, their names' dots as underlines, and commit them."""
    for name, text in files.items():
        (repository / name.replace("_", ".")).write_text(text)
    git(repository, "commit", "--quiet", "--all", "--message", "A change")


class Released:
    """A repository and what the command says in it."""

    def __init__(self, root, tmp_path):
        self.root = root
        self.temporary = tmp_path / "temporary"
        self.temporary.mkdir()
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYENV"))},
            "HOME": str(tmp_path),
            "TMPDIR": str(self.temporary),
            "TESTED": str(tmp_path / "tested"),
            "REPOSITORY": str(root),
            "UV_CACHE_DIR": cache(),
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        git(root, "config", "user.name", "Releaser")
        git(root, "config", "user.email", "releaser@example.com")

    def run(self, *arguments, flags=(), **environ):
        """Run the command; return its exit code, output and errors."""
        done = subprocess.run(
            [sys.executable, *flags, "-m", "release", *arguments],
            cwd=self.root,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def state(self):
        """Return what a release that isn't made leaves alone: the branch, the tags, the tree, the artefacts."""
        return (
            git(self.root, "rev-parse", "HEAD"),
            git(self.root, "branch", "--show-current"),
            git(self.root, "tag"),
            git(self.root, "status", "--porcelain"),
            [path.name for path in (self.root / "dist").glob("*.0")],
        )


def cache():
    """Return uv's cache, which stays where it is when HOME doesn't."""
    from uv import find_uv_bin

    return subprocess.run(
        [find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True
    ).stdout.strip()


def new_repository(root, names):
    """Make a repository of files of this project as they are in the working tree; its tests take no time."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "Makefile").write_text(TESTS)
    (root / VERSION_LINE).write_text('"""The version."""\n\n__version__ = "1.3.0"\n')
    (root / "CHANGELOG.md").write_text(CHANGELOG)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "The project")
    git(root, "tag", "v1.3.0")


@pytest.fixture
def whole(tmp_path):
    """The project, with a layer for this Python alone: it takes a fourth of the time."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tracked.returncode:
        pytest.skip("this isn't a repository")
    names = [name for name in tracked.stdout.split("\0") if (ROOT / name).is_file()]
    new_repository(tmp_path / "project", names)
    for_python(tmp_path / "project", THIS_PYTHON)
    return Released(tmp_path / "project", tmp_path)


@pytest.fixture
def quick(tmp_path):
    """What the command needs of it, with artefacts that take no time."""
    root = tmp_path / "project"
    new_repository(
        root, [str(VERSION_LINE), *(f"release/{path.name}" for path in (ROOT / "release").glob("*.py"))]
    )
    (root / "release/artefacts.py").write_text(ARTEFACTS)
    (root / ".gitignore").write_text("__pycache__/\n/dist/\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--all", "--message", "Quick artefacts")
    return Released(root, tmp_path)


def for_python(root, python):
    """Have a layer for one Python."""
    text = (root / TARGETS).read_text()
    (root / TARGETS).write_text(re.sub(r"^PYTHONS.*", f'PYTHONS = ("{python}",)', text, flags=re.MULTILINE))
    git(root, "commit", "--quiet", "--all", "--message", "One Python")


def contents(folder):
    """Return the bytes of each file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_a_release_is_whole_and_the_same_when_it_is_built_again(whole):
    """Changelog, version, commit and tag; wheel, sdist, layer, bills of materials, checksums and notes, from that commit."""
    before = git(whole.root, "rev-parse", "HEAD")
    code, out, err = whole.run("cut", "1.4.0")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "publish it with: git push --atomic origin main v1.4.0"

    head = git(whole.root, "rev-parse", "HEAD")
    assert git(whole.root, "log", "--format=%s", f"{before}..HEAD") == "Version 1.4.0"
    assert git(whole.root, "rev-parse", "v1.4.0^{commit}") == head
    assert git(whole.root, "cat-file", "-t", "v1.4.0") == "tag"
    assert git(whole.root, "status", "--porcelain") == ""
    assert git(whole.root, "worktree", "list").count("\n") == 0
    assert list(whole.temporary.iterdir()) == []
    assert Path(whole.environ["TESTED"]).read_text().strip() == head
    assert git(whole.root, "diff", "--name-only", before, "HEAD").split() == [
        "CHANGELOG.md",
        str(VERSION_LINE),
    ]
    assert (whole.root / VERSION_LINE).read_text().endswith('\n__version__ = "1.4.0"\n')
    today = datetime.now(UTC).date().isoformat()
    assert (
        (whole.root / "CHANGELOG.md")
        .read_text()
        .startswith(
            f"# Changelog\n\n## [Unreleased]\n\n## [1.4.0] - {today}\n\nA summary,\nwrapped.\n\n### Added\n"
        )
    )

    first = contents(whole.root / "dist/1.4.0")
    assert_complete(first)
    shutil.rmtree(whole.root / "dist")
    git(whole.root, "switch", "--quiet", "--detach", before)
    umask = os.umask(0o077)
    try:
        code, _, err = whole.run("build", "v1.4.0", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    finally:
        os.umask(umask)
    assert (code, err) == (0, "")
    again = contents(whole.root / "dist/1.4.0")
    assert {name for name in first if first[name] != again.get(name)} == set()


def assert_complete(files):
    """What a release has: each file of the version, and what it says of itself is true."""
    assert set(files) == {
        "aws_lambda_guard-1.4.0-py3-none-any.whl", "aws_lambda_guard-1.4.0.tar.gz", "aws_lambda_guard-1.4.0.cdx.json",
        "lambda-guard-layer-1.4.0.zip", "lambda-guard-layer-1.4.0.cdx.json", "SHA256SUMS", "release-notes.md",
    }  # fmt: skip
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name not in ("SHA256SUMS", "release-notes.md")
    }
    assert files["release-notes.md"].decode() == (
        "A summary, wrapped.\n\n### Added\n\n- One thing, which is wrapped.\n- Another.\n"
    )
    assert_distributions(files)
    shared = {"aws-lambda-powertools", "aws-xray-sdk", "jmespath", "typing-extensions", "wrapt"}
    of_the_runtime = {"botocore", "python-dateutil", "six", "urllib3"}
    assert_materials(files["aws_lambda_guard-1.4.0.cdx.json"], shared | of_the_runtime)
    assert_materials(files["lambda-guard-layer-1.4.0.cdx.json"], shared)


def assert_distributions(files):
    """The sdist is everything that is tracked; the wheel is the package; its page on the index leads nowhere else."""
    with tarfile.open(fileobj=io.BytesIO(files["aws_lambda_guard-1.4.0.tar.gz"])) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    assert {"PKG-INFO", "LICENSE", "Makefile", "requirements/dev.txt", ".github/workflows/ci.yml"} <= names
    assert names >= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/release/*.py")}
    assert not [
        name for name in names if name.startswith((".venv", "dist/", "build/")) or "__pycache__" in name
    ]
    with zipfile.ZipFile(io.BytesIO(files["aws_lambda_guard-1.4.0-py3-none-any.whl"])) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read("aws_lambda_guard-1.4.0.dist-info/METADATA").decode()
    assert {name.partition("/")[0] for name in names} == {
        "lambda_guard", "lambda_guard_handler.py", "aws_lambda_guard-1.4.0.dist-info",
    }  # fmt: skip
    assert names >= {
        "lambda_guard/py.typed", "lambda_guard/_version.py", "lambda_guard/tools/layer/lambda-guard",
        "lambda_guard/tools/layer/requirements.txt", "aws_lambda_guard-1.4.0.dist-info/licenses/LICENSE",
    }  # fmt: skip
    head, _, description = metadata.partition("\n\n")
    assert "\nName: aws-lambda-guard\nVersion: 1.4.0\n" in head
    assert description.startswith("# lambda_guard\n")
    assert "pip install aws-lambda-guard" in description
    assert re.findall(r"\]\(([^)]*)\)", description) == ["https://github.com/Skyscanner/LambdaGuard"]
    assert ":\n\n\n" not in description


def assert_materials(document, names):
    """The components are those that are brought along, each with a version, a licence and an address."""
    found = json.loads(document)
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    root = found["metadata"]["component"]
    assert (root["name"], root["version"], root["type"]) == ("aws-lambda-guard", "1.4.0", "library")
    assert {component["purl"].partition("@")[0] for component in found["components"]} == {
        f"pkg:pypi/{name}" for name in names
    }
    assert all(component["licenses"] and component["version"] for component in found["components"])
    depends_on = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in found["dependencies"]}
    assert {name.partition("==")[0] for name in depends_on[root["bom-ref"]]} == {
        "aws-xray-sdk", "aws_lambda_powertools", "wrapt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tests", "ended", "said"),
    [
        (FAILING, 1, "no release: make test-all PYTHON="),
        (MEANWHILE, 1, "no release: the branch has moved meanwhile, run it again ("),
        (KILLED, -9, ""),
    ],
    ids=["tests fail", "somebody commits", "killed"],
)
def test_a_failure_leaves_everything_as_it_was(quick, tests, ended, said):
    """Whatever ends it late: no commit, no tag, no artefacts under their name; the next run begins anew."""
    commit(quick.root, Makefile=tests)
    before = quick.state()
    code, _, err = quick.run("cut", "1.4.0")
    assert code == ended
    assert said in err
    if tests == MEANWHILE:
        assert git(quick.root, "log", "-1", "--format=%s") == "Something else"
        git(quick.root, "reset", "--quiet", "--hard", "HEAD^")
    assert quick.state() == before
    if tests != KILLED:
        assert list((quick.root / "dist").iterdir()) == []
        assert list(quick.temporary.iterdir()) == []
        assert git(quick.root, "worktree", "list").count("\n") == 0

    commit(quick.root, Makefile=TESTS)
    code, _, err = quick.run("cut", "1.4.0")
    assert (code, err) == (0, "")
    assert contents(quick.root / "dist/1.4.0") == {"artefact": b"1.4.0"}


def test_an_edit_meanwhile_is_no_part_of_it(quick):
    """A release is of the commit that it began with; what is being written beside it stays as it is."""
    commit(quick.root, Makefile='test-all:\n\t@echo "# more" >> "$$REPOSITORY/Makefile"\n')
    code, _, err = quick.run("cut", "1.4.0")
    assert (code, err) == (0, "")
    assert git(quick.root, "status", "--porcelain") == "M Makefile"
    assert git(quick.root, "diff", "--name-only", "HEAD^", "HEAD").split() == [
        "CHANGELOG.md",
        str(VERSION_LINE),
    ]


def test_what_ci_has_tested_is_not_tested_again(quick):
    """`--tested` is for that."""
    code, _, _ = quick.run("cut", "1.4.0", "--tested")
    assert code == 0
    assert not Path(quick.environ["TESTED"]).exists()


def test_what_cannot_be_written_is_named(quick):
    """A full disk, or something in the way: a sentence, and nothing has changed."""
    before = quick.state()
    (quick.root / "dist").mkdir()
    (quick.root / "dist/1.4.0.unfinished").touch()
    code, _, err = quick.run("cut", "1.4.0")
    assert (code, err) == (1, f"no release: {quick.root}/dist/1.4.0.unfinished: File exists\n")
    assert quick.state() == before


@pytest.mark.slow
def test_artefacts_that_cannot_be_built_are_no_release(whole):
    """The reason is the builder's own."""
    git(whole.root, "rm", "--quiet", "README.md")
    git(whole.root, "commit", "--quiet", "--message", "No README")
    before = whole.state()
    code, _, err = whole.run("cut", "1.4.0")
    assert code == 1
    assert "README.md" in err
    assert whole.state() == before


@pytest.mark.slow
def test_a_layer_without_byte_code_is_refused_where_it_is_published(whole):
    """On one's own machine a line says so; the workflow asks for all Pythons."""
    for_python(whole.root, OTHER_PYTHON)
    git(whole.root, "tag", "--force", "v1.3.0")
    programs = whole.temporary.parent / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git"))
    code, out, err = whole.run("build", "v1.3.0", "--all-pythons", PATH=str(programs))
    assert (code, out) == (1, "wheel and sdist built\n")
    assert err == (
        f"no release: the layer would lack the byte code of Python {OTHER_PYTHON}: install Python {OTHER_PYTHON}\n"
    )


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("v1.4.0", "there is no tag v1.4.0: git fetch --tags, or make release VERSION=1.4.0"),
        ("v9.0.0", "v9.0.0 is on a commit whose version is 1.3.0: make release moves both"),
    ],
)
def test_artefacts_are_those_of_a_release(quick, tag, said):
    """A tag that isn't there, or was set by hand, has none."""
    git(quick.root, "tag", "v9.0.0")
    code, _, err = quick.run("build", tag)
    assert (code, err) == (1, f"no release: {said}\n")


def on_a_branch(root):
    git(root, "switch", "--quiet", "--create", "feature")


def on_no_branch(root):
    git(root, "switch", "--quiet", "--detach", "HEAD")


def with_changes(root):
    for number in range(7):
        (root / f"new-{number}").touch()


def behind(root):
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Somebody's")
    git(root, "branch", "--force", "upstream", "HEAD")
    git(root, "reset", "--quiet", "--hard", "HEAD^")


def with_nothing_new(root):
    text = (root / "CHANGELOG.md").read_text()
    commit(
        root,
        CHANGELOG_md=text.replace("A summary,\nwrapped.\n", "").replace(
            "- One thing, which\n  is wrapped.\n- Another.\n", ""
        ),
    )


def with_a_higher_tag(root):
    git(root, "tag", "v1.10.0")


def with_the_tag(root):
    git(root, "tag", "v1.4.0")


NOT_COMMITTED = (
    "there are changes that aren't committed: commit or stash new-0, new-1, new-2, new-3, new-4 and 2 more"
)


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (on_a_branch, ["a release is made on main, not on feature: git switch main"]),
        (on_no_branch, ["a release is made on main, not on a detached HEAD: git switch main"]),
        (with_changes, [NOT_COMMITTED]),
        (behind, ["main is behind its upstream by 1: git pull"]),
        (with_nothing_new, ["the section [Unreleased] of CHANGELOG.md is empty: say what is new for users"]),
        (with_a_higher_tag, ["1.4.0 isn't higher than 1.10.0, which there is already: choose a higher version"]),
        (with_the_tag, ["the tag v1.4.0 exists: choose a higher version, or, if it was never pushed: git tag -d v1.4.0"]),
        (
            lambda root: (on_a_branch(root), with_nothing_new(root), with_changes(root)),
            [
                "a release is made on main, not on feature: git switch main",
                NOT_COMMITTED,
                "the section [Unreleased] of CHANGELOG.md is empty: say what is new for users",
            ],
        ),
    ],
)  # fmt: skip
def test_a_tree_that_is_not_ready_is_refused(quick, change, reasons):
    """All reasons are said at once, and nothing is touched."""
    git(quick.root, "branch", "--quiet", "upstream")
    git(quick.root, "branch", "--quiet", "--set-upstream-to", "upstream")
    change(quick.root)
    before = quick.state()
    code, out, err = quick.run("cut", "1.4.0")
    assert (code, out, err) == (1, "", "".join(f"no release: {reason}\n" for reason in reasons))
    assert quick.state() == before


@pytest.mark.parametrize(
    "version", ["", "1.4", "v1.4.0", "1.4.0rc1", "1.4.0-rc.1", "1.04.0", "1.4.0.0", "1.4.0\n", "1.\u0664.0"]
)
def test_what_is_no_version_is_refused(quick, version):
    """PEP 440 and SemVer must both take it."""
    code, _, err = quick.run("cut", version)
    assert (code, err) == (
        1, f"no release: invalid version {version!r}: use three numbers, such as 1.4.0 (PEP 440 and SemVer both take that)\n",
    )  # fmt: skip


@pytest.mark.parametrize("version", ["1.3.0", "1.2.9", "0.9.9"])
def test_versions_only_rise(quick, version):
    """That of the code is one that there was, whether it has a tag or not."""
    git(quick.root, "tag", "--delete", "v1.3.0")
    code, _, err = quick.run("cut", version)
    assert (code, err) == (
        1, f"no release: {version} isn't higher than 1.3.0, which there is already: choose a higher version\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("without", "reasons"),
    [
        ("make", ["make isn't installed"]),
        ("git", ["git isn't installed"]),
        ("packages", ["uv isn't installed: make install", "cyclonedx_py isn't installed: make install"]),
        ("name", ["git doesn't know who you are: git config user.name …; git config user.email …"]),
    ],
)
def test_missing_tools_are_named(quick, without, reasons):
    """With what to do about them."""
    programs = quick.temporary.parent / "bin"
    programs.mkdir()
    for name in {"git", "make"} - {without}:
        (programs / name).symlink_to(shutil.which(name))
    if without == "name":
        git(quick.root, "config", "user.useConfigOnly", "true")
        git(quick.root, "config", "--unset", "user.email")
    code, _, err = quick.run(
        "cut", "1.4.0", flags=["-S"] if without == "packages" else [], PATH=str(programs)
    )
    assert (code, err) == (1, "".join(f"no release: {reason}\n" for reason in reasons))


def test_a_folder_without_history_is_no_repository(quick, tmp_path):
    """An sdist that was unpacked, say."""
    shutil.rmtree(quick.root / ".git")
    code, _, err = quick.run("cut", "1.4.0", GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert (code, err) == (1, "no release: this isn't a git repository: clone it\n")
