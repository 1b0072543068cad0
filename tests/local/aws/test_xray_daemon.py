"""The X-Ray daemon's front."""

import json
import socket

import pytest

from lambda_guard.local import XRayDaemon


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
    "datagram", [b"", b"x", b"{}\n{}", b'{"format":"json","version":1}\n[1]', b"\xff\n\xff"]
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
