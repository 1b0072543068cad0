"""What is granted: statements from wherever they were read, and what couldn't be read of them."""

from dataclasses import dataclass, field
from typing import Any

from lambda_guard.iam.matcher import PolicyError, Statement, statements_of


@dataclass(slots=True)
class Granted:
    """What a role, a policy or a template's function grants.

    Attributes:
        what: its name, for people.
        statements: of all policies.
        boundary: those of the permissions boundary; None without one.
        sends: patterns of what Lambda itself sends failed events and results to.
        unread: what couldn't be read, a sentence each.
    """

    what: str
    statements: list[Statement] = field(default_factory=list)
    boundary: list[Statement] | None = None
    sends: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def add(self, document: Any, policy: str) -> None:
        """Add the statements of a policy, or the reason why it isn't one."""
        try:
            self.statements += statements_of(document, policy)
        except PolicyError as error:
            self.unread.append(str(error))

    def limit(self, limits: "Granted") -> None:
        """Take what was read of the permissions boundary, which limits nothing where it couldn't be read."""
        self.unread += limits.unread
        if limits.statements or not limits.unread:
            self.boundary = limits.statements
