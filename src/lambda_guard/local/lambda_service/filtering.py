"""`FilterCriteria`: which records of an event source a function gets.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.templates.stack import MappingDeclaration

T = TypeVar("T")


class RecordFilter:
    """The filters of one event source mapping: "If a record satisfies one or more of your filters", it is sent.

    Raises:
        LocalCloudError: a pattern is wrong.
    """

    def __init__(self, declaration: MappingDeclaration, moto: MotoProcess) -> None:
        self._patterns, self._moto = declaration.filters, moto
        try:
            self.passing([], lambda it: it)
        except ValueError as error:
            raise LocalCloudError(f"resource {declaration.logical_id}: FilterCriteria: {error}") from error

    def passing(self, records: Sequence[T], seen: Callable[[T], Any]) -> list[bool]:
        """Return of each record whether it is sent; `seen` returns it as filters see it."""
        if not self._patterns:
            return [True] * len(records)
        return self._moto.matching(self._patterns, [seen(record) for record in records])


def content(text: str) -> Any:
    """Return a message's body or a record's data as filters see it: an object or a list where it is JSON, or the text.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html#filtering-SQS-properly
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (dict, list)) else text
