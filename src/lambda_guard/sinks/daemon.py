"""Lambda's X-Ray daemon, which takes documents and spans by UDP: a socket to it that never waits.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
"""

# Not `socket`, whose enums take longer to make than all of `lambda_guard.sinks`.
import _socket as socket
from typing import Final

from .. import _names

HEADER: Final = b'{"format":"json","version":1}\n'
_DEFAULT: Final = "127.0.0.1:2000"
_PORT_MOST: Final = 65_535


class Daemon:
    """The socket of this process, which threads and forked processes share: a datagram is written in one piece.

    Args:
        address: `host:port`, or `tcp:host:port udp:host:port`, as `AWS_XRAY_DAEMON_ADDRESS` has it; empty for
            `127.0.0.1:2000`.

    Raises:
        ValueError: it is of another form.
        OSError: there is no such host.
    """

    def __init__(self, address: str) -> None:
        of_udp = next((each[4:] for each in address.split() if each.startswith("udp:")), address.strip())
        host, _, port = (of_udp or _DEFAULT).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MOST:
            raise ValueError(f"{_names.ENV_DAEMON_ADDRESS} isn't host:port or tcp:host:port udp:host:port")
        # Bytes, since text would import the codec for names that aren't ASCII.
        found = socket.getaddrinfo(host.strip("[]").encode(), int(port), type=socket.SOCK_DGRAM)[0]
        self._family, self._to = found[0], found[4]
        self.reopen()

    def reopen(self) -> None:
        """Open the socket, again where a snapshot has made it useless."""
        self.close()
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def close(self) -> None:
        """Close the socket; what is garbage does that by itself."""
        if hasattr(self, "_socket"):
            self._socket.close()

    __del__ = close  # Python warns of sockets that it has to close

    def send(self, datagram: bytes) -> None:
        """Send what comes after the header.

        Raises:
            OSError: the system doesn't take it.
        """
        self._socket.sendto(HEADER + datagram, self._to)
