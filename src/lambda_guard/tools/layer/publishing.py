"""Publishing a layer in a place: what is there is looked at first, and only what is missing is done.

```
versions ─► none has this content? publish ─► read back ─► grants missing? add ─► read back ─► parameters behind? write
```

Each step begins with what Lambda or Systems Manager says there is, so a run goes on wherever an earlier one ended.
Nothing is ever deleted or taken away.
"""

import sys
from contextlib import suppress
from dataclasses import dataclass, field

from lambda_guard.tools.aws import CloudError
from lambda_guard.tools.layer.grants import ACTION, Grant, granted
from lambda_guard.tools.layer.parameters import Parameters, names
from lambda_guard.tools.layer.places import Place
from lambda_guard.tools.layer.release import Release
from lambda_guard.tools.layer.versions import TRIES, Version, Versions
from lambda_guard.tools.stopping import Stop


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to hold in every place.

    Attributes:
        name: the layer's.
        grants: who else may use it.
        parameters: whether parameters name the version.
        dry_run: whether only to look.
    """

    release: Release
    name: str
    grants: tuple[Grant, ...]
    parameters: bool
    dry_run: bool


@dataclass(slots=True)
class Published:
    """What came of it in a place.

    Attributes:
        where: the place, or the source that led to none.
        version: the version with the release's content; None if there is none yet.
        steps: what was done, or would be.
        notes: what else is worth knowing.
        problem: why it isn't whole; empty if it is.
    """

    where: str
    account: str = ""
    region: str = ""
    version: Version | None = None
    steps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problem: str = ""


class Publishing:
    """The work in one place; `stop` cuts waiting short."""

    def __init__(self, place: Place, wish: Wish, stop: Stop) -> None:
        self._place = place
        self._wish = wish
        self._stop = stop
        self._lambda = place.clients()("lambda")
        self._versions = Versions(place, self._lambda, wish.name, self._wait)
        self.outcome = Published(str(place), place.account, place.region)

    def run(self) -> Published:
        """Do it; what went wrong is in the outcome, beside what was done before."""
        try:
            version = self._version()
            self._share(version)
            if self._wish.parameters:
                self._name(version)
        except CloudError as error:
            self.outcome.problem = str(error)
        return self.outcome

    def _wait(self, number: int) -> None:
        if number:
            self._stop.wait(2.0**number)

    def _version(self) -> Version | None:
        release = self._wish.release
        found = self._versions.with_content(release)
        if found is None:
            if not self._wish.dry_run:
                found = self._versions.publish(release, self.outcome.notes.append)
            self.outcome.steps.append(f"publish {release.version}")
        self.outcome.version = found
        return found

    def _share(self, version: Version | None) -> None:
        """Add the grants that the version's policy lacks, and read it back."""
        there = self._granted(version) if version is not None else set()
        missing = [grant for grant in self._wish.grants if grant not in there]
        for grant in missing:
            if version is not None and not self._wish.dry_run:
                self._add(version, grant)
            self.outcome.steps.append(f"share with {grant}")
        if missing and version is not None and not self._wish.dry_run:
            self._read_back(version)
        if more := sorted(there - set(self._wish.grants)):
            self.outcome.notes.append(
                f"it is shared with {', '.join(map(str, more))} already, which stays: nothing is taken away"
            )

    def _read_back(self, version: Version) -> None:
        for number in range(TRIES):
            self._wait(number)
            missing = set(self._wish.grants) - self._granted(version)
            if not missing:
                return
        raise CloudError(
            f"the policy of version {version.number} doesn't show what was added ({', '.join(map(str, missing))}): "
            f"look at it (aws lambda get-layer-version-policy --layer-name {self._wish.name} --version-number "
            f"{version.number} --region {self._place.region}), and run the command again"
        )

    def _granted(self, version: Version) -> set[Grant]:
        with self._place.asked(f"read the policy of version {version.number} of the layer {self._wish.name}"):
            try:
                answer = self._lambda.get_layer_version_policy(
                    LayerName=self._wish.name, VersionNumber=version.number
                )
            except self._lambda.exceptions.ResourceNotFoundException:  # nobody was granted anything yet
                return set()
            return granted(answer["Policy"])

    def _add(self, version: Version, grant: Grant) -> None:
        # A statement of this name may be there, by a call that got no answer, say: what it says is read next.
        there = suppress(self._lambda.exceptions.ResourceConflictException)
        with self._place.asked(f"share version {version.number} of {self._wish.name} with {grant}"), there:
            self._lambda.add_layer_version_permission(
                LayerName=self._wish.name, VersionNumber=version.number, Action=ACTION, **grant.statement
            )

    def _name(self, version: Version | None) -> None:
        """Let the parameters name the version, which has been verified by now."""
        parameters = Parameters(self._place, self._versions.exists, self.outcome.notes.append)
        wanted = names(self._wish.name, self._wish.release.version)
        for name, revision in parameters.behind(wanted, version or self._next()).items():
            if version is not None and not self._wish.dry_run:
                parameters.write(name, version, revision)
            self.outcome.steps.append(f"write {name}")

    def _next(self) -> Version:
        """Return what stands in a dry run for the version that would be published."""
        place = self._place
        partition = place.session.get_partition_for_region(place.region)
        layer = f"arn:{partition}:lambda:{place.region}:{place.account}:layer:{self._wish.name}"
        return Version(sys.maxsize, f"{layer}:{sys.maxsize}", "", "")
