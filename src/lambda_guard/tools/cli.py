"""`lambda-guard`: the entry point. Says what to install where click is missing, and starts the command."""

import os
import sys
import threading

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        from lambda_guard.tools.group import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write(
            "lambda-guard: the command-line tools aren't installed: pip install 'aws-lambda-guard[tools]'\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:  # before any command could see it
        sys.exit(130)
    code = run(sys.argv[1:])
    if code == _INTERRUPTED and threading.active_count() > 1:
        os._exit(code)  # the interpreter would wait for the threads of a pool, which may wait for the network
    sys.exit(code)
