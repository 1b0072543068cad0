"""AWS's answers: paginated, kept in a file so that an audit goes on where it was, and refused once.

https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from lambda_guard.tools.aws import Clients, CloudError, NoSuchResourceError, NotPermittedError, explained
from lambda_guard.tools.files import naming, write_all

_KIND: Final = "lambda-guard audit"


class Asking:
    """Asks AWS, each question once.

    Args:
        clients: of the account and Region.
        state: where answers are kept, and read from; None to keep none.

    Attributes:
        refused: why an operation isn't permitted, by service and name; it isn't asked again.
        account: the account's number.
        region: of the clients.

    Raises:
        CloudError: the state is of another account or Region, or isn't one.
    """

    def __init__(self, clients: Clients, state: Path | None) -> None:
        self._clients = clients
        self.refused: dict[str, str] = {}
        self.region = str(clients("lambda").meta.region_name)
        with explained("ask whose credentials these are"):
            self.account = str(clients("sts").get_caller_identity()["Account"])
        self._head = {_KIND: 1, "account": self.account, "region": self.region}
        self._state = state
        self._known = {} if state is None else dict(self._read(state))
        self.resumed = len(self._known)

    def pages(self, service: str, operation: str, key: str, **request: Any) -> list[Any]:
        """Return the entries of all pages; none where the permission is missing, or nothing has that name.

        Raises:
            CloudError: AWS can't be reached, or goes on throttling.
        """

        def ask() -> list[Any]:
            paginator = self._clients(service).get_paginator(operation)
            return [entry for page in paginator.paginate(**request) for entry in page.get(key, [])]

        return self._asked(service, operation, request, ask) or []

    def one(self, service: str, operation: str, **request: Any) -> dict[str, Any] | None:
        """Return an answer; None where the permission is missing, or nothing has that name.

        Raises:
            CloudError: likewise.
        """

        def ask() -> Any:
            answer = getattr(self._clients(service), operation)(**request)
            return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

        found: dict[str, Any] | None = self._asked(service, operation, request, ask)
        return found

    def _asked(self, service: str, operation: str, request: dict[str, Any], ask: Callable[[], Any]) -> Any:
        question = json.dumps([service, operation, request], sort_keys=True)
        if question in self._known or f"{service}.{operation}" in self.refused:
            return self._known.get(question)
        try:
            with explained(f"call {operation} of {service}", when_throttled=_THROTTLED):
                answer = ask()
        except NotPermittedError as error:
            self.refused[f"{service}.{operation}"] = str(error)
            return None
        except NoSuchResourceError:
            answer = None
        self._known[question] = answer
        self._keep([question, answer])
        return answer

    def _keep(self, entry: Any) -> None:
        if self._state is None:
            return
        new = not self._state.exists()
        with naming(self._state):
            file = os.open(self._state, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            lines = [self._head, entry] if new else [entry]
            text = "".join(json.dumps(scrubbed(line), default=str) + "\n" for line in lines)
            write_all(file, text.encode(), self._state)
        finally:
            os.close(file)

    def _read(self, state: Path) -> Iterator[tuple[str, Any]]:
        """Yield what is kept; a last line that was cut off is asked again."""
        if not state.exists():
            return
        with naming(state):
            head, *lines = state.read_text(encoding="utf-8").split("\n")
        if _parsed(head) != self._head:
            raise CloudError(
                f"{state} isn't the state of an audit of account {self.account} in {self.region}: name another file"
            )
        for line in lines[:-1]:
            entry = _parsed(line)
            if isinstance(entry, list):
                yield entry[0], entry[1]

    def done(self) -> None:
        """Delete what was kept: the next audit asks anew."""
        if self._state is not None:
            self._state.unlink(missing_ok=True)


_THROTTLED: Final = "AWS goes on throttling: run it again later; with --state FILE it goes on where it was"


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def scrubbed(answer: Any) -> Any:
    """Return an answer without the values of environment variables that aren't ours: they may be secrets."""
    if isinstance(answer, list):
        return [scrubbed(entry) for entry in answer]
    if not isinstance(answer, dict):
        return answer
    variables = answer.get("Variables")
    if isinstance(variables, dict):
        ours = {name: value for name, value in variables.items() if name.startswith(_OURS)}
        return {**answer, "Variables": ours}
    return {key: scrubbed(value) for key, value in answer.items()}


_OURS: Final = ("LAMBDA_GUARD_", "AWS_LAMBDA_EXEC_WRAPPER")
