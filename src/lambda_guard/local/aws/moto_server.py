"""moto's server in a process of its own, with what it lacks.

`python -m lambda_guard.local.aws.moto_server PORT CONTROL`: a process of its own, because moto's state is
global: tests that use moto's decorators in the same process as a local cloud would reset it. Calls of Lambda's
API go on to the cloud, whose functions it invokes.
"""

import http.client
import json
import logging
import sys
from collections.abc import Iterable
from typing import Any

from lambda_guard.local.aws import moto_patches
from lambda_guard.local.runtime.http_server import HOST

_LAMBDA_PATHS = ("/2015-03-31/functions", "/2015-03-31/event-source-mappings")
_FORWARDED = "x-amz"


class Front:
    """The WSGI application in front of moto's.

    Args:
        moto: moto's application.
        control: `host:port` of the cloud, which answers Lambda's API.
    """

    def __init__(self, moto: Any, control: str) -> None:
        self._moto = moto
        self._control = control

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO", "").startswith(_LAMBDA_PATHS):
            return self._forward(environ, start_response)
        token = moto_patches.http_trace_header.set(environ.get("HTTP_X_AMZN_TRACE_ID"))
        try:
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        finally:
            moto_patches.http_trace_header.reset(token)

    def _forward(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        names = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key[:5] == "HTTP_"
        }
        headers = {name: value for name, value in names.items() if name.startswith(_FORWARDED)}
        connection = http.client.HTTPConnection(self._control, timeout=930)
        try:
            connection.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], body, headers)
            response = connection.getresponse()
            answer = response.read()
        except OSError:
            start_response("503 Service Unavailable", [("x-amzn-ErrorType", "ServiceException")])
            return [json.dumps({"Message": "the local cloud is closing"}).encode()]
        finally:
            connection.close()
        kept = [
            (name, value) for name, value in response.getheaders() if name.lower() not in {"date", "server"}
        ]
        start_response(f"{response.status} {response.reason}", kept)
        return [answer]


def main(port: int, control: str) -> None:
    """Serve until killed; the first line on stdout is the port."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    moto_patches.install(f"http://{control}/local/sns")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    front = Front(DomainDispatcherApplication(create_backend_app), control)
    server = make_server(HOST, port, front, threaded=True, request_handler=MotoRequestHandler)
    server.daemon_threads = True  # type: ignore[attr-defined]  # ThreadingMixIn's
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
