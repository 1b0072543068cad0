"""Draws README's pictures and its badges: `make picture`.

    python docs/site/picture.py docs/images

One picture is the map that the demo draws of its shop, as `lambda-guard invocations --map` draws any. The other one is
what `make demo` prints, line by line as a terminal would show it; of two of its commands, with all that they print. The
demo runs for both, so every word and number is of a real run. The second one has CSS: it moves in a README, and stands
still for readers who want less motion. They load nothing, no font either. The badges are facts of pyproject.toml.
"""

import io
import os
import pty
import re
import subprocess
import sys
import termios
import tomllib
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 120
SHOWN = ("$ lambda-guard trace ", "$ lambda-guard dlq list ")
TYPING, DRAWING, READING = (
    0.9,
    0.18,
    1.2,
)  # seconds: a command, a line of output, the pause before the next command
NORMAL = "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"
BRIGHT = "6e7681 ffa198 56d364 e3b341 79c0ff d2a8ff 56d4dd f0f6fc"
COLOURS = [[tuple(bytes.fromhex(colour)) for colour in colours.split()] for colours in (NORMAL, BRIGHT)]
THEME = TerminalTheme((13, 17, 23), (201, 209, 217), *COLOURS)
FORMAT = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>An order over three functions, from its HTTP request to the dead-letter queue</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre
}}
{styles}
@media not (prefers-reduced-motion: reduce) {{
clipPath rect {{ animation: draw linear backwards }}
@keyframes draw {{ from {{ width: 0 }} }}
TIMES
}}
</style>
<defs>{lines}</defs>
<rect fill="#0d1117" width="{width}" height="{height}" rx="8"/>
<g fill="#484f58"><circle cx="24" cy="21" r="6"/><circle cx="46" cy="21" r="6"/><circle cx="68" cy="21" r="6"/></g>
<g transform="translate({terminal_x}, {terminal_y})">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""

BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img">
<title>{name}: {value}</title>
<clipPath id="round"><rect width="{width}" height="20" rx="4"/></clipPath>
<g clip-path="url(#round)">
<rect width="{left}" height="20" fill="#3d444d"/><rect x="{left}" width="{right}" height="20" fill="#1f6feb"/>
</g>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{half}" y="14">{name}</text><text x="{at}" y="14">{value}</text>
</g>
</svg>
"""


def main(folder):
    """Run the demo, and write the pictures."""
    lines = shown(demo())
    for name, svg in {"demo": draw(lines), "map": demo_map(), **badges()}.items():
        (Path(folder) / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"{folder}/demo.svg: {len(lines)} lines")


def demo_map():
    """Return the map that the demo has drawn."""
    return (ROOT / ".demo" / "map.svg").read_text(encoding="utf-8")


def badges():
    """Return the badges, by name: which Pythons, which licence, and that it is typed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    kinds = [kind.rpartition(" :: ")[2] for kind in project["project"]["classifiers"]]
    pythons = [kind for kind in kinds if re.fullmatch(r"3\.\d+", kind)]
    facts = {
        "python": ("python", f"{pythons[0]} to {pythons[-1]}"),
        "license": ("license", project["project"]["license"]),
        "typed": ("typed", "mypy --strict"),
    }
    assert project["tool"]["mypy"]["strict"]
    assert "Typed" in kinds
    return {f"badge-{name}": badge(*fact) for name, fact in facts.items()}


def badge(name, value):
    """Return a badge: a name and a value, 7 pixels a character."""
    left, right = (7 * len(text) + 12 for text in (name, value))
    places = {"left": left, "right": right, "width": left + right, "half": left / 2, "at": left + right / 2}
    return BADGE.format(name=name, value=value, **places)


def demo():
    """Return what the demo prints in a terminal, in colours."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, COLUMNS))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(COLUMNS)}
    command = [sys.executable, "-m", "examples.app.demo"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=its, stderr=subprocess.DEVNULL
    ) as running:
        os.close(its)
        printed = b"".join(iter(lambda: _read(ours), b""))
    if running.returncode:
        raise SystemExit("the demo failed: make demo")
    return [Text.from_ansi(line) for line in printed.decode().replace("\r\n", "\n").split("\n")]


def _read(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:  # EIO: nobody has the other end any more
        return b""


def shown(lines):
    """Return the commands that the picture shows, each with its output."""
    chosen, wanted = [], False
    for line in lines:
        if line.plain.startswith("$ "):
            wanted = line.plain.startswith(SHOWN)
        elif line.plain.endswith("─" * 20):
            wanted = False
        if wanted:
            chosen += line.wrap(Console(width=COLUMNS), COLUMNS)
    return chosen


def draw(lines):
    """Return the picture: each line is uncovered from the left, a command as it is typed."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True
    )
    for line in [*lines, ""]:  # the last one isn't given a clip path
        console.print(line, no_wrap=True)
    svg = console.export_svg(theme=THEME, code_format=FORMAT, unique_id="demo", font_aspect_ratio=0.6)
    return re.sub(r"\s*fill=\"[^\"]*\"(?=[^>]*clip-path)", "", svg).replace("TIMES", times(lines))


def times(lines):
    """Return when each line is drawn, and for how long, as CSS."""
    rules, now = [], 0.0
    for number, line in enumerate(lines):
        command = line.plain.startswith("$ ")
        now += READING if command and number else 0
        took = TYPING if command else DRAWING
        rules.append(
            f"#demo-line-{number} rect {{ animation-duration: {took}s; animation-delay: {now:.2f}s }}"
        )
        now += took + (0.3 if command else 0)
    return "\n".join(rules)


if __name__ == "__main__":
    main(*sys.argv[1:])
