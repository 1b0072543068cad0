"""SnapStart: what each environment has from its snapshot, and mustn't take for its own.

Lambda loads the function when a version is published, and every environment begins as a copy of that one process. This
module is imported only where the function has SnapStart.
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from typing import TYPE_CHECKING

from . import _failsafe, _invocation

if TYPE_CHECKING:
    from .sinks.tracer import Tracer


def install(tracer: "Tracer | None") -> None:
    """Have the runtime client call us after a restore; without its hooks, do nothing.

    Args:
        tracer: of the decorated handler.
    """
    try:
        from snapshot_restore_py import register_after_restore
    except ImportError:
        return
    # The handler may be called before the snapshot, to warm it up: no environment is started for that.
    _invocation.set_invoked(True)
    register_after_restore(_failsafe.attempt, "snapstart", _restored, tracer)


def _restored(tracer: "Tracer | None") -> None:
    _invocation.set_invoked(False)
    _failsafe.forget()  # the lines about them are in another log stream
    if tracer is not None:
        tracer.restored()
