"""A place is a Region of an account: how it is asked, and how work is done in many of them at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from lambda_guard.tools.aws import Clients, CloudError, clients_of, error_code, explained
from lambda_guard.tools.stopping import Stop

AT_ONCE: Final = 8
INTERRUPTED: Final = "interrupted before it was begun"
_RETRIES: Final = {"retries": {"mode": "standard", "total_max_attempts": 8}, "connect_timeout": 10}
# The credentials are good, for STS knew them; a Region that is off doesn't.
# https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
_REGION_OFF: Final = {
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "OptInRequired",
    "RegionDisabledException",
}
_ADVICE: Final = {
    "CodeStorageExceededException": "delete layer versions and functions that nobody uses, or ask for a higher quota",
    "PolicyLengthExceededException": "share it with the organization rather than with single accounts",
    "RequestEntityTooLargeException": "build the layer for fewer targets with --python and --arch",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A Region of an account.

    Attributes:
        account: its id.
        session: of boto3, with the credentials for it.
        lock: held while a client is made: sessions aren't thread-safe, clients are.
    """

    account: str
    region: str
    session: Any = field(repr=False, compare=False)
    lock: Any = field(repr=False, compare=False)

    def clients(self, **settings: Any) -> Clients:
        """Return clients for it; `settings` as of `clients_of`, on top of what is usual here."""
        clients = clients_of(self.session, self.region, **{**_RETRIES, "read_timeout": 60, **settings})

        def client(service: str) -> Any:
            with self.lock:
                return clients(service)

        return client

    @contextmanager
    def asked(self, what: str) -> Iterator[None]:
        """Turn errors of AWS into sentences that say what to do here.

        Raises:
            CloudError: as of `explained`.
        """
        try:
            with explained(what):
                yield
        except CloudError as error:
            if (said := self._advice(error)) == "":
                raise
            raise CloudError(said) from error.__cause__

    def _advice(self, error: CloudError) -> str:
        from botocore.exceptions import EndpointConnectionError

        cause: Any = error.__cause__
        if (code := error_code(cause)) in _REGION_OFF:
            return (
                f"the Region isn't enabled in this account ({code}): enable it (aws account enable-region "
                f"--region-name {self.region}) and wait until it is on, or leave it out"
            )
        if isinstance(cause, EndpointConnectionError):
            return f"{error}; has AWS a Region {self.region}, and does a network lead there?"
        return f"{error}; {_ADVICE[code]}" if code in _ADVICE else ""

    def __str__(self) -> str:
        return f"{self.region}  {self.account}"


class Outcome(Protocol):
    """What came of the work in a place.

    Attributes:
        problem: why it couldn't be done; empty where it was.
    """

    problem: str


Result = TypeVar("Result", bound=Outcome)


def everywhere(
    places: Sequence[Place],
    work: Callable[[Place], Result],
    failed: Callable[[Place, str], Result],
    done: Callable[[Result], object],
    *,
    stop: Stop,
    at_once: int = AT_ONCE,
) -> list[Result]:
    """Work in all places, several at a time; one that fails doesn't stop the others.

    Args:
        places: where.
        work: what to do; a `CloudError` ends it for this place.
        failed: makes a result of the reason for which a place isn't done.
        done: is called with each result as it comes.
        stop: the wish to end: what has begun is finished, what hasn't isn't begun.
        at_once: how many at a time.

    Returns:
        The results in the order of the places.
    """

    def one(place: Place) -> Result:
        if stop.requested:
            return failed(place, INTERRUPTED)
        try:
            return work(place)
        except CloudError as error:
            return failed(place, str(error))

    with pool(at_once) as executor:
        futures = [executor.submit(one, place) for place in places]
        for future in as_completed(futures):
            done(future.result())
    return [future.result() for future in futures]


@contextmanager
def pool(at_once: int) -> Iterator[Executor]:
    """Give a pool of threads that an error or a Ctrl-C doesn't wait for: they may wait for the network."""
    executor = ThreadPoolExecutor(at_once, thread_name_prefix="place")
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()
