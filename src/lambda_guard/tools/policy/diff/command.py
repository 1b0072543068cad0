"""`lambda-guard policy --diff`: its options, and what it does with them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from lambda_guard.errors import LambdaGuardError
from lambda_guard.iam.called import asked_in
from lambda_guard.iam.resources import Place
from lambda_guard.tools.aws import Clients, clients_of, new_clients, new_session
from lambda_guard.tools.options import added, json_option, parameters_option
from lambda_guard.tools.policy.diff.account import Account
from lambda_guard.tools.policy.diff.denials import denials
from lambda_guard.tools.policy.diff.difference import difference
from lambda_guard.tools.policy.diff.granted import Granted
from lambda_guard.tools.policy.diff.report import document, lines
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.needs import Needs
from lambda_guard.tools.policy.unmade import Code
from lambda_guard.tools.terminal import Palette

_POLICY_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/.+")
_ROLE: Final = re.compile(r"(?:arn:aws[a-z-]*:iam::[0-9]{12}:role/)?[\w+=,.@/-]+", re.ASCII)
_FILE: Final = re.compile(r".*\.(?:json|ya?ml|template)$|.*[/\\].*", re.IGNORECASE)


@dataclass(slots=True, frozen=True)
class Comparison:
    """What `--diff` was asked for.

    Attributes:
        given: a role, a policy or a template.
        as_json: write JSON.
        parameters: of the template.
    """

    given: str
    as_json: bool
    parameters: Mapping[str, str]

    def report(
        self, evidence: Evidence, needs: Needs, place: Place, doubts: Sequence[str], code: Code | None
    ) -> tuple[str, bool]:
        """Return the report, and whether anything differs, couldn't be read or isn't known.

        Raises:
            LambdaGuardError: what it is compared with can't be read.
        """
        account = Account(lambda region: _clients(region or place.region))
        granted = self._granted(evidence.function, needs, place, account)
        found = difference(granted, needs, denials(evidence, granted, place, account.evaluated))
        found.doubt(code.actions() if code is not None else {})
        if self.as_json:
            made = document(evidence.function, granted, found, needs.granted)
            made |= {"evidence": list(evidence.lines()), "draft": list(doubts)}
            text = f"{json.dumps(made, indent=2)}\n"
        else:
            listed = lines(evidence.function, granted, found, needs.granted, Palette(on=False))
            text = "".join(f"{line}\n" for line in listed)
        unknown = any(asked_in(it) is None for it in evidence.calls)
        return text, bool(found or granted.unread or unknown)

    def _granted(self, function: str, needs: Needs, place: Place, account: Account) -> Granted:
        if Path(self.given).is_file():
            return self._of_file(function, needs, place, account)
        if _POLICY_ARN.fullmatch(self.given):
            return _readable(account.policy(self.given))
        if _FILE.fullmatch(self.given) and not self.given.startswith("arn:"):
            raise LambdaGuardError(f"--diff: there is no file {self.given}")
        if not _ROLE.fullmatch(self.given):
            raise click.UsageError(f"--diff: {self.given!r} is neither a role, nor a policy, nor a file")
        return account.role(self.given, function)

    def _of_file(self, function: str, needs: Needs, place: Place, account: Account) -> Granted:
        """Return what a file grants: JSON with a `Statement` is a policy, anything else a template."""
        try:
            read = json.loads(Path(self.given).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise LambdaGuardError(f"--diff: {self.given} can't be read: {error.strerror}") from error
        except ValueError:
            read = None
        if isinstance(read, dict) and "Resources" not in read:
            granted = Granted(f"the policy {self.given}")
            granted.add(read, Path(self.given).name)
            return _readable(granted)
        # Late: it imports SAM's translator.
        from lambda_guard.tools.policy.diff.template import TemplateRole

        used = frozenset(need.resource for need in needs.granted)
        return TemplateRole(
            self.given, function, place, parameters=self.parameters, used=used, account=account
        ).granted()


def _readable(granted: Granted) -> Granted:
    """Return what a single policy grants, which was read or wasn't."""
    if granted.unread:
        raise LambdaGuardError(f"--diff: {granted.unread[0]}")
    return granted


def _clients(region: str | None) -> Clients:
    """Return clients that soon give up: a template is compared without an account, too."""
    settings = {
        "retries": {"mode": "standard", "total_max_attempts": 3},
        "connect_timeout": 5,
        "read_timeout": 20,
    }
    return new_clients(**settings) if region is None else clients_of(new_session(), region, **settings)


_OPTIONS: Final = added(
    click.option(
        "--diff",
        metavar="ROLE|POLICY|TEMPLATE",
        help="Compare with what this grants: the name or ARN of a role, a policy's file or ARN, or a template's file.",
    ),
    json_option,
    parameters_option,
)


def diff_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options, which the command gets as `comparison`: a Comparison, or None without --diff."""

    @wraps(command)
    def compared(diff: str | None, as_json: bool, parameters: Mapping[str, str], **others: Any) -> int:
        if diff is None and (as_json or parameters):
            raise click.UsageError("--json goes with --diff, and --parameter with --diff or --template")
        comparison = None if diff is None else Comparison(diff, as_json, parameters)
        return command(comparison=comparison, **others)

    return _OPTIONS(compared)
