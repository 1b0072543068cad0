"""A policy that is to be written, with all that a format needs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lambda_guard._printable import visible
from lambda_guard.iam.resources import Place
from lambda_guard.templates.owned import Owned
from lambda_guard.tools.policy.limits import parts
from lambda_guard.tools.policy.statements import Statement, name_of


@dataclass(frozen=True)
class Made:
    """The policy of a function.

    Attributes:
        function: its name.
        statements: in a stable order.
        place: where the function is.
        notes: what it rests on, and why it is a draft: a line each.
        owned: what the function's template owns.
    """

    function: str
    statements: Sequence[Statement]
    place: Place
    notes: Sequence[str] = ()
    owned: Owned = field(default_factory=Owned)

    @cached_property
    def parts(self) -> list[list[Statement]]:
        """The policies: one that is inline, or several managed ones."""
        return parts(self.statements)

    @property
    def managed(self) -> bool:
        """Whether it is too large for an inline policy."""
        return len(self.parts) > 1

    def plain(self, it: Statement) -> dict[str, Any]:
        """Return a statement as a template has it: with references to what the template owns."""
        return {**it.plain(), "Resource": [self.owned.reference(arn) for arn in it.resources]}

    @property
    def role(self) -> Any:
        """What refers to the name of the function's role; None where its template doesn't settle that."""
        arn = f"{self.place.region}:{self.place.account}:function:{self.function}"
        return self.owned.role(f"arn:{self.place.partition}:lambda:{arn}")

    def named(self, suffix: str) -> list[str]:
        """Return names for the parts, of letters and digits: `OrdersPolicy`, or `OrdersPolicy1` and so on."""
        name = f"{name_of(self.function)}{suffix}"
        return [f"{name}{number}" for number in range(1, len(self.parts) + 1)] if self.managed else [name]

    def head(self) -> str:
        """Return the comment at the top, for languages whose comments begin with `#`."""
        return "".join(
            comment(line) for line in (f"What {self.function} may do, by lambda-guard policy.", *self.notes)
        )


def comment(text: str) -> str:
    """Return a line of comment: whatever the text holds, it ends where the line ends."""
    return f"# {visible(text)}\n"
