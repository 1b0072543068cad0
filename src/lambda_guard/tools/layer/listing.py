"""What of a layer is where: its versions, the functions that use them, and which are behind."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard._printable import visible
from lambda_guard.tools.layer.places import Place
from lambda_guard.tools.layer.versions import Version, Versions
from lambda_guard.tools.terminal import Palette

_LATEST: Final = "$LATEST"
_MARK: Final = ", CodeSha256 "
_VERSION_ARN: Final = re.compile(r"arn:[^:]+:lambda:([^:]+):(\d+):layer:([^:]+):(\d+)")


@dataclass(frozen=True, slots=True)
class Use:
    """A function that uses a version of the layer.

    Attributes:
        function: its name.
        qualifier: which version of the function, such as `$LATEST`.
        arn: of the version of the layer; it may be another account's.
        owner: the account and the Region that the layer is in.
        number: the layer's version.
    """

    function: str
    qualifier: str
    arn: str
    owner: tuple[str, str]
    number: int

    @property
    def name(self) -> str:
        """The function with its version, where that isn't `$LATEST`."""
        return self.function if self.qualifier == _LATEST else f"{self.function}:{self.qualifier}"


@dataclass(slots=True)
class Listed:
    """What there is in a place.

    Attributes:
        where: the place, or the source that led to none.
        versions: the oldest first.
        problem: why it couldn't be listed; empty if it was.
    """

    where: str
    account: str = ""
    region: str = ""
    versions: list[Version] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    problem: str = ""


def look(place: Place, name: str, *, all_versions: bool) -> Listed:
    """List a place.

    Args:
        place: where.
        name: the layer's.
        all_versions: whether published versions of functions count, which aliases may lead to.

    Raises:
        CloudError: AWS can't be asked, or refuses.
    """
    client = place.clients()("lambda")
    listed = Listed(str(place), place.account, place.region)
    listed.versions = Versions(place, client, name, lambda _number: None).listed()
    with place.asked("list the functions"):
        options = {"FunctionVersion": "ALL"} if all_versions else {}
        for page in client.get_paginator("list_functions").paginate(**options):
            listed.uses += (use for function in page["Functions"] for use in _uses(function, name))
    listed.uses.sort(key=lambda use: (use.function, use.qualifier))
    return listed


def _uses(function: Any, name: str) -> Iterator[Use]:
    for layer in function.get("Layers", ()):
        arn = _VERSION_ARN.fullmatch(layer["Arn"])
        if arn is not None and arn[3] == name:
            qualifier, owner = function.get("Version", _LATEST), (arn[2], arn[1])
            yield Use(function["FunctionName"], qualifier, arn[0], owner, int(arn[4]))


class Report:
    """What was found in all places; what is the latest version of a layer is known where its own account was listed."""

    def __init__(self, name: str, places: Sequence[Listed]) -> None:
        self.name = name
        self.places = places
        self._known = {
            (one.account, one.region): [version.number for version in one.versions]
            for one in places
            if not one.problem
        }

    def behind(self, use: Use) -> bool | None:
        """Check whether there is a newer version than a function uses; None where that isn't known."""
        known = self._known.get(use.owner)
        return None if known is None else use.number < max(known, default=0)

    def lines(self, palette: Palette) -> Iterator[str]:
        """Draw it."""
        for one in self.places:
            yield palette.paint("bold", visible(one.where))
            if one.problem:
                yield f"  {palette.paint('red', visible(one.problem))}"
            elif not one.versions and not one.uses:
                yield "  nothing"
            yield from self._version_lines(one, palette)
            width = max((len(visible(use.name)) for use in one.uses), default=0)
            for use in one.uses:
                yield f"  {visible(use.name):<{width}}  {self._use(use, one, palette)}"
        yield self._summary()

    def _version_lines(self, one: Listed, palette: Palette) -> Iterator[str]:
        """Draw the versions that are used here, and the latest."""
        used = {use.number for use in one.uses if use.owner == (one.account, one.region)}
        shown = [version for version in one.versions if version.number in used or version is one.versions[-1]]
        for version in reversed(shown):
            latest = palette.paint("green", "latest") if version is one.versions[-1] else ""
            said = version.description.partition(_MARK)[0]
            facts = (f"version {version.number}", version.created[:16].replace("T", " "), said)
            yield f"  {'  '.join(map(visible, filter(None, facts)))}  {latest}".rstrip()
        if hidden := len(one.versions) - len(shown):
            yield f"  {hidden} more, which no function here uses"

    def _use(self, use: Use, one: Listed, palette: Palette) -> str:
        whose = "" if use.owner == (one.account, one.region) else f" of account {use.owner[0]}"
        known = self._known.get(use.owner)
        if known is None:
            return f"version {use.number}{whose}; list that account, too, to know its latest"
        gone = "" if use.number in known else ", which was deleted"
        behind = f", behind {known[-1]}" if self.behind(use) else ""
        return f"version {use.number}{whose}{palette.paint('yellow', gone + behind)}"

    def _summary(self) -> str:
        uses = [use for one in self.places for use in one.uses]
        behind = sum(self.behind(use) is True for use in uses)
        return f"{self.name}: used by {len(uses)} of the functions here, {behind} of them behind"

    def document(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"layer": self.name, "places": [self._place_document(one) for one in self.places]}

    def _place_document(self, one: Listed) -> dict[str, Any]:
        return {
            "where": one.where,
            "account": one.account or None,
            "region": one.region or None,
            "latest": one.versions[-1].number if one.versions else None,
            "versions": [
                {
                    "version": version.number,
                    "arn": version.arn,
                    "created": version.created,
                    "description": version.description,
                }
                for version in one.versions
            ],
            "functions": [self._use_document(use) for use in one.uses],
            "error": one.problem or None,
        }

    def _use_document(self, use: Use) -> dict[str, Any]:
        return {
            "function": use.function,
            "version": use.qualifier,
            "layer_arn": use.arn,
            "layer_version": use.number,
            "behind": self.behind(use),
        }
