"""A page's example as a function: its block of code in the real runtime client, and what came of it."""

import contextlib
import json
import re
import socket
from pathlib import Path

from lambda_guard.local import Function, XRayDaemon

DOCS = Path(__file__).parents[2] / "docs"
_SPANNING = re.MULTILINE | re.DOTALL
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
_PLATFORM = ("INIT_START ", "START ", "END ", "REPORT ", "XRAY ", "[ERROR]")


def block(page, heading, number=0, language="python"):
    """Return a block of code below a page's heading, up to the next heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    [section] = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", _without_comments(text), _SPANNING)
    return re.findall(rf"^```{language}\n(.*?)^```", section, _SPANNING)[number].replace(_HASH, "#")


_HASH = "\0"


def _without_comments(text):
    """Return a page in which the comments in code aren't taken for headings."""
    return re.sub(r"^```.*?^```", lambda found: found[0].replace("#", _HASH), text, flags=_SPANNING)


class Ran:
    """An invocation: what Lambda got, and the function's own lines.

    Attributes:
        id: the request's.
        status: `success` or `error`.
        answer: the answer, or the error document.
        lines: JSON lines as dicts, others as text; not the platform's.
        documents: of the trace.
    """

    def __init__(self, result, documents):
        self.id, self.status, self.answer = result.request_id, result.status, result.payload
        own = [line for line in result.lines if line and not line.startswith(_PLATFORM)]
        self.lines = [json.loads(line) if line.startswith('{"') else line for line in own]
        self.documents = documents

    @property
    def record(self):
        """The one invocation record."""
        [record] = [line for line in self._objects() if line.get("record") == "invocation"]
        assert "GuardErrors" not in record
        return record

    @property
    def logs(self):
        """The log lines: neither records nor metrics."""
        return [line for line in self._objects() if "_aws" not in line]

    @property
    def metrics(self):
        """The values of each metric, by namespace, names of dimensions and name; the record's left out."""
        found = {}
        for line in self._objects():
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
                for each in directive["Metrics"] if line.get("record") != "invocation" else ():
                    for dimensions in directive["Dimensions"]:
                        key = directive["Namespace"], frozenset(dimensions), each["Name"]
                        values = line[each["Name"]]
                        found.setdefault(key, []).extend(values if isinstance(values, list) else [values])
        return found

    def _objects(self):
        return [line for line in self.lines if isinstance(line, dict)]


@contextlib.contextmanager
def deployed(folder, code, *, handler="app.handler", **settings):
    """Run `code` as a function; gives what invokes it with an event."""
    (folder / "app.py").write_text(code, encoding="utf-8")
    with (
        XRayDaemon() as daemon,
        Function(
            name="shop",
            handler=handler,
            code=folder,
            daemon_address=daemon.address,
            timeout=60.0,
            **settings,
        ) as function,
    ):

        def invoke(event=None, *, header=HEADER):
            daemon.clear()
            result = function.invoke({} if event is None else event, trace_header=header)
            return Ran(result, _received(daemon))

        yield invoke


def _received(daemon):
    """Return the documents; what the function sent was in the daemon's socket before its answer."""
    host, port = daemon.address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b'{"format":"json","version":1}\n{"last":true}', (host, int(port)))
    return daemon.wait_for(lambda documents: documents and "last" in documents[-1], timeout=240)[:-1]


def run(folder, code, *events, **settings):
    """Run `code` as a function for each event, one after the other in one environment."""
    with deployed(folder, code, **settings) as invoke:
        return [invoke(event) for event in events or ({},)]


def named(ran, message):
    """Return the one line with a message; it has the invocation's id and trace."""
    [line] = [line for line in ran.logs if line.get("message") == message]
    assert line["invocation_id"] == ran.id
    assert line["xray_trace_id"] == HEADER[5:40]
    return line
