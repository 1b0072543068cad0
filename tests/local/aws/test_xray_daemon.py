"""The X-Ray daemon's front."""

import base64
import json
import socket

import pytest

from lambda_guard.local import XRayDaemon
from lambda_guard.otlp import protobuf
from lambda_guard.otlp.span import Span


def _send(daemon, *datagrams):
    host, port = daemon.address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, (host, int(port)))


def test_documents_are_kept_in_order():
    """Each datagram of the daemon's protocol is one document."""
    documents = [{"id": "a"}, {"id": "b", "type": "subsegment"}]
    with XRayDaemon() as daemon:
        _send(daemon, *(b'{"format":"json","version":1}\n' + json.dumps(it).encode() for it in documents))
        daemon.wait_for(lambda found: len(found) == 2)
        daemon.add({"id": "c"})

        assert daemon.documents() == [*documents, {"id": "c"}]
        daemon.clear()
        assert daemon.documents() == []


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"x",
        b"{}\n{}",
        b'{"format":"json","version":1}\n[1]',
        b"\xff\n\xff",
        b'{"format":"json","version":1}\nT1S!',
        b'{"format":"json","version":1}\nT1SAAAA',
    ],
)
def test_what_is_no_document_is_kept_apart(datagram):
    """The daemon survives anything, and says what it could not read."""
    with XRayDaemon() as daemon:
        _send(daemon, datagram, b'{"format":"json","version":1}\n{"id":"a"}')
        daemon.wait_for(lambda found: found)

        assert daemon.malformed() == [datagram]
        assert daemon.documents() == [{"id": "a"}]


def test_waiting_in_vain_says_how_much_there_was():
    """A wait that fails names the number of documents."""
    with XRayDaemon() as daemon, pytest.raises(TimeoutError, match=r"has 0 documents after 0.01 s"):
        daemon.wait_for(lambda found: found, timeout=0.01)


@pytest.mark.parametrize("mark", [b"T1S", b"T1U"])
def test_spans_are_kept_beside_documents(mark):
    """OpenTelemetry's spans come through the same socket, marked and in base64."""
    span = Span("1" * 32, "2" * 16, None, 0)
    encoded = protobuf.request(protobuf.resource({"a": "b"}), protobuf.scope("s", "1"), [protobuf.span(span)])
    with XRayDaemon() as daemon:
        header = b'{"format":"json","version":1}\n'
        _send(daemon, header + mark + base64.b64encode(encoded), header + b'{"id":"a"}')
        daemon.wait_for(lambda found: found)

        ((found, resource),) = daemon.spans()
        assert (found.trace_id, resource) == (span.trace_id, {"a": "b"})
        daemon.clear()
        assert daemon.spans() == []
