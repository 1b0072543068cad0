"""The entry for a function whose code stays as it is: puts `@production` around its handler.

Either the layer's script is the function's exec wrapper (`AWS_LAMBDA_EXEC_WRAPPER=/opt/lambda-guard`), or the
function's handler is `lambda_guard_handler.handler`, and `LAMBDA_GUARD_HANDLER` names its own one.

This module stands alone, beside the package: where a function brings an older `lambda_guard`, or something that keeps
ours from being imported, its handler runs all the same. The runtime client's own function loads the handler, so that it
reports what goes wrong as if we weren't here. The function's module is imported before ours, and before it nothing that
the client hasn't imported: the function may have a module of the same name.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
"""

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # see above; for the same reason there is no pathlib
    from typing import Any

# The keys are those of `lambda_guard._names`, which can't be imported yet; a test compares them.
_VARIABLE = "LAMBDA_GUARD_HANDLER"
_ON = ("1", "true", "yes", "on", "y", "t")  # as in `lambda_guard._settings`
_FRAMES_MOST = 8
_TEXT_MOST = 500  # characters


def _load(name: str) -> "Any":
    """Return the function's own handler, or raise what the runtime client reports as it would without us."""
    if not name or name.rpartition(".")[0] == __name__:
        raise ImportError(f"set {_VARIABLE} to the function's own handler, for example orders.handler")
    os.environ["_HANDLER"] = name
    if os.environ.get("LAMBDA_GUARD_DISABLED", "").strip().lower() in _ON:
        return _by_the_client(name)
    started = time.perf_counter()
    try:
        found = _by_the_client(name)
    except BaseException as error:
        _record(name, started, error)
        raise
    _record(name, started, None)
    return found


def _by_the_client(name: str) -> "Any":
    client: Any = sys.modules.get("awslambdaric.bootstrap")
    if client is None:  # not in Lambda: a test imports the handler
        module, _, attribute = name.rpartition(".")
        return getattr(__import__(module.replace("/", "."), fromlist=[attribute]), attribute)
    try:
        return client._get_handler(name)  # noqa: SLF001 - what it raises depends on the version of the client
    except client.FaultException:
        raise
    except Exception as error:
        fault = _fault(client, error)
    raise fault


def _fault(client: "Any", error: Exception) -> Exception:
    """Return what the client makes of `error`, without our frame in front of its own."""
    trace = error.__traceback__
    try:
        report = client.build_fault_result((type(error), error, trace and trace.tb_next), None)
        fault: Exception = client.FaultException(
            report["errorType"], report["errorMessage"], report["stackTrace"]
        )
    except Exception:  # its text raises, and then the client ends the process
        return error
    fault.__cause__ = error
    return fault


def _instrumented(name: str, handler: "Any") -> "Any":
    """Return the handler, decorated; or as it is, if that fails."""
    try:
        import lambda_guard

        decorated = lambda_guard.production(handler)
        home, here = (it.rpartition("/")[0] for it in (lambda_guard.__file__, __file__))
    except (Exception, SystemExit) as error:
        _write("ERROR", f"{name} runs without lambda_guard, which failed: {_text(error)}", at=_frames(error))
        return handler
    if home.rpartition("/")[0] != here:
        _write("WARNING", f"{name} runs with the lambda_guard in {home}, not with the layer's")
    return decorated


def _record(name: str, started: float, error: BaseException | None) -> None:
    """Write the init record: how long the import of the handler's module took, and what failed."""
    took = round((time.perf_counter() - started) * 1000, 3)
    keys: dict[str, Any] = {"record": "init", "outcome": "success" if error is None else "error"}
    text = f"{name} imported in {took:.1f} ms"
    if error is not None:
        text = f"{name} failed to import after {took:.1f} ms: {_text(error)}"
        keys["error"] = {"type": _type(error), "message": _message(error), "stack": _frames(error)}
    for key in ("function_name", "function_version"):
        keys[key] = os.environ.get(f"AWS_LAMBDA_{key.upper()}")
    _write("INFO" if error is None else "ERROR", text, duration_ms=took, **keys)


def _type(error: BaseException) -> str:
    return str(getattr(error, "exception_type", type(error).__name__))  # the client's own, of its faults


def _message(error: BaseException) -> str:
    try:
        return str(getattr(error, "msg", error))[:_TEXT_MOST]
    except Exception:  # the user's exception
        return ""


def _text(error: BaseException) -> str:
    return f"{_type(error)}: {_message(error)}"


def _frames(error: BaseException) -> list[str]:
    frames = []
    is_fault = hasattr(error, "exception_type")  # the client's: raised because of another error
    trace = ((is_fault and (error.__cause__ or error.__context__)) or error).__traceback__
    while trace is not None:
        code, file = trace.tb_frame.f_code, trace.tb_frame.f_code.co_filename
        if file != __file__ and "importlib" not in file and "awslambdaric" not in file:
            frames.append(f"{file.rpartition('/')[2]}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return frames[-_FRAMES_MOST:]


def _write(level: str, message: str, **keys: "Any") -> None:
    now = time.time()
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    line = {
        "level": level,
        "location": "exec_wrapper",
        "message": message,
        "timestamp": when,
        "logger": "lambda_guard",
    }
    try:
        out: Any = (
            sys.__stdout__
        )  # the module that was imported may have put something in front of it, as ours does
        out.write(json.dumps({**line, **keys}, separators=(",", ":")) + "\n")
        out.flush()
    except Exception:
        return  # there is nowhere to write it to


_NAME = os.environ.get(_VARIABLE, "")
handler = _instrumented(_NAME, _load(_NAME))
