"""In moto's process: how a method of moto's is replaced by one that knows it, under a lock where it needs one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any


def replaces(
    owner: Any, name: str, *, lock: AbstractContextManager[Any] | None = None
) -> Callable[[Any], Any]:
    """Put the decorated function in the place of a method, which it gets as its first argument."""
    original = getattr(owner, name)

    def replace(function: Any) -> Any:
        @wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            return function(original, *args, **kwargs)

        setattr(owner, name, method if lock is None else locked(method, lock))
        return function

    return replace


def locked(method: Any, lock: AbstractContextManager[Any]) -> Any:
    """Return a method that holds a lock while it runs."""

    @wraps(method)
    def under_lock(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return method(*args, **kwargs)

    return under_lock
