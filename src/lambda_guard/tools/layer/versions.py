"""The versions of a layer in one place: found by their content, and published once.

PublishLayerVersion makes a new version each time that it arrives, so it is never repeated without looking first: a call
that got no answer may have arrived.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard.tools.aws import CloudError, error_code
from lambda_guard.tools.layer.places import Place
from lambda_guard.tools.layer.release import Release

TRIES: Final = 3
_UPLOAD_SECONDS: Final = 300
_MARK: Final = "CodeSha256 "
_BUSY: Final = {"TooManyRequestsException", "ThrottlingException", "Throttling"}
_INVALID: Final = {"InvalidParameterValueException", "ValidationException"}
_SERVERS_FAULT: Final = 500
_HINTS: Final = ("CompatibleRuntimes", "CompatibleArchitectures")
"""What a version is listed for. Regions that don't know a value refuse it: "CompatibleArchitectures are not supported
in af-south-1. Please remove the CompatibleArchitectures value from your request and try again"."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a layer.

    Attributes:
        created: when, as AWS writes it.
    """

    number: int
    arn: str
    description: str
    created: str

    @property
    def layer_arn(self) -> str:
        """The ARN without the number."""
        return self.arn.rpartition(":")[0]


class Versions:
    """The versions of the layer `name` in a place.

    Args:
        client: of Lambda.
        wait: waits before the next try of something, and not at all before the first, number 0.
    """

    def __init__(self, place: Place, client: Any, name: str, wait: Callable[[int], object]) -> None:
        self._place = place
        self._name = name
        self._wait = wait
        self._lambda = client

    def listed(self) -> list[Version]:
        """Return all that there are, the oldest first.

        Raises:
            CloudError: AWS can't be asked, or refuses.
        """
        with self._place.asked(f"list the versions of the layer {self._name}"):
            pages = self._lambda.get_paginator("list_layer_versions").paginate(LayerName=self._name)
            return sorted(
                (
                    Version(
                        one["Version"], one["LayerVersionArn"], one.get("Description", ""), one["CreatedDate"]
                    )
                    for page in pages
                    for one in page["LayerVersions"]
                ),
                key=lambda version: version.number,
            )

    def with_content(self, release: Release) -> Version | None:
        """Return the oldest version that has these bytes, as Lambda itself says; None if there isn't one.

        Raises:
            CloudError: AWS can't be asked, or refuses.
        """
        return next((one for one in self._candidates(release) if self._holds(one, release)), None)

    def _candidates(self, release: Release) -> Iterator[Version]:
        """Yield the versions that say that they hold the release, then those that don't say what they hold."""
        listed = self.listed()
        yield from (one for one in listed if one.description.endswith(_MARK + release.code_sha256))
        yield from (one for one in listed if _MARK not in one.description)

    def _holds(self, version: Version, release: Release) -> bool:
        with self._place.asked(f"read version {version.number} of the layer {self._name}"):
            answer = self._lambda.get_layer_version(LayerName=self._name, VersionNumber=version.number)
            return bool(answer["Content"]["CodeSha256"] == release.code_sha256)

    def exists(self, number: int) -> bool:
        """Check whether there is a version of this number.

        Raises:
            CloudError: AWS can't be asked, or refuses.
        """
        with self._place.asked(f"read version {number} of the layer {self._name}"):
            try:
                self._lambda.get_layer_version(LayerName=self._name, VersionNumber=number)
            except self._lambda.exceptions.ResourceNotFoundException:
                return False
            return True

    def publish(self, release: Release, note: Callable[[str], object]) -> Version:
        """Publish a release that isn't there yet; returns the version, read back.

        Args:
            release: what to publish.
            note: is told what is different from what was asked.

        Raises:
            CloudError: it isn't there, or it isn't known whether it is: the next run looks.
        """
        for number in range(TRIES):
            self._wait(number)
            try:
                made = self._publish(release, note)
            except CloudError as error:
                if not _may_pass(error.__cause__):
                    raise
                if (found := self.with_content(release)) is not None:  # it arrived, though the answer didn't
                    return found
                if number == TRIES - 1:
                    raise
            else:
                return self._read_back(release, made, note)
        raise AssertionError  # the last try returns or raises

    def _read_back(self, release: Release, made: int, note: Callable[[str], object]) -> Version:
        for number in range(TRIES):
            self._wait(number)
            if (found := self.with_content(release)) is not None:
                if found.number < made:
                    note(f"version {made} is the same: another publish ran at the same time. It isn't used")
                return found
        raise CloudError(f"version {made} was published and can't be read back yet: run the command again")

    def _publish(self, release: Release, note: Callable[[str], object]) -> int:
        from botocore.exceptions import ClientError

        once = self._place.clients(retries={"total_max_attempts": 1}, read_timeout=_UPLOAD_SECONDS)("lambda")
        hints = dict(zip(_HINTS, map(list, (release.runtimes, release.architectures)), strict=True))
        with self._place.asked(f"publish the layer {self._name}"):
            while True:
                try:
                    answer = once.publish_layer_version(
                        LayerName=self._name,
                        Description=f"lambda_guard {release.version}, {_MARK}{release.code_sha256}",
                        Content={"ZipFile": release.data},
                        **hints,
                    )
                except ClientError as error:
                    refused = [hint for hint in hints if hint.lower() in str(error).lower()]
                    if error_code(error) not in _INVALID or not refused:
                        raise
                    for hint in refused:
                        note(
                            f"the Region refuses {hint} ({', '.join(hints.pop(hint))}): published without them"
                        )
                else:
                    return int(answer["Version"])


def _may_pass(cause: Any) -> bool:
    """Check whether an error is one that may be gone a moment later."""
    from botocore.exceptions import HTTPClientError

    response = getattr(cause, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return isinstance(cause, HTTPClientError) or status >= _SERVERS_FAULT or error_code(cause) in _BUSY
