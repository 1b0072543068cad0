"""The start of a function's process: the module search path as on Lambda, then the real runtime client.

Run as a script, by the exec wrapper if there is one: `python bootstrap.py OPT`, where OPT stands for `/opt`.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html#python-package-searchpath
"""

import os
import sys


def main() -> None:
    """Run the runtime client for `_HANDLER`, which a wrapper may have changed."""
    task_root, opt = os.environ["LAMBDA_TASK_ROOT"], sys.argv[1]
    here = sys.path.pop(0)
    if "PYTHONPATH" not in os.environ:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        sys.path[:0] = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    sys.path.insert(0, task_root)
    _provide_runtime_client(here)
    from awslambdaric.__main__ import main as run

    run([task_root, os.environ["_HANDLER"]])


def _provide_runtime_client(directory: str) -> None:
    """Import the part of the runtime client that AWS builds for Linux alone, or what stands in for it elsewhere."""
    try:
        import runtime_client
    except ImportError:
        sys.path.insert(0, directory)
        import runtime_client  # noqa: F401 - as above

        sys.path.remove(directory)


if __name__ == "__main__":
    main()
