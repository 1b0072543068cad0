"""What a layer is built for: versions of Python and architectures.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
# Lambda's name → that of the oldest wheels that Amazon Linux 2 and 2023 can load.
PLATFORMS: Final = {"x86_64": "x86_64-manylinux2014", "arm64": "aarch64-manylinux2014"}


@dataclass(frozen=True, slots=True)
class Target:
    """One runtime on one architecture."""

    python: str
    architecture: str

    @property
    def platform(self) -> str:
        """The architecture in the words of wheels."""
        return PLATFORMS[self.architecture]

    def __str__(self) -> str:
        return f"Python {self.python} on {self.architecture}"


def targets(pythons: Sequence[str], architectures: Sequence[str]) -> tuple[Target, ...]:
    """Return all combinations, in the order of versions."""
    return tuple(
        Target(python, architecture)
        for python in PYTHONS
        if python in pythons
        for architecture in PLATFORMS
        if architecture in architectures
    )
