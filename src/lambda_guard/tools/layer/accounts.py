"""The accounts in which a layer is published or listed: by the credentials in use, by profiles, and by roles."""

import difflib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_guard.tools.aws import CloudError, NotPermittedError, clients_of, explained, new_session
from lambda_guard.tools.layer.errors import LayerOptionError
from lambda_guard.tools.layer.places import AT_ONCE, Place, pool

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
# Regions that came later are off until somebody turns them on, and their STS knows nobody before.
# https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
_ALWAYS_ON: Final = {
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2",
    "ap-northeast-3", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-north-1", "sa-east-1",
}  # fmt: skip
_SETTINGS: Final = {
    "retries": {"mode": "standard", "total_max_attempts": 8},
    "connect_timeout": 10,
    "read_timeout": 60,
}


@dataclass(frozen=True, slots=True)
class Unreached:
    """An account that couldn't be reached.

    Attributes:
        source: by what, such as `profile prod`.
        problem: why not, and what to do.
    """

    source: str
    problem: str


@dataclass(slots=True)
class Accounts:
    """What was found.

    Attributes:
        places: each Region of each account, once.
        unreached: what couldn't be reached.
        notes: what else is worth saying.
    """

    places: list[Place] = field(default_factory=list)
    unreached: list[Unreached] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Source:
    """Credentials, and the role to assume with them, if any."""

    name: str
    session: Any
    role: str
    lock: Any

    def account(self, region: str) -> tuple[str, Any]:
        """Return the account's id and a session with its credentials.

        Args:
            region: whose STS is asked.

        Raises:
            CloudError: there are no credentials, or the role can't be assumed.
        """
        session = self._assumed(region) if self.role else self.session
        with explained(f"use {self.name}"):
            return str(self._sts(session, region).get_caller_identity()["Account"]), session

    def _assumed(self, region: str) -> Any:
        try:
            with explained(f"assume {self.role}"):
                answer = self._sts(self.session, region).assume_role(
                    RoleArn=self.role, RoleSessionName="lambda-guard-layer"
                )
                keys = answer["Credentials"]
                return new_session(
                    region_name=self.session.region_name,
                    aws_access_key_id=keys["AccessKeyId"],
                    aws_secret_access_key=keys["SecretAccessKey"],
                    aws_session_token=keys["SessionToken"],
                )
        except NotPermittedError as error:
            raise NotPermittedError(
                f"{error}; the role's trust policy must allow these credentials, too, and the role must exist"
            ) from error

    def _sts(self, session: Any, region: str) -> Any:
        with self.lock:
            return clients_of(session, region, **_SETTINGS)("sts")


def parse_regions(texts: Sequence[str]) -> tuple[str, ...]:
    """Read names of Regions, each text one or several with commas between.

    Raises:
        LayerOptionError: one isn't the name of a Region.
    """
    names = dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip())
    if texts and not names:
        raise LayerOptionError("an empty --region: write a name like eu-west-1, or leave it out")
    session = new_session(region_name="us-east-1") if names else None
    for name in names:
        _check_region(name, session)
    return tuple(names)


def _check_region(name: str, session: Any) -> None:
    from botocore.exceptions import UnknownRegionError

    try:
        session.get_partition_for_region(name)
    except UnknownRegionError:
        near = difflib.get_close_matches(name.lower(), session.get_available_regions("lambda"), 1)
        advice = f"did you mean {near[0]}?" if near else "write one like eu-west-1"
        raise LayerOptionError(f"unknown Region {name!r}: {advice}") from None


def find(profiles: Sequence[str], roles: Sequence[str], regions: Sequence[str]) -> Accounts:
    """Find accounts, and ask each who it is: one that two profiles lead to counts once.

    Args:
        profiles: names in ~/.aws/config.
        roles: ARNs, to be assumed with the credentials in use, which count by themselves only if nothing else is given.
        regions: names; none for the Region of the credentials or the profile.

    Raises:
        LayerOptionError: a role isn't the ARN of one.
    """
    for role in roles:
        if not _ROLE.fullmatch(role):
            raise LayerOptionError(f"invalid --role {role!r}: write arn:aws:iam::123456789012:role/publisher")
    found = Accounts()
    sources = list(_sources(profiles, roles, found))
    with pool(AT_ONCE) as executor:
        answers = list(executor.map(lambda source: _places(source, regions), sources))
    known: dict[tuple[str, str], str] = {}
    for source, answer in zip(sources, answers, strict=True):
        if isinstance(answer, Unreached):
            found.unreached.append(answer)
            continue
        for place in answer:
            first = known.setdefault((place.account, place.region), source.name)
            if first == source.name:
                found.places.append(place)
            else:
                found.notes.append(f"{source.name} leads to account {place.account}, as {first} does")
    found.notes = list(dict.fromkeys(found.notes))
    return found


def _sources(profiles: Sequence[str], roles: Sequence[str], found: Accounts) -> Iterator[_Source]:
    """Load credentials, one after another: they may ask for a code."""
    for name in dict.fromkeys(profiles):
        yield from _loaded(f"profile {name}", {"profile_name": name}, ("",), found)
    if roles or not profiles:
        yield from _loaded("the credentials in use", {}, tuple(dict.fromkeys(roles)) or ("",), found)


def _loaded(name: str, given: dict[str, Any], roles: Sequence[str], found: Accounts) -> Iterator[_Source]:
    from botocore.exceptions import ProfileNotFound

    try:
        with explained(f"use {name}"):
            session, lock = new_session(**given), threading.Lock()
            if (credentials := session.get_credentials()) is not None:
                credentials.get_frozen_credentials()
    except CloudError as error:
        problem = str(error)
        if isinstance(error.__cause__, ProfileNotFound):
            problem = f"{error.__cause__}: aws configure list-profiles names those that there are"
        found.unreached.append(Unreached(name, problem))
        return
    for role in roles:
        yield _Source(f"role {role}" if role else name, session, role, lock)


def _places(source: _Source, regions: Sequence[str]) -> list[Place] | Unreached:
    wanted = regions or tuple(filter(None, [source.session.region_name]))
    if not wanted:
        return Unreached(source.name, "no Region is set: name one or several with --region eu-west-1")
    try:
        _check_region(wanted[0], source.session)
        account, session = source.account(_sts_region(source.session, wanted))
    except (CloudError, LayerOptionError) as error:
        return Unreached(source.name, str(error))
    lock = source.lock if session is source.session else threading.Lock()
    return [Place(account, region, session, lock) for region in wanted]


def _sts_region(session: Any, wanted: Sequence[str]) -> str:
    """Choose a Region whose STS knows the credentials, whichever of those that are wanted are off."""
    if session.region_name:
        return str(session.region_name)
    elsewhere = "us-east-1" if session.get_partition_for_region(wanted[0]) == "aws" else wanted[0]
    return next((one for one in wanted if one in _ALWAYS_ON), elsewhere)
