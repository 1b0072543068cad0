"""What references in a template's policy become: names where they are settled, patterns where they aren't."""

import re
from typing import Final

from lambda_guard.iam.resources import Place
from lambda_guard.templates.owned import KINDS, Kind, local_name
from lambda_guard.templates.survey.functions import properties
from lambda_guard.templates.survey.nodes import Template, Text, Unknown

_REFERENCE: Final = re.compile(r"\$\{(\w+)(?:\.(\w+))?\}")
_INTRINSIC: Final = re.compile(r'"(Fn::\w+|Ref)"')


# No attribute of a parameter is its ARN: policies are written with its name.
_KINDS: Final = {**KINDS, "AWS::SSM::Parameter": Kind("Name", "ssm:{here}:parameter/{name}")}
_ARNS: Final = frozenset({"Arn", "Id", "TopicArn"})


class Names:
    """Names of a template's resources.

    Args:
        template: whose references are replaced.
        place: where it is deployed.
        used: ARNs of what was called: a name that CloudFormation makes, `STACK-LOGICALID-RANDOM`, is taken from these
            if a single one has that form, or is the local cloud's.
    """

    def __init__(self, template: Template, place: Place, used: frozenset[str]) -> None:
        self._template = template
        self._used = used
        self._resources = {name: (kind, resource) for name, kind, resource in template.resources()}
        self._at = f"{place.region or '${AWS::Region}'}:{place.account or '${AWS::AccountId}'}"
        self._partition, self._account = place.partition, place.account

    def pattern(self, text: Text) -> str:
        """Return a text as a pattern of IAM's: what isn't settled in it is a variable, `${…}`."""
        if isinstance(text, Unknown) and (found := _INTRINSIC.search(text.text)):
            return f"${{{found[1]}}}"
        return _REFERENCE.sub(lambda it: self._named(it[0], it[1], it[2]), str(text))

    def _named(self, whole: str, logical_id: str, attribute: str | None) -> str:
        kind, resource = self._resources.get(logical_id, ("", {}))
        if (row := _KINDS.get(kind)) is None:
            return whole
        name = self._name(logical_id, row, kind, resource)
        attribute = attribute or ""
        if attribute == row.arn or attribute in _ARNS:
            return f"arn:{self._partition}:{row.rest.format(here=self._at, name=name)}"
        return name if attribute in {row.name, row.key} else whole

    def _name(self, logical_id: str, row: Kind, kind: str, resource: dict[str, object]) -> str:
        if not row.key:
            return f"${{{logical_id}}}"
        own = properties(self._template, logical_id, kind, resource)
        if (it := own.at(row.key)).raw is not None:
            return str(it.text).removeprefix("/" if kind == "AWS::SSM::Parameter" else "")
        return self._made(logical_id, row, local_name(own, self._account))

    def _made(self, logical_id: str, row: Kind, local: str | None) -> str:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html."""
        before = row.rest.partition("{name}")[0].replace("{here}", "[^:]*:[^:]*")
        # What follows is an index, a version, a log stream, or the six characters of a secret.
        made = rf"[a-z0-9-]+-{logical_id}-[a-z0-9]+" + (f"|(?-i:{re.escape(local)})" if local else "")
        pattern = re.compile(rf"arn:[^:]+:{before}({made})(?:[:/].*|-\?{{6}})?", re.IGNORECASE)
        names = {found[1] for one in self._used if (found := pattern.fullmatch(one))}
        return names.pop() if len(names) == 1 else f"${{{logical_id}}}"
