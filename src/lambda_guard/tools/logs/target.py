"""Where to read logs from, as typed on the command line."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Target:
    """Where to read from, as typed.

    Attributes:
        paths: files, `-` being standard input.
        groups: log groups, globs, ARNs.
        functions: names of functions, whose log groups are looked up.
        stacks: CloudFormation stacks, whose functions' log groups are looked up.
    """

    paths: Sequence[str] = ()
    groups: Sequence[str] = ()
    functions: Sequence[str] = ()
    stacks: Sequence[str] = ()

    @property
    def in_the_cloud(self) -> bool:
        """Whether CloudWatch Logs is asked."""
        return bool(self.groups or self.functions or self.stacks)
