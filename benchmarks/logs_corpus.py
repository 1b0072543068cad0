"""A big log of records, as a busy function's many environments write it.

Interleaved, ten lines an invocation.
"""

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

LINES_EACH = 9
AT_ONCE = 50
START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def write_corpus(path: Path, megabytes: int, seed: int = 1) -> int:
    """Write about this many MB of lines; the same seed gives the same file.

    Returns:
        The number of invocations.
    """
    chance = random.Random(seed)
    running = [_invocation(chance, number) for number in range(AT_ONCE)]
    begun, written = AT_ONCE, 0
    with path.open("wb", buffering=2**20) as file:
        while running:
            place = chance.randrange(len(running))
            line = next(running[place], None)
            if line is not None:
                written += file.write(line)
            elif written < megabytes * 1_000_000:
                running[place] = _invocation(chance, begun)
                begun += 1
            else:
                del running[place]
    return begun


def _invocation(chance: random.Random, number: int) -> Iterator[bytes]:
    began = START + timedelta(milliseconds=number * 7)
    failed = chance.random() < 0.01
    common = {
        "invocation_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "xray_trace_id": f"1-6742a1b5-{chance.getrandbits(96):024x}",
        "function_name": "orders",
        "function_version": "$LATEST",
        "cold_start": number < AT_ONCE,
    }
    for step in range(LINES_EACH):
        yield _encoded(_line(chance, began + timedelta(milliseconds=step * 3), step, common))
    yield _encoded(_record(began + timedelta(milliseconds=31), failed, common))


def _line(chance: random.Random, at: datetime, step: int, common: dict[str, object]) -> dict[str, object]:
    return {
        "level": "DEBUG" if step % 3 else "INFO",
        "location": f"charge:{step + 12}",
        "message": f"step {step} of the order: reserved, charged, and put on its way to the customer",
        "timestamp": _stamp(at),
        "service": "orders",
        "logger": "lambda_guard",
        "order_id": f"o-{chance.randrange(10**6)}",
        "amount": chance.randrange(10_000) / 100,
        **common,
    }


def _record(at: datetime, failed: bool, common: dict[str, object]) -> dict[str, object]:
    error = {
        "type": "PaymentRefused",
        "message": "card declined",
        "fingerprint": "1f2e3d4c5b6a7988",
        "stack": ["billing.py:14 in handler"],
    }
    return {
        "level": "ERROR" if failed else "INFO",
        "message": f"orders {'failed' if failed else 'succeeded'} after 31.0 ms",
        "timestamp": _stamp(at),
        "service": "orders",
        "record": "invocation",
        "outcome": "error" if failed else "success",
        **common,
        "trigger": {"type": "sqs", "source": "arn:aws:sqs:eu-west-1:123456789012:orders", "records": 1},
        **({"error": error} if failed else {}),
        "duration_ms": 31.0,
        "remaining_ms": 2969,
        "memory_used_mb": 71.2,
        "memory_limit_mb": 128,
        "cpu_ms": 11.0,
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "LambdaGuard",
                    "Dimensions": [["service", "function_name"]],
                    "Metrics": [
                        {"Name": "MemoryUtilization", "Unit": "Percent"},
                        {"Name": "CpuUtilization", "Unit": "Percent"},
                    ],
                }
            ],
        },
        "MemoryUtilization": 55.6,
        "CpuUtilization": 35.5,
    }


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encoded(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
