"""`FilterCriteria`: which records of an event source a function gets.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

import json
from collections.abc import Sequence
from typing import Any

from lambda_guard.local._errors import LocalCloudError
from lambda_guard.local.aws.moto_process import MotoProcess
from lambda_guard.templates.stack import MappingDeclaration


class RecordFilter:
    """The filters of one event source mapping: "If a record satisfies one or more of your filters", it is sent.

    Raises:
        LocalCloudError: a pattern is wrong.
    """

    def __init__(self, declaration: MappingDeclaration, moto: MotoProcess) -> None:
        self._patterns, self._moto = declaration.filters, moto
        try:
            self.passing([])
        except ValueError as error:
            raise LocalCloudError(f"resource {declaration.logical_id}: FilterCriteria: {error}") from error

    def passing(self, documents: Sequence[Any]) -> list[bool]:
        """Return of each record, as filters see it, whether it is sent."""
        return self._moto.matching(self._patterns, documents) if self._patterns else [True] * len(documents)


def content(text: str) -> Any:
    """Return a message's body or a record's data as filters see it: an object or a list where it is JSON, or the text.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html#filtering-SQS-properly
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (dict, list)) else text
