"""Packing batches: by count, by bytes, and never two of one ordered group together. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from lambda_guard.tools.dlq.message import Attributes

Item = TypeVar("Item")

ENTRIES_MOST: Final = 10
BYTES_MOST: Final = 1_048_576
"""SendMessageBatch: "The total size of all messages that you send in a single call can't exceed 1 MiB".

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
"""


def pack(
    items: Iterable[Item], size_of: Callable[[Item], int], group_of: Callable[[Item], str]
) -> Iterator[list[Item]]:
    """Put items into batches, in their order.

    A batch may succeed in part: were two of one FIFO group in it, the second could overtake the first.

    Args:
        items: what to pack.
        size_of: the bytes that SQS counts.
        group_of: the FIFO group, of which only one may be in a batch; empty where order doesn't matter.
    """
    batch: list[Item] = []
    size, groups = 0, set[str]()
    for item in items:
        more, group = size_of(item), group_of(item)
        if batch and (len(batch) == ENTRIES_MOST or size + more > BYTES_MOST or group in groups):
            yield batch
            batch, size, groups = [], 0, set()
        batch.append(item)
        size += more
        groups |= {group} if group else set()
    if batch:
        yield batch


def message_bytes(body: str, attributes: Attributes) -> int:
    """Count as SQS does: the body, and name, type and value of each message attribute."""
    size = len(body.encode("utf-8", "surrogatepass"))
    for name, value in attributes.items():
        texts = (name, value.get("DataType", ""), value.get("StringValue", ""))
        size += sum(len(text.encode()) for text in texts) + len(value.get("BinaryValue", b""))
    return size
