"""A receiver of OpenTelemetry's spans on loopback, as a collector extension would be one: OTLP over HTTP.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import contextlib
import gzip
import json
import threading
import zlib
from collections.abc import Mapping
from http import HTTPStatus

from lambda_guard._names import ENV_OTEL_ENDPOINT, ENV_OTEL_TRACES_ENDPOINT
from lambda_guard.local.runtime.http_server import HttpRequest, HttpResponse, LoopbackServer
from lambda_guard.otlp.reading import Received, from_json, from_protobuf

_PATH = "/v1/traces"
_PROTOBUF = "application/x-protobuf"


class Collector(contextlib.AbstractContextManager["Collector"]):
    """Keeps the spans that it is sent, in either form; use as a context manager or `close` it.

    Attributes:
        url: for `OTEL_EXPORTER_OTLP_ENDPOINT`.
        requests: how many requests came, those that were refused included.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self.requests = 0
        self._server = LoopbackServer(self._answer)
        self.url = f"http://{self._server.address}"

    def spans(self) -> list[Received]:
        """Return the spans received so far, in the order of arrival."""
        with self._lock:
            return list(self._received)

    def instead(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return a function's variables with this collector in place of any other: no span leaves the machine."""
        ours = {ENV_OTEL_ENDPOINT: self.url, ENV_OTEL_TRACES_ENDPOINT: f"{self.url}{_PATH}"}
        return {**environment, **{name: url for name, url in ours.items() if name in environment}}

    def _answer(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            self.requests += 1
        if request.path != _PATH or request.method != "POST":
            return HttpResponse(status=HTTPStatus.NOT_FOUND)
        headers = request.lower_headers
        binary = headers.get("content-type") == _PROTOBUF
        try:
            body = (
                gzip.decompress(request.body) if headers.get("content-encoding") == "gzip" else request.body
            )
            found = from_protobuf(body) if binary else from_json(json.loads(body))
        except (EOFError, OSError, ValueError, zlib.error) as error:
            return HttpResponse(
                status=HTTPStatus.BAD_REQUEST, body=json.dumps({"message": str(error)}).encode()
            )
        with self._lock:
            self._received += found
        kind = _PROTOBUF if binary else "application/json"
        return HttpResponse(
            status=HTTPStatus.OK, body=b"" if binary else b"{}", header_lines=(("content-type", kind),)
        )

    def close(self) -> None:
        """Close the server; no thread and no socket is left."""
        self._server.close()

    def __exit__(self, *_: object) -> None:
        self.close()
