"""Builds the documentation as a site: `make docs`.

    python docs/site/build.py [FOLDER]

The pages stay as they are read in the repository: relative links between Markdown files. The start page is
README.md, whose section "Documentation" is the site's navigation, too; a page that it doesn't name stands under
"How to". A file outside of `docs` that a page links to, an example or a test, becomes a page with its source.
A page, a section or a file that is missing ends the build with status 1.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
STAGE = ROOT / "build" / "docs"
FENCE = re.compile(r"(^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ ]*$)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?")
NESTED = re.compile(
    r"^ {2,3}(?=[-*] |\d+\. )", re.MULTILINE
)  # an item in a list: GitHub takes two spaces, Zensical four
HEADING = re.compile(r" *- (?:\*\*(?P<part>[^*]+)\*\*|(?P<task>[^:\[]+)):?")
ENTRY = re.compile(r"\[(?P<title>[^]]+)\]\((?P<path>[^)#]+\.md)\)")
SHIM = "https://unpkg.com/iframe-worker/shim"  # the theme loads it for the search: it is among our assets
NOT_SEARCHED = ("---", "search:", "  exclude: true", "---", "")
LANGUAGES = {suffix: suffix[1:] for suffix in (".json", ".md", ".sh", ".tf", ".toml", ".txt", ".yml")}
LANGUAGES |= {".py": "python", ".yaml": "yaml"}


def main(folder=None):
    """Stage the pages, build them, and say where the site is."""
    target = Path(folder or ROOT / "build" / "site").resolve()
    shutil.rmtree(STAGE, ignore_errors=True)
    site = Site()
    site.stage()
    (STAGE / "zensical.toml").write_text(site.configuration(), encoding="utf-8")
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=STAGE, check=False
    )
    problems = [*site.problems, *(["zensical refuses the pages"] if built.returncode else [])]
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    if problems:
        return 1
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(STAGE / "site", target)
    for page in target.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        own = os.path.relpath(target / "assets" / "iframe-worker.js", page.parent)
        page.write_text(html.replace(SHIM, own), encoding="utf-8")
    print(f"the site: {os.path.relpath(target)}/index.html, {len(site.places)} pages")
    return 0


class Site:
    """The pages of the site: which file of the repository stands where."""

    def __init__(self, root=ROOT, stage=STAGE):
        self.root, self.stage_folder = root, stage
        self.problems = []
        self.places = {"README.md": "index.md"}
        pages = [*sorted(root.glob("docs/*.md")), *sorted(root.glob("*.md"))]
        self.places |= {
            page.relative_to(root).as_posix(): page.name.lower() for page in pages if page.name != "README.md"
        }
        self._to_do = list(self.places)

    def stage(self):
        """Write each page, and then what pages link to, until nothing is left to write."""
        shutil.copytree(self.root / "docs" / "images", self.stage_folder / "docs" / "images")
        shutil.copytree(HERE / "assets", self.stage_folder / "docs" / "assets")
        while self._to_do:
            source = self._to_do.pop()
            text = self._text(source)
            page = self.stage_folder / "docs" / self.places[source]
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, encoding="utf-8")

    def configuration(self):
        """Return the configuration, with the navigation in it."""
        return (HERE / "zensical.toml").read_text(encoding="utf-8").replace("@NAV@", inline(self.nav()))

    def nav(self):
        """Return README's list of pages, part by part; what it doesn't name stands in the part "How to"."""
        part, nav = "Start", {"Start": [{"lambda_guard": "index.md"}]}
        for line in documentation(self.root):
            if heading := HEADING.match(line):
                part = heading["part"] or part
                pages = [{entry["title"]: self._place(entry["path"])} for entry in ENTRY.finditer(line)]
                task = heading["task"] and heading["task"][0].upper() + heading["task"][1:]
                nav.setdefault(part, []).extend([{task: pages}] if task else pages)
        named = re.findall(r'"([^"]+\.md)"', inline(nav))
        more = sorted({place for place in self.places.values() if "/" not in place} - set(named))
        for page in more:
            print(f"docs: README's section Documentation doesn't name {page}: it stands under More")
        if more:
            nav.setdefault("How to", []).append({"More": [self._title(page) for page in more]})
        return [{part: pages} for part, pages in nav.items()]

    def _title(self, place):
        first = (self.stage_folder / "docs" / place).read_text(encoding="utf-8").partition("\n")[0]
        return {first.removeprefix("# "): place}

    def _text(self, source):
        path = self.root / source
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if shown(one))
            links = [f"- [{one.name}]({self._link(source, f'{path.name}/{one.name}')})" for one in files]
            return "\n".join([*NOT_SEARCHED, f"# {source}", "", *links, ""])
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            return self._rewritten(source, text)
        fence = [f"``````{LANGUAGES.get(path.suffix, 'text')}", text.rstrip(), "``````", ""]
        return "\n".join([*NOT_SEARCHED, f"# {source}", "", *fence])

    def _rewritten(self, source, text):
        parts = []
        end = 0
        for fence in FENCE.finditer(text):
            parts += [self._prose(source, text[end : fence.start()]), fence[0]]
            end = fence.end()
        return "".join([*parts, self._prose(source, text[end:])])

    def _prose(self, source, text):
        hidden = []

        def hide(code):
            hidden.append(code[0])
            return f"\0{len(hidden) - 1}\0"

        text = NESTED.sub("    ", CODE.sub(hide, text))
        text = LINK.sub(lambda link: self._link(source, link["path"]) + (link["anchor"] or ""), text)
        return re.sub("\0(\\d+)\0", lambda number: hidden[int(number[1])], text)

    def _link(self, source, path):
        """Return the link from one page to another file of the repository, which becomes a page if it isn't one."""
        file = (self.root / source).parent.joinpath(unquote(path)).resolve()
        target = Path(os.path.relpath(file, self.root)).as_posix()
        if not file.exists():
            self.problems.append(f"{source} links to {path}, which doesn't exist")
            return path
        place = target.removeprefix("docs/") if target.startswith("docs/images/") else self._place(target)
        return Path(os.path.relpath(place, Path(self.places[source]).parent)).as_posix()

    def _place(self, target):
        if target not in self.places:
            self.places[target] = f"source/{target}.md"
            self._to_do.append(target)
        return self.places[target]


def shown(path):
    """Tell whether a folder's page lists this: what people have written, and folders of it."""
    if path.is_dir():
        return not path.name.startswith((".", "_")) and any(map(shown, path.iterdir()))
    return path.suffix in LANGUAGES or path.name.endswith("Dockerfile")


def documentation(root):
    """Return the lines of README's section "Documentation", each item of its list in one."""
    text = (root / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Documentation\n")[2].partition("\n## ")[0]
    return re.sub(r"\n +(?!- |\s)", " ", section).splitlines()


def inline(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
