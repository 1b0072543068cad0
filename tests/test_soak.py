"""Nothing piles up: thousands of invocations of mixed kinds leave no object, no thread and no descriptor behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INVOCATIONS = 3000
RUN = f"""
import json, sys
sys.path.insert(0, {str(ROOT)!r})
from benchmarks.soak import child
child({INVOCATIONS})
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="the threads are counted as Linux tells them"
)
@pytest.mark.parametrize("tracing", ["on", "otlp"])
def test_nothing_piles_up(tracing, tmp_path):
    """A kilobyte for each invocation would be thousands of blocks; what there is, is what a process keeps by design."""
    environ = {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9", "LAMBDA_GUARD_TRACING": tracing}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = {number: rest for number, _, *rest in map(json.loads, done.stdout.splitlines())}
    (half, *before), (whole, *after) = found[INVOCATIONS // 2], found[INVOCATIONS]
    assert before == after
    assert whole - half < INVOCATIONS / 2
