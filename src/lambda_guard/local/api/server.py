"""An API on a loopback port, for browsers and curl."""

from collections.abc import Callable

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.api.proxy import HttpRequest, HttpResponse
from lambda_guard.local.runtime.http_server import LoopbackServer, RequestHandler

_OURS = frozenset({"content-length", "transfer-encoding", "connection"})


class ApiServer:
    """Serves one API.

    Args:
        answer: answers a request.
        port: 0 for any free one.
    """

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse], *, port: int = 0) -> None:
        self.answer = answer
        self._server = LoopbackServer(_Handler, self, port=port)
        self.url = f"http://{self._server.address}"

    def close(self) -> None:
        """End the server."""
        self._server.close()


class _Handler(RequestHandler):
    def _serve(self) -> None:
        owner: ApiServer = self.server.owner  # type: ignore[attr-defined]  # LoopbackServer's
        path, _, query = self.path.partition("?")
        request = HttpRequest(
            method=self.command, path=path, body=self.body(), headers=tuple(self.headers.items()), query=query
        )
        try:
            response = owner.answer(request)
        except LocalCloudError as error:
            self.answer(503, str(error).encode(), content_type="text/plain")
            return
        self.answer(
            response.status, response.body, [line for line in response.header_lines if line[0] not in _OURS]
        )

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - the base class's
