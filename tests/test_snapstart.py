"""SnapStart: an environment that begins as a copy of another process takes nothing of it for its own.

`tests/runtime/test_snapstart.py` has two copies of one process, through the runtime client.
"""

import json

import pytest

pytest.importorskip("snapshot_restore_py")

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
SAMPLED = {"_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}
DECORATED = """
    import sys
    from lambda_guard import production

    @production
    def handler(event, context):
        return event
"""
RESTORE = """
    import snapshot_restore_py

    def restore():
        for hook, args, kwargs in snapshot_restore_py.get_after_restore():
            hook(*args, **kwargs)
"""


def records(output):
    """Return the invocation records of some output."""
    return [line for line in map(json.loads, output.splitlines()) if line.get("record")]


@pytest.mark.parametrize("kind", ["", "on-demand", "provisioned-concurrency", "lambda-managed-instances"])
def test_other_functions_have_nothing_of_it(fresh, kind):
    """Where there is no snapshot, neither our part nor the hooks' module is imported."""
    code = (
        DECORATED
        + """
    handler({}, None)
    assert not {"snapshot_restore_py", "lambda_guard._snapstart"} & sys.modules.keys()
    """
    )
    fresh(code, AWS_LAMBDA_INITIALIZATION_TYPE=kind)


def test_without_the_hooks_module_nothing_is_registered_and_nothing_fails(fresh):
    """It's there in Lambda's own runtimes; the first invocation is a cold start without it, too."""
    code = (
        "    import sys\n    sys.modules['snapshot_restore_py'] = None"
        + DECORATED
        + "    handler({}, None)\n"
    )
    (record,) = records(fresh(code, **SNAP_START))
    assert record["cold_start"] is True
    assert not record.keys() & {"init_ms", "GuardErrors"}


def test_the_first_invocation_after_a_restore_is_the_cold_start(fresh):
    """A call that warms the handler up before the snapshot isn't; initialization was no part of any."""
    code = (
        DECORATED
        + RESTORE
        + """
    for step in ("warm up", "restore", "first", "second"):
        restore() if step == "restore" else handler(step, None)
    """
    )
    found = records(fresh(code, **SNAP_START))
    assert [(record["cold_start"], record.get("ColdStarts")) for record in found] == [
        (False, None), (True, 1), (False, None),
    ]  # fmt: skip
    assert not any("init_ms" in record for record in found)
    assert len({record["invocation_id"] for record in found}) == 3


def test_what_module_code_needed_before_the_snapshot_is_no_invocations(fresh):
    """The peak of the memory from before the restore isn't the first invocation's."""
    code = (
        DECORATED
        + RESTORE
        + """
    bytearray(120 * 1024 * 1024).find(b"x")
    restore()
    handler({}, None)
    """
    )
    (record,) = records(fresh(code, **SNAP_START))
    assert 5 < record["memory_used_mb"] < 110


def test_failures_of_ours_are_logged_again(fresh):
    """The line from before the snapshot is in the log stream of the initialization."""
    code = (
        DECORATED
        + RESTORE
        + """
    from aws_xray_sdk.core import xray_recorder

    class Emitter:
        def send_entity(self, entity):
            raise OSError

    xray_recorder.emitter = Emitter()
    for step in ("before", "before", "restore", "after", "after"):
        restore() if step == "restore" else handler(step, None)
    """
    )
    lines = [json.loads(line) for line in fresh(code, **SNAP_START, **SAMPLED).splitlines()]
    kinds = ["record" if line.get("record") else line["location"] for line in lines]
    assert kinds == ["trace.leave", "record", "record", "trace.leave", "record", "record"]


SOCKETS = """
    import socket
    daemon = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    daemon.bind(("127.0.0.1", 0))
    daemon.settimeout(60)
    os.environ["AWS_XRAY_DAEMON_ADDRESS"] = "127.0.0.1:%d" % daemon.getsockname()[1]
"""


def test_the_socket_to_the_daemon_is_opened_again(fresh):
    """The one from before the snapshot is closed, and documents go out by the new one."""
    code = (
        "    import os"
        + SOCKETS
        + DECORATED
        + RESTORE
        + """
    from aws_xray_sdk.core import xray_recorder
    handler({}, None)
    daemon.recv(65536)
    old = xray_recorder.emitter._socket
    restore()
    assert old.fileno() == -1
    assert not xray_recorder.emitter._socket.getblocking()
    handler({}, None)
    assert b'"cold_start":true' in daemon.recv(65536)
    """
    )
    fresh(code, **SNAP_START, **SAMPLED)


def test_the_socket_is_opened_again_without_the_x_ray_sdk(fresh):
    """It is another one after the restore, and takes documents; without the SDK there is no other."""
    code = (
        "    import os, stat, sys"
        + SOCKETS
        + DECORATED
        + RESTORE
        + """
    def sockets():
        found = [fd for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{fd}")]
        return {os.fstat(fd).st_ino for fd in found if stat.S_ISSOCK(os.fstat(fd).st_mode)}

    handler({}, None)
    daemon.recv(65536)
    before = sockets()
    restore()
    assert len(sockets()) == len(before) == 2
    assert len(sockets() - before) == 1
    handler({}, None)
    assert b'"cold_start":true' in daemon.recv(65536)
    assert "aws_xray_sdk" not in sys.modules
    """
    )
    fresh(code, **SNAP_START, **SAMPLED)


def test_an_emitter_of_the_users_is_left_alone(fresh):
    """Whatever it holds, only its owner knows how to renew it."""
    code = (
        DECORATED
        + RESTORE
        + """
    from aws_xray_sdk.core import xray_recorder

    class Emitter:
        def send_entity(self, entity):
            sent.append(entity)

    sent = []
    emitter = xray_recorder.emitter = Emitter()
    handler({}, None)
    restore()
    handler({}, None)
    assert xray_recorder.emitter is emitter
    assert len(sent) == 2
    """
    )
    output = fresh(code, **SNAP_START, **SAMPLED)
    assert not any("GuardErrors" in record for record in records(output))


def test_a_failure_of_ours_doesnt_fail_the_restore(fresh):
    """An exception in a hook would end the environment: it is counted and logged as any."""
    code = (
        DECORATED
        + RESTORE
        + """
    from aws_xray_sdk.core import xray_recorder
    handler({}, None)
    xray_recorder.emitter._socket = None
    restore()
    handler({}, None)
    """
    )
    output = fresh(code, **SNAP_START, **SAMPLED)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["location"] for line in lines if "exception_name" in line][:1] == ["snapstart"]
    assert "GuardErrors" in records(output)[-1]
