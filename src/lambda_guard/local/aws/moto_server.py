"""moto's server in a process of its own, with what it lacks.

`python -m lambda_guard.local.aws.moto_server PORT CONTROL`: a process of its own, because moto's state is
global: tests that use moto's decorators in the same process as a local cloud would reset it. Calls of Lambda's
API go on to the cloud, whose functions it invokes.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import make_server

from lambda_guard.local.aws import moto_patches
from lambda_guard.local.runtime.http_server import HOST

_LAMBDA = "/2015-03-31/"


def main(port: int, control: str) -> None:
    """Serve until killed; the first line on stdout is the port."""
    moto_patches.install(f"http://{control}/local/sns")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)
    front = ProxyMiddleware(moto, {_LAMBDA: {"target": f"http://{control}"}}, timeout=930)
    server = make_server(HOST, port, front, threaded=True, request_handler=MotoRequestHandler)
    server.daemon_threads = True  # type: ignore[attr-defined]  # ThreadingMixIn's
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
