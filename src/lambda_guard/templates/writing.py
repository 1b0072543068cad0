"""What the tools write as YAML for CloudFormation: in the order of its keys, without aliases, a text on one line."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # the stubs are not ours to ask for

_UNQUOTED: Final = re.compile(r"[A-Za-z]\w*(?:(?:\.|::)\w+)*", re.ASCII)
_BREAKS: Final = re.compile(r"[\n\r\x85\u2028\u2029]")
_SUB: Final = re.compile(r"\$\{")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # the library has no types
    """Writes every text on one line, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's; CloudFormation reads none
        return True

    def choose_scalar_style(self) -> Any:
        """Return no quotes for what intrinsics name, which the library would quote; two where there are lines."""
        if self.event.tag in {"!Ref", "!GetAtt"} and _UNQUOTED.fullmatch(self.event.value):
            return ""
        return '"' if _BREAKS.search(self.event.value) else super().choose_scalar_style()


def _represented(dumper: Any, data: dict[str, Any]) -> Any:
    if len(data) == 1:
        ((key, value),) = data.items()
        if key in {"Ref", "Fn::Sub"} and isinstance(value, str):
            return dumper.represent_scalar(f"!{key.removeprefix('Fn::')}", value)
        if key == "Fn::GetAtt" and (attribute := _attribute(value)):
            return dumper.represent_scalar("!GetAtt", attribute)
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items())


def _attribute(value: Any) -> str:
    """Return `Resource.Attribute`; nothing for what CloudFormation wouldn't take."""
    parts = value if isinstance(value, list) and all(isinstance(part, str) for part in value) else []
    joined = ".".join(parts)
    return joined if joined.split(".", 1) == parts else ""


class _ShortDumper(_Dumper):
    """Writes intrinsics in their short form."""


_ShortDumper.add_representer(dict, _represented)


def as_yaml(document: Mapping[str, Any], *, short: bool = True) -> str:
    """Return a document, or a part of one, as YAML; it ends with a new line.

    Args:
        document: keys and values; intrinsics in their long form.
        short: write intrinsics in their short form; the long one is plain YAML, which any reader reads.
    """
    dumper = _ShortDumper if short else _Dumper
    text = yaml.dump(dict(document), Dumper=dumper, sort_keys=False, width=math.inf, default_flow_style=False)
    return str(text)


def in_sub(text: str) -> str:
    """Return a text as it stands in `Fn::Sub` without being substituted.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
    """
    return _SUB.sub("${!", text)
