"""Who calls on loopback, and is answered: the programs of this machine, and the pages that it serves.

A page of any site can send requests to loopback and, by DNS rebinding, read the answers under a name of its own.
Browsers write where a request comes from: https://fetch.spec.whatwg.org/#origin-header and
https://w3c.github.io/webappsec-fetch-metadata/ (`Sec-Fetch-*`, also where there is no `Origin`: images, links).
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address

FUNCTION_KEY = "ASIALOCAL-"
"""A function's access key is this and its name."""
AUTHORIZE = "/local/authorize"
"""Where moto's process asks whether a function may make a call."""
DELIVER = "/local/deliver"
"""Where moto's process sends what is for functions."""
FILTER = "/local/filter"
"""Where the cloud asks moto's process which records an event source's filters let pass."""
_PLACE = re.compile(
    r"(?:[a-z][a-z\d+.-]*://)?(\[[\da-f:.]+\]|[\w.-]+)(?::\d+)?(?:/.*)?", re.ASCII | re.IGNORECASE
)


def refusal(method: str, headers: Mapping[str, str], *, links: bool = False) -> str | None:
    """Return why a request isn't answered; None where it is.

    Args:
        method: for example `GET`.
        headers: by lower-case name.
        links: whether a page of any site may lead the browser here, as the redirect after a login does.
    """
    host = headers.get("host", "localhost")
    if not is_loopback(host):
        return (
            f"Refused: the Host header is {host!a}, and the local cloud answers localhost, names that end in "
            ".localhost, 127.0.0.1 and [::1]. If a container or a proxy uses another name for this machine, "
            "give it one that ends in .localhost."
        )
    origin = _origin(method, headers, links=links)
    if origin is None or is_loopback(origin):
        return None
    return (
        f"Refused: a page of {origin!a} sent this, and the local cloud answers pages of this machine: serve yours "
        "from http://localhost, on any port."
    )


def _origin(method: str, headers: Mapping[str, str], *, links: bool) -> str | None:
    """Return where the page is from that sent a request; None for a program, or for what the user typed."""
    if "origin" in headers or headers.get("sec-fetch-site") != "cross-site":
        return headers.get("origin")
    led = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if links and led and method == "GET":
        return None
    # For a browser, http://localhost and http://127.0.0.1 are two sites.
    return headers.get("referer", "another site")


def is_loopback(place: str) -> bool:
    """Whether a host, an origin or a URL is of this machine, whichever the port."""
    found = _PLACE.fullmatch(place)
    name = found[1].strip("[]").rstrip(".").lower() if found else ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return f".{name}".endswith(".localhost")
