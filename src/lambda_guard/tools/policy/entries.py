"""An entry of a record's `calls` → a call, and why AWS denied it. Pure: a record may hold anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lambda_guard import _names as names
from lambda_guard.iam.called import Called

_MORE: Final = (
    names.CALL_REGION,
    names.CALL_ACCOUNT,
    names.CALL_KIND,
    names.CALL_INDEX,
    names.SOURCE,
    names.CALL_SECRET,
    names.CALL_QUALIFIER,
    names.CALL_CONSUMER,
)
OF_DENIAL: Final = (
    names.DENIED_ACTION,
    names.RESOURCE,
    names.DENIED_BY,
    names.DENIED_POLICY_TYPE,
    names.DENIED_POLICY,
    names.AUTHORIZATION_ID,
)
_WHY: Final = {"explicit": "a policy denies it", "implicit": "nothing allows it"}


@dataclass(slots=True, frozen=True)
class Denied:
    """Why AWS denied a call, as far as its message says so; a text is empty where it doesn't.

    Attributes:
        action: that was missing, e.g. `kms:Decrypt`.
        resource: what it was missing on.
        deny: `implicit` if nothing allowed it, `explicit` if a policy denied it.
        policy_type: e.g. `service control`.
        policy: the ARN of the policy that denied it.
        authorization_id: for `iam-toolbox:GetRequestAuthorizationDetails`.
    """

    action: str = ""
    resource: str = ""
    deny: str = ""
    policy_type: str = ""
    policy: str = ""
    authorization_id: str = ""

    def __str__(self) -> str:
        """Say it in words, after a colon; nothing where AWS said nothing."""
        kind = f"{self.policy_type} policy".replace("boundary policy", "boundary") if self.policy_type else ""
        what = " on ".join(filter(None, (self.action, self.resource)))
        id_ = f"authorization id {self.authorization_id}" if self.authorization_id else ""
        said = ", ".join(filter(None, (what, _WHY.get(self.deny, ""), kind, self.policy, id_)))
        return f": {said}" if said else ""


def called_of(entry: Mapping[str, object]) -> Called:
    """Return the call of an entry."""
    return Called(
        str(entry.get(names.SERVICE)),
        str(entry.get(names.OPERATION)),
        _text(entry, names.RESOURCE) or None,
        **{name: _text(entry, name) for name in _MORE},
        presigned=entry.get(names.CALL_PRESIGNED) is True,
    )


def denied_of(denied: Mapping[str, object]) -> Denied:
    """Return what an entry's `denied` says."""
    action, resource, *others = (_text(denied, name) for name in OF_DENIAL)
    return Denied(action, resource, *others)


def _text(entry: Mapping[str, object], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""
