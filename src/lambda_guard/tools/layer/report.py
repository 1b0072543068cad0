"""What became of a layer in each place: as text, as JSON, and as what templates take. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from lambda_guard._printable import visible
from lambda_guard.tools.layer.publishing import Published, Wish
from lambda_guard.tools.terminal import Palette

_DONE: Final = {"publish": "published ", "share": "shared ", "write": "wrote "}


def lines(outcomes: Sequence[Published], palette: Palette, *, dry_run: bool) -> Iterator[str]:
    """Draw it, a row for each place and what there is to say of it below."""
    width = max((len(visible(one.where)) for one in outcomes), default=0)
    for one in outcomes:
        mark = palette.paint("bold_red", "✗") if one.problem else palette.paint("green", "✓")
        arn = one.version.arn if one.version else "-"
        row = f"{mark} {visible(one.where):<{width}}  {visible(arn)}  {visible(steps(one, dry_run=dry_run))}"
        yield row.rstrip()
        for note in one.notes:
            yield f"    {visible(note)}"
        if one.problem:
            yield f"    {palette.paint('red', visible(one.problem))}"


def steps(one: Published, *, dry_run: bool) -> str:
    """Return in words what was done in a place, or would be."""
    if not one.steps:
        return "" if one.problem else "nothing to do"
    if dry_run:
        return f"would {', '.join(one.steps)}"
    return ", ".join(_DONE[verb] + rest for verb, rest in (step.split(maxsplit=1) for step in one.steps))


def document(outcomes: Sequence[Published], wish: Wish) -> dict[str, Any]:
    """Return it as JSON takes it."""
    return {
        "layer": wish.name,
        "version": wish.release.version,
        "code_sha256": wish.release.code_sha256,
        "dry_run": wish.dry_run,
        "places": [
            {
                "where": one.where,
                "account": one.account or None,
                "region": one.region or None,
                "arn": one.version.arn if one.version else None,
                "layer_version": one.version.number if one.version else None,
                "steps": one.steps,
                "notes": one.notes,
                "error": one.problem or None,
            }
            for one in outcomes
        ],
    }


def cloudformation(outcomes: Sequence[Published], name: str) -> str:
    """Return a mapping for a template: Region → `Arn`, or → account id where there are several accounts.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/mappings-section-structure.html
    """
    arns = _whole(outcomes)
    found = ["Mappings:", f"  {''.join(word.title() for word in re.split('[-_]+', name))}Layer:"]
    for region in sorted({region for region, _ in arns}):
        found.append(f"    {region}:")
        found += [
            f"      {json.dumps(account) if _several(outcomes) else 'Arn'}: {arn}"
            for (there, account), arn in sorted(arns.items())
            if there == region
        ]
    return "\n".join(found) if arns else "Mappings: {}"


def terraform(outcomes: Sequence[Published], name: str) -> str:
    """Return locals for Terraform: Region → ARN, or account id → Region → ARN where there are several accounts.

    https://developer.hashicorp.com/terraform/language/values/locals
    """
    arns = _whole(outcomes)
    found: dict[str, Any] = {}
    for (region, account), arn in sorted(arns.items(), key=lambda item: item[0][::-1]):
        found.setdefault(account, {})[region] = arn
    value = found if _several(outcomes) else next(iter(found.values()), {})
    return f"locals {{\n  {_identifier(name)} = {_hcl(value, '  ')}\n}}"


def _whole(outcomes: Sequence[Published]) -> dict[tuple[str, str], str]:
    """Return the ARNs of those places where all is done, by Region and account."""
    return {(one.region, one.account): one.version.arn for one in outcomes if one.version and not one.problem}


def _several(outcomes: Sequence[Published]) -> bool:
    """Check whether there are several accounts, also where one wasn't reached: the form mustn't depend on that."""
    return len({one.account for one in outcomes}) > 1


def _identifier(name: str) -> str:
    identifier = f"{name.replace('-', '_')}_layer_arns"
    return f"_{identifier}" if identifier[0].isdigit() else identifier


def _hcl(value: Any, indent: str) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    within = "".join(
        f"{indent}  {json.dumps(key)} = {_hcl(one, indent + '  ')}\n" for key, one in value.items()
    )
    return f"{{\n{within}{indent}}}" if within else "{}"
