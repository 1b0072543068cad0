"""Prints the functions whose package a branch changes, as JSON: what its pull request has to build.

    python pipeline/changed.py origin/main

A file in a function's folder (its `CodeUri`) belongs to that function. What never becomes part of a package, such as
tests and this folder, belongs to none. Anything else (the template, the lock, shared code, a file that nobody thought
of here) belongs to all of them, and so does everything where the commit to compare with isn't known. Needs PyYAML and
git.
"""

import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import yaml

APP = Path(__file__).resolve().parent.parent
# Without the search for renames, which names where a file went and not the folder that it left.
DIFF = ("--name-only", "--no-renames", "--relative", "-z")
NOT_PACKAGED = {".circleci", ".github", ".gitignore", "demo.py", "pipeline", "requirements-dev.txt", "tests"}


class Template(yaml.SafeLoader):
    """Reads past CloudFormation's tags: a folder that is one isn't known."""


Template.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def main(arguments):
    if len(arguments) != 1:
        sys.exit("usage: changed.py BASE, for example changed.py origin/main")
    folders = function_folders((APP / "template.yaml").read_text(encoding="utf-8"))
    paths = changed_paths(arguments[0])
    print(json.dumps(sorted(folders if paths is None else affected(folders, paths))))


def function_folders(template):
    """Return the folder of each function; None for one whose code is anywhere else, or isn't known."""
    document = yaml.load(template, Template)  # noqa: S506 - a SafeLoader
    usual = ((document.get("Globals") or {}).get("Function") or {}).get("CodeUri")
    return {
        name: (resource.get("Properties") or {}).get("CodeUri", usual)
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def changed_paths(base):
    """Return the paths that differ from where the branch left `base`; None if that isn't known."""
    try:
        fork = git("merge-base", base, "HEAD").strip()
        return [PurePosixPath(path) for path in git("diff", *DIFF, fork, "HEAD").split("\0") if path]
    except subprocess.CalledProcessError as error:
        print(f"{error.stderr.strip() or f'{base} is unknown'}: all functions are built", file=sys.stderr)
        return None


def git(*arguments):
    command = ["git", "-C", str(APP), *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def affected(folders, paths):
    found = set()
    for path in paths:
        owners = {name for name, folder in folders.items() if folder and path.is_relative_to(folder)}
        if not owners and (path.parts[0] in NOT_PACKAGED or path.suffix == ".md"):
            continue
        unknown = {name for name, folder in folders.items() if not folder}
        found |= (owners | unknown) if owners else set(folders)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
