"""A local cloud: the real runtime client, queues and topics on loopback. Never imported by a function.

`Function` runs one handler through `awslambdaric`, `XRayDaemon` collects what it traces, and `Cloud` puts
functions, queues and topics together, from a SAM template or from code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambda_guard.local._errors import LocalCloudError, OptionError
    from lambda_guard.local.aws.xray_daemon import XRayDaemon
    from lambda_guard.local.cloud import Cloud
    from lambda_guard.local.runtime.function import Function
    from lambda_guard.local.runtime.log_group import LogEvent
    from lambda_guard.local.runtime.result import InvocationResult
    from lambda_guard.templates.document import TemplateError

__all__ = [
    "Cloud",
    "Function",
    "InvocationResult",
    "LocalCloudError",
    "LogEvent",
    "OptionError",
    "TemplateError",
    "XRayDaemon",
]

_HOME = {
    "Cloud": "local.cloud",
    "Function": "local.runtime.function",
    "InvocationResult": "local.runtime.result",
    "LocalCloudError": "local._errors",
    "LogEvent": "local.runtime.log_group",
    "OptionError": "local._errors",
    "TemplateError": "templates.document",
    "XRayDaemon": "local.aws.xray_daemon",
}


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"lambda_guard.{_HOME[name]}"), name)
