"""ARNs, taken apart: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""

from typing import NamedTuple

_FIELDS = 6


class Arn(NamedTuple):
    """An ARN's fields; region and account are empty where the service has none there (S3)."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def name(self) -> str:
        """The last part of the resource: a queue's, topic's, table's, stream's or bucket's name."""
        return self.resource.rpartition(":")[2].rpartition("/")[2]


def parse(text: str) -> Arn | None:
    """Return the fields of an ARN; None for any other text."""
    fields = text.split(":", _FIELDS - 1)
    return Arn(*fields[1:]) if len(fields) == _FIELDS and fields[0] == "arn" else None


def resource_path(text: str) -> str:
    """Return what follows the kind in an ARN's resource: `a/b` of `rule/a/b`; empty for any other text."""
    arn = parse(text)
    return arn.resource.partition("/")[2] if arn is not None else ""


def region(text: str) -> str:
    """Return an ARN's region; empty where it has none, and for any other text."""
    arn = parse(text)
    return arn.region if arn is not None else ""


def name(text: str) -> str:
    """Return the name at the end of an ARN, of a path, or of a text that is a name already."""
    return text.rpartition(":")[2].rpartition("/")[2]


def function(text: str) -> tuple[str, str]:
    """Return a function's name and its qualifier, which may be empty.

    Args:
        text: a name, a partial ARN (`123456789012:function:orders`) or a full one, each with or without a version or
            alias: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestParameters.
    """
    parts = text.split(":")
    if "function" in parts[:-1]:
        parts = parts[parts.index("function") + 1 :]
    return parts[0], ":".join(parts[1:])


def layer(text: str) -> str:
    """Return a layer's name from its ARN, with or without a version; any other text as it is."""
    arn = parse(text)
    return arn.resource.split(":")[1] if arn is not None and arn.resource.startswith("layer:") else text


def stream(text: str) -> str:
    """Return the name of a Kinesis stream, or the table of a DynamoDB stream, from its ARN."""
    return resource_path(text).partition("/")[0] if parse(text) is not None else text
