"""Who is answered: this machine's programs and pages, on every port."""

import contextlib
import http.client
import os
import socket
from pathlib import Path

import pytest

from lambda_guard.local.runtime.runtime_api import RuntimeApi

CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(scope="module")
def cloud(pages):
    """Return a cloud with an API and a queue, whose function has run once."""
    pages.request("GET", "/warm")
    return pages


@pytest.fixture(scope="module")
def ports(cloud):
    """Return the ports that there are, by what they serve."""
    runtime = RuntimeApi()
    yield {
        "services": int(cloud.endpoint.rpartition(":")[2]),
        "api": int(cloud.api_url().rpartition(":")[2]),
        "lambda": int(cloud._lambda_endpoint.address.rpartition(":")[2]),
        "runtime": int(runtime.address.rpartition(":")[2]),
    }
    runtime.close()


PATHS = {
    "services": "/latest/meta-data/",
    "api": "/x",
    "lambda": "/2015-03-31/functions/",
    "runtime": "/2018-06-01/runtime/restore/next",
}
EVERY_PORT = pytest.mark.parametrize("port", PATHS)


def asked(number, path, headers, method="GET", body=None):
    """Send a request with these headers and no others, and return status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", number, timeout=240)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@EVERY_PORT
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:3000",
        "LOCALHOST.",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]:80",
        "bucket.s3.localhost:4566",
    ],
)
def test_names_of_this_machine_are_answered(ports, port, host):
    """Whichever the port: it may have been forwarded."""
    assert asked(ports[port], PATHS[port], {"Host": host})[0] == 200


@EVERY_PORT
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4566",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "192.168.1.5:4566",
        "[2001:db8::1]",
        "host.docker.internal:4566",
        "localhost@evil.example",
        "localhost, evil.example",
        "",
    ],
)
def test_other_names_are_refused(ports, port, host):
    """By DNS rebinding, a page reaches loopback under a name of its own; the answer says which names hold."""
    status, headers, text = asked(ports[port], PATHS[port], {"Host": host})

    assert (status, headers["content-type"].partition(";")[0]) == (403, "text/plain")
    assert text == (
        f"Refused: the Host header is {host!r}, and the local cloud answers localhost, names that end in .localhost, "
        "127.0.0.1 and [::1]. If a container or a proxy uses another name for this machine, give it one that ends in "
        ".localhost."
    )


@EVERY_PORT
@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example:3000"},
        {"Origin": "null"},
        CROSS_SITE,
        {**CROSS_SITE, "Referer": "https://evil.example/http://localhost/"},
        {**LINK, "Sec-Fetch-Dest": "iframe"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_other_sites_are_refused(cloud, ports, port, sent, method):
    """Nothing runs, and no header lets the page read the answer."""
    before = len(cloud.results())
    status, headers, text = asked(ports[port], PATHS[port], {"Host": "localhost", **sent}, method)

    assert status == 403
    assert text.startswith("Refused: a page of ")
    assert text.endswith(" serve yours from http://localhost, on any port.")
    assert not [name for name in headers if name.startswith("access-control")]
    assert len(cloud.results()) == before


@EVERY_PORT
@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://[::1]:5173"},
        {"Origin": "http://shop.localhost"},
        {"Origin": "capacitor://localhost"},
        {**CROSS_SITE, "Referer": "http://localhost:3000/shop?page=1"},
        {**CROSS_SITE, "Sec-Fetch-Site": "same-site"},
        {**LINK, "Sec-Fetch-Site": "none"},
    ],
)
def test_pages_of_this_machine_are_answered(ports, port, sent):
    """A front end on http://localhost:3000 calls the API, and shows pictures of a bucket."""
    assert asked(ports[port], PATHS[port], {"Host": "127.0.0.1", **sent})[0] == 200


def test_a_link_leads_to_an_api_and_to_nothing_else(ports):
    """The redirect after a login comes from another site; SQS would take an action from the URL."""
    found = {port: asked(ports[port], PATHS[port], {"Host": "localhost", **LINK})[0] for port in PATHS}

    assert found == {"services": 403, "api": 200, "lambda": 403, "runtime": 403}
    assert asked(ports["api"], "/x", {"Host": "localhost", **LINK}, "POST")[0] == 403


def test_a_request_without_a_host_is_a_programs(ports):
    """HTTP/1.0 has none, and browsers always send one."""
    with socket.create_connection(("127.0.0.1", ports["api"]), timeout=240) as connection:
        connection.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"200"


def test_the_services_reflect_no_origin(cloud, ports):
    """A page may read what a bucket's own rules let it read, as on AWS."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": cloud.region})
    s3.put_object(Bucket="pictures", Key="cat", Body=b"miaow", ACL="public-read")
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://localhost:3000"]}]

    def allowed(origin):
        status, headers, text = asked(
            ports["services"], "/cat", {"Host": "pictures.s3.localhost:4566", "Origin": origin}
        )
        assert (status, text) == (200, "miaow")
        return headers.get("access-control-allow-origin")

    assert allowed("http://localhost:3000") is None
    s3.put_bucket_cors(Bucket="pictures", CORSConfiguration={"CORSRules": rules})
    assert allowed("http://localhost:3000") == "http://localhost:3000"
    assert allowed("http://localhost:3001") is None


@pytest.mark.parametrize("path", ["/moto-api/reset", "/%6doto-api/reset"])
@pytest.mark.parametrize(
    "sent",
    [{"Origin": "http://localhost:3000"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_motos_control_api_is_closed_to_pages(cloud, ports, path, sent):
    """A reset would take every queue away."""
    answer = asked(ports["services"], path, {"Host": "localhost", **sent}, "POST")

    assert (answer[0], answer[2]) == (
        403,
        "Refused: /moto-api isn't open to browsers; call it from a program.",
    )
    assert cloud.messages("Queue")["visible"] == 0
    assert asked(ports["services"], "/moto-api/data.json", {"Host": "localhost"})[0] == 200


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_every_socket_is_bound_to_loopback(cloud):
    """TCP and UDP, IPv4 and IPv6, of our own process, moto's and the functions'."""
    pids = [os.getpid(), cloud._moto._process.pid, *cloud.function("Pages").pids()]
    ours, bound = set(), set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                ours.add(str(entry.readlink()))
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == state and f"socket:[{fields[9]}]" in ours:
                bound.add((table, fields[1].partition(":")[0]))

    assert bound == {("tcp", "0100007F"), ("udp", "0100007F")}
