"""One interface for all sources: read once, as it comes, or again and again for a trace."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeAlias

from lambda_guard.tools.files import write_all
from lambda_guard.tools.logs.invocation import Block
from lambda_guard.tools.logs.reading.attempts import numbered_if_few
from lambda_guard.tools.logs.reading.files import CHUNK_BYTES, read_paths, read_with_pauses
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Tally
from lambda_guard.tools.logs.selection import Selection, Target
from lambda_guard.tools.stopping import Stop

if TYPE_CHECKING:  # boto3 is imported only where CloudWatch Logs is asked
    from tempfile import TemporaryDirectory

    from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader


class FileReader(AbstractContextManager["FileReader"]):
    """Reads files; standard input is kept in a temporary file where it must be read again.

    Attributes:
        tally: what was read so far; replaced when reading begins again.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.tally = Tally()
        self._paths = list(paths)
        self._spooled: TemporaryDirectory[str] | None = None

    def __exit__(self, *exc_info: object) -> None:
        if self._spooled is not None:
            self._spooled.cleanup()

    in_order = False
    """Whether it yields blocks in order of time by itself."""

    def read(self, *, follow: Stop | None = None) -> Iterator[Block]:
        """Yield everything, as it comes; with `follow`, go on until it is stopped."""
        blocks = self._read(self._paths, follow)
        waits = follow is not None or "-" in self._paths
        return blocks if waits else numbered_if_few(blocks)

    def read_with_pauses(self) -> Iterator[Block | None]:
        """Yield everything, as it comes; None where standard input is silent for a moment."""
        if "-" not in self._paths:
            return self.read()
        grouper = Grouper()
        self.tally = grouper.tally
        return read_with_pauses(self._paths, grouper)

    def read_naming(self, ids: frozenset[str]) -> Iterable[Block]:  # noqa: ARG002 - files can't be asked
        """Return everything, however often it is called."""
        return self._read([self._spool() if path == "-" else path for path in self._paths], None)

    def _read(self, paths: list[str], follow: Stop | None) -> Iterator[Block]:
        grouper = Grouper()
        self.tally = grouper.tally
        return read_paths(paths, grouper, follow=follow)

    def _spool(self) -> str:
        if self._spooled is not None:
            return f"{self._spooled.name}/stdin"
        from tempfile import TemporaryDirectory

        self._spooled = TemporaryDirectory(prefix="lambda-guard-")
        path = f"{self._spooled.name}/stdin"
        with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - no Path is needed for it
            while chunk := sys.stdin.buffer.read(CHUNK_BYTES):
                write_all(file.fileno(), chunk, path)
        return path


Reader: TypeAlias = "FileReader | CloudWatchReader"


def reader_for(target: Target, selection: Selection) -> Reader:
    """Choose the reader for what was typed."""
    if target.in_the_cloud:
        from lambda_guard.tools.logs.cloudwatch.reader import CloudWatchReader

        return CloudWatchReader(target, selection)
    return FileReader(target.paths)
