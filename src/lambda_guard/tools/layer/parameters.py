"""The parameters that name a layer's version in a Region, for templates to refer to.

They only move forward: a run with an older zip, of a pipeline that is started again, say, leaves what is newer, unless
that was deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.layer.places import Place
from lambda_guard.tools.layer.versions import Version

_RESERVED: Final = ("aws", "ssm")
"""https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"""
_TRIES: Final = 5
_READ_MOST: Final = (
    10  # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
)


def names(layer: str, version: str) -> tuple[str, str]:
    """Return the parameters' names: for a version of lambda_guard, and for the layer's latest."""
    return f"/{layer}/layer/{version.replace('+', '-').replace('!', '-')}", f"/{layer}/layer/latest"


def reserved(layer: str) -> bool:
    """Check whether Systems Manager keeps names that begin like this to itself."""
    return layer.lower().startswith(_RESERVED)


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    text: str
    revision: int


class Parameters:
    """The parameters in a place.

    Args:
        exists: tells whether the layer has a version of this number.
        note: is told of what is left as it is although it is something else.
    """

    def __init__(self, place: Place, exists: Callable[[int], bool], note: Callable[[str], object]) -> None:
        self._place = place
        self._exists = exists
        self._note = note
        self._ssm = place.clients()("ssm")

    def behind(self, names: tuple[str, ...], version: Version) -> dict[str, int]:
        """Return the parameters that are to be written, each with its revision; 0 where it isn't there.

        Raises:
            CloudError: AWS can't be asked, or refuses; or one of them names something else than this layer.
        """
        values = {value.name: value for value in self._read(names)}
        return {
            name: values[name].revision if name in values else 0
            for name in names
            if self._is_behind(name, values.get(name), version)
        }

    def _is_behind(self, name: str, value: _Value | None, version: Version) -> bool:
        if value is None:
            return True
        layer_arn, _, number = value.text.rpartition(":")
        if layer_arn != version.layer_arn or not number.isdecimal():
            raise CloudError(
                f"the parameter {name} holds {value.text!r}, which isn't a version of this layer: it is left as it is. "
                "Delete it, or publish with --no-parameters or under another --name"
            )
        if int(number) <= version.number or not self._exists(int(number)):
            return int(number) != version.number
        self._note(
            f"{name} stays at version {number}, which is newer; to go back: aws ssm put-parameter --overwrite "
            f"--region {self._place.region} --name {name} --value {version.arn}"
        )
        return False

    def write(self, name: str, version: Version, revision: int) -> None:
        """Write a parameter.

        Args:
            name: the parameter's.
            version: what it is to name.
            revision: which it had when it was read; if somebody else wrote it since, theirs stays where it is newer.

        Raises:
            CloudError: AWS can't be asked, or refuses.
        """
        value = version.arn
        for _ in range(_TRIES):
            written = self._put(name, value, new=not revision)
            if written is None:  # it wasn't there, and now it is
                again = self.behind((name,), version)
                if not again:
                    return
                revision = again[name]
                continue
            newer = self._overwritten(name, range(revision + 1, written), version)
            if not newer:
                return
            value, revision = newer, written
        raise CloudError(f"the parameter {name} is written by others all the time: run the command again")

    def _overwritten(self, name: str, revisions: range, version: Version) -> str:
        """Return the newest version that somebody wrote in between; empty if none is newer than ours."""
        if not revisions:
            return ""
        values = self._read(tuple(f"{name}:{revision}" for revision in revisions[-_READ_MOST:]))
        newest = max((value.text for value in values), key=_number, default="")
        return newest if _number(newest) > version.number else ""

    def _read(self, names: tuple[str, ...]) -> list[_Value]:
        with self._place.asked(f"read the parameter {names[0]}"):
            found = self._ssm.get_parameters(Names=list(names))["Parameters"]
            return [_Value(one["Name"], one["Value"], one["Version"]) for one in found]

    def _put(self, name: str, value: str, *, new: bool) -> int | None:
        """Write it; returns the revision, None where it was to be new and isn't."""
        with self._place.asked(f"write the parameter {name}"):
            try:
                answer = self._ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=not new)
            except self._ssm.exceptions.ParameterAlreadyExists:
                return None
            return int(answer["Version"])


def _number(arn: str) -> int:
    number = arn.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0
