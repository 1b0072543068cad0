"""Sources on this machine: files, gzipped files, standard input. Lines come in chunks, memory stays bounded."""

import codecs
import gzip
import os
import re
import select
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from lambda_guard.tools.logs.invocation import Block
from lambda_guard.tools.logs.reading.containers import Spread, is_container, lines_of_container
from lambda_guard.tools.logs.reading.envelopes import opener_for
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream, Tally
from lambda_guard.tools.stopping import Stop

if TYPE_CHECKING:
    from io import BufferedReader

CHUNK_BYTES: Final = 2**17
LINE_BYTES_MOST: Final = 8 * 2**20
"""A longer line is cut into pieces; an event of CloudWatch Logs has 1 MB at most.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

POLL_SECONDS: Final = 0.25
_COLOUR: Final = re.compile(rb"\x1b\[[\d;]*[mK]")
_GZIP_MAGIC: Final = b"\x1f\x8b"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_paths(paths: list[str], grouper: Grouper, *, follow: Stop | None = None) -> Iterator[Block]:
    """Read files one after the other, `-` being standard input, and yield blocks as they are ready.

    What can't be read is noted in `grouper.tally.warnings`, and the rest is read.

    Args:
        paths: names of files, or of directories, all of whose files are read; `.gz` is told by what is in
            the file, not by its name.
        grouper: takes the lines, and keeps the tally.
        follow: go on reading all of them as they grow, until it is stopped.
    """
    yield from filter(None, read_with_pauses(paths, grouper, follow=follow))


def read_with_pauses(
    paths: list[str], grouper: Grouper, *, follow: Stop | None = None
) -> Iterator[Block | None]:
    """Do the same, and yield None where a source is silent for a moment."""
    names = [name for path in paths for name in _files_of(path, grouper.tally)]
    reading = [_read_path(name, grouper, follow) for name in names]
    yield from chain.from_iterable(reading) if follow is None else _in_turn(reading, follow)
    grouper.finish()
    yield from grouper.take()


def _in_turn(reading: list[Iterator[Block | None]], stop: Stop) -> Iterator[Block | None]:
    """Yield what each source has until it is silent, then the next one's; pause when all are."""
    while reading:
        for one in tuple(reading):
            for block in one:
                yield block
                if block is None:
                    break
            else:
                reading.remove(one)
        stop.wait(POLL_SECONDS)


def _files_of(path: str, tally: Tally) -> list[str]:
    if path == "-" or not Path(path).is_dir():
        return [path]

    def note(error: OSError) -> None:
        tally.warnings.append(f"{error.filename}: {_reason(error)}")

    below = (Path(folder, name) for folder, _, found in os.walk(path, onerror=note) for name in found)
    return sorted(str(file) for file in below if file.is_file())


def _read_path(path: str, grouper: Grouper, growing: Stop | None) -> Iterator[Block | None]:
    """Read one source; None stands for an idle moment."""
    name = "standard input" if path == "-" else path
    stream = Stream(name)
    try:
        chunks = _stdin_chunks(growing) if path == "-" else _file_chunks(path, growing)
        for chunk in _lines(_decoded(chunks)):
            if chunk:
                grouper.feed(chunk, stream)
                yield from grouper.take()
            else:
                grouper.settle()
                yield from grouper.take()
                yield None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        grouper.tally.warnings.append(
            f"{name}: the compressed data is cut off or damaged ({error}); what came before it is shown"
        )
    except OSError as error:
        grouper.tally.warnings.append(f"{name}: {_reason(error)}")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    return error.strerror or str(error)


def _file_chunks(path: str, growing: Stop | None) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        grows = growing is not None and not _is_packed(file)
        yield from _unpacked(file)
        if growing is not None and grows:
            yield from _tail(Path(path), file, growing)


def _is_packed(file: "BufferedReader | gzip.GzipFile") -> bool:
    """Return whether a file is gzipped, by its first bytes: what a pipe has given can't be read again."""
    return file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)


def _unpacked(file: "BufferedReader | gzip.GzipFile") -> Iterator[bytes]:
    """Yield what a file holds; Firehose packs the messages of subscriptions, which are packed, once more."""
    with ExitStack() as opened:
        while _is_packed(file):
            file = opened.enter_context(gzip.open(file))
        yield from _until_end(file)


def _until_end(file: "BufferedReader | gzip.GzipFile") -> Iterator[bytes]:
    """Yield what each read returns: one for a full chunk would lose what precedes the place where a file is cut off."""
    while chunk := file.read1(CHUNK_BYTES):
        yield chunk


def _decoded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Turn UTF-16, which PowerShell's `>` writes, into UTF-8."""
    first = b""
    for first in chunks:
        if first:
            break
        yield first
    if not first.startswith(_UTF16_MARKS):
        yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for chunk in chain([first], chunks):
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _tail(path: Path, file: BinaryIO, stop: Stop) -> Iterator[bytes]:
    """Yield what is added to a file, from its start again where it was cut or replaced; empty chunks when idle."""
    with ExitStack() as newer:
        while not stop.requested:
            # Looked at before reading: what was written until then is still in the old file.
            replaced = _was_replaced(path, file)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
            yield b""
            if replaced:
                yield from _line_end(file)
                newer.close()
                file = newer.enter_context(path.open("rb"))


def _line_end(file: BinaryIO) -> Iterator[bytes]:
    """End the last line of a file that nothing more comes of: the next file's first line is another."""
    if file.tell():
        file.seek(-1, os.SEEK_CUR)
        if file.read(1) != b"\n":
            yield b"\n"


def _was_replaced(path: Path, file: BinaryIO) -> bool:
    try:
        now = path.stat()
    except OSError:
        return False
    return now.st_ino != os.fstat(file.fileno()).st_ino or now.st_size < file.tell()


def _stdin_chunks(growing: Stop | None) -> Iterator[bytes]:
    """Yield what comes in at once; an empty chunk when nothing came for a while."""
    source = cast("BufferedReader", sys.stdin.buffer)
    if sys.platform == "win32":  # where `select` takes sockets alone
        yield from _of_a_thread(_stdin_whole(source), growing)
        return
    started = False
    while growing is None or not growing.requested:
        if not select.select([source], [], [], POLL_SECONDS)[0]:
            yield b""
            continue
        if not started and _is_packed(source):
            yield from _unpacked(source)
            return
        # What peek() has read is in the buffer, where select() doesn't see it.
        chunk = os.read(source.fileno(), CHUNK_BYTES) if started else source.read1()
        started = True
        if not chunk:
            return
        yield chunk


def _stdin_whole(source: BinaryIO) -> Iterator[bytes]:
    # A buffer of our own: at the end of the process Python asks for the lock of its own one, for which we may wait.
    with open(source.fileno(), "rb", closefd=False) as file:
        yield from _unpacked(file)


def _of_a_thread(chunks: Iterator[bytes], growing: Stop | None) -> Iterator[bytes]:
    """Yield what a thread finds, which may wait for ever; an empty chunk when nothing came for a while."""
    found = Queue[bytes | Exception | None](maxsize=4)

    def read() -> None:
        try:
            for chunk in chunks:
                found.put(chunk)
            found.put(None)
        except Exception as error:
            found.put(error)

    Thread(target=read, name="standard input", daemon=True).start()
    while growing is None or not growing.requested:
        try:
            chunk = found.get(timeout=POLL_SECONDS)
        except Empty:
            chunk = b""
        if chunk is None:
            return
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk


def _lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Cut chunks into lines, without their ends; an empty list stands for an idle moment."""
    with closing(chunks):  # type: ignore[type-var] # generators, all of them
        first = b""
        for first in chunks:
            if first:
                break
            yield []
        first = first.removeprefix(codecs.BOM_UTF8)
        if is_container(first):
            yield from lines_of_container(first, chunks)
            return
        opened = opener_for(first)
        for lines in _split(first, chunks):
            yield lines if opened is None else opened(lines)


def _split(first: bytes, chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Cut into lines; an object that is spread over several of them, as a console shows it, is one."""
    spread = Spread()
    for lines in _cut(first, chunks):
        yield spread.joined(lines)
    if left := spread.left():
        yield left


def _cut(first: bytes, chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    *lines, rest = _without_colours(first).split(b"\n")
    yield lines
    for chunk in chunks:
        if len(rest) < LINE_BYTES_MOST:
            *lines, rest = _without_colours(rest + chunk).split(b"\n")
        else:
            *lines, rest = [rest, *_without_colours(chunk).split(b"\n")]
        yield lines
    if rest:
        yield [rest]


def _without_colours(text: bytes) -> bytes:
    """Take out the colours of a terminal, and what clears a line, that a tool wrote into a file, or a pipe."""
    # One byte is looked for a hundred times as fast as two.
    return _COLOUR.sub(b"", text) if b"\x1b" in text else text
