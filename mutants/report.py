"""What became of the mutants: the share that tests noticed, and of each survivor why it may live."""

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .mutate import Mutant
from .scope import PACKAGE

EXPLAINED = Path(__file__).parent / "survivors.toml"


def report(mutants: Sequence[Mutant], verdicts: Mapping[str, str]) -> str:
    """Return the report, as Markdown.

    Args:
        mutants: the sample.
        verdicts: by the id of a mutant, what killed it; empty for a survivor.
    """
    tried = [mutant for mutant in mutants if mutant.id in verdicts]
    survivors = [mutant for mutant in tried if not verdicts[mutant.id]]
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    lines = [f"# {_share(len(tried) - len(survivors), len(tried))} of the mutants were noticed", ""]
    if len(tried) < len(mutants):
        lines += [f"{len(mutants) - len(tried)} more of the sample aren't tried yet.", ""]
    lines += ["| module | noticed |", "| --- | --- |", *_by_module(tried, verdicts), ""]
    lines += [f"## {len(survivors)} survivors", ""]
    for mutant in sorted(survivors, key=lambda each: (each.path, each.line)):
        lines += _survivor(mutant, explained.get(mutant.id))
    gone = explained.keys() - {mutant.id for mutant in survivors}
    lines += [f"`survivors.toml` explains {name}, which doesn't survive here." for name in sorted(gone)]
    return "\n".join(lines)


def _share(killed: int, of: int) -> str:
    return f"{killed} of {of} ({100 * killed / of if of else 0:.1f} %)"


def _by_module(tried: Sequence[Mutant], verdicts: Mapping[str, str]) -> list[str]:
    every = Counter(mutant.path for mutant in tried)
    killed = Counter(mutant.path for mutant in tried if verdicts[mutant.id])
    return [
        f"| {Path(path).relative_to(PACKAGE)} | {_share(killed[path], every[path])} |"
        for path in sorted(every)
    ]


def _survivor(mutant: Mutant, why: Mapping[str, Any] | None) -> list[str]:
    sentence = why["why"] if why else "**Not explained yet.**"
    return [
        f"### {mutant.path}:{mutant.line} `{mutant.function}` ({mutant.id})",
        "",
        sentence,
        "",
        "```diff",
        mutant.diff,
        "```",
        "",
    ]
