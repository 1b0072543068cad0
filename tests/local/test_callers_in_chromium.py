"""What a page can do to the local cloud, in a real browser: a developer's front end, and a page of another site."""

import http.server
import threading

import pytest

from ..tools.logs.webdriver import CHROMIUM, DRIVER, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH"),
]

EVIL = "evil.example"
FETCHED = """
const [url, options] = arguments;
return fetch(url, options).then(async (it) => [it.type, it.status, await it.text()], (error) => error.name);
"""
LOADED = """
const [tag, url] = arguments;
return new Promise((done) => {
  const element = document.createElement(tag);
  element.onload = element.onerror = () => done();
  element.src = url;
  document.body.append(element);
});
"""
POSTED = """
const [url, fields] = arguments;
return new Promise((done) => {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  frame.name = "answer";
  document.body.append(frame, form);
  Object.assign(form, {method: "POST", action: url, target: "answer"});
  for (const [name, value] of Object.entries(fields)) {
    form.append(Object.assign(document.createElement("input"), {name, value}));
  }
  frame.onload = () => done();
  form.submit();
});
"""


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<!doctype html><title>page</title><body><a href='%s'>on</a>" % self.path[1:].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def page_port():
    """Serve a page, whichever the host, and return the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a browser for which the other site's name leads to loopback, as after DNS rebinding."""
    with Browser(
        tmp_path_factory.mktemp("profile"), f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    ) as browser:
        yield browser


@pytest.fixture(scope="module")
def cloud(pages):
    """Return a cloud with an API that answers preflights for any origin, and a queue."""
    return pages


def asked_for(cloud):
    """Return the results of what was asked for: a browser fetches the icon of a page when it likes, in a later test too."""
    return [result for result in cloud.results() if not any("/favicon.ico" in line for line in result.lines)]


@pytest.fixture
def ran(cloud):
    """Return a function that gives the requests for which the function has run in this test."""
    before = len(asked_for(cloud))
    return lambda: [
        line.removeprefix("for ")
        for result in asked_for(cloud)[before:]
        for line in result.lines
        if line.startswith("for ")
    ]


@pytest.fixture(params=["localhost", "127.0.0.1"])
def api(request, cloud):
    """Return the API's URL, by name and by address: for a browser, two sites."""
    return cloud.api_url().replace("127.0.0.1", request.param)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "shop.localhost"])
def test_a_front_end_on_this_machine_calls_the_api(browser, api, page_port, ran, host):
    """Simple and preflighted requests, images and forms; the function answers the preflight."""
    browser.visit(f"http://{host}:{page_port}/")
    sent = {"method": "PUT", "headers": {"content-type": "application/json", "x-own": "1"}, "body": "{}"}

    assert browser.run(FETCHED, f"{api}/read") == ["cors", 200, '{"method": "GET", "body": null}']
    assert browser.run(FETCHED, f"{api}/write", sent) == ["cors", 200, '{"method": "PUT", "body": "{}"}']
    browser.run(LOADED, "img", f"{api}/image")
    browser.run(POSTED, f"{api}/form", {"a": "1"})
    assert ran() == ["GET /read", "OPTIONS /write", "PUT /write", "GET /image", "POST /form"]


def test_a_page_of_another_site_runs_nothing_and_reads_nothing(browser, cloud, page_port, ran):
    """Neither by fetch, simple, opaque or preflighted, nor by a form, an image, a script or a frame."""
    api = cloud.api_url()
    browser.visit(f"http://{EVIL}:{page_port}/")
    found = {
        "simple": browser.run(FETCHED, f"{api}/read"),
        "post": browser.run(FETCHED, f"{api}/write", {"method": "POST", "body": "{}"}),
        "opaque": browser.run(FETCHED, f"{api}/write", {"method": "POST", "body": "{}", "mode": "no-cors"}),
        "preflighted": browser.run(FETCHED, f"{api}/write", {"method": "PUT", "headers": {"x-own": "1"}}),
    }
    browser.run(POSTED, f"{api}/form", {"a": "1"})
    for tag in ("img", "script", "iframe"):
        browser.run(LOADED, tag, f"{api}/{tag}")

    assert found == {
        "simple": "TypeError",
        "post": "TypeError",
        "opaque": ["opaque", 0, ""],
        "preflighted": "TypeError",
    }
    assert ran() == []


def test_a_page_of_another_site_does_not_reach_the_services(browser, cloud, page_port):
    """Neither a queue, nor Lambda's Invoke, nor moto's reset, which a page of this machine doesn't reach, either."""
    queue, invoke = cloud.queue_url("Queue"), f"{cloud.endpoint}/2015-03-31/functions/Pages/invocations"
    opaque = {"method": "POST", "mode": "no-cors", "body": "{}"}
    before = len(asked_for(cloud))
    for host in (EVIL, "localhost"):
        browser.visit(f"http://{host}:{page_port}/")
        browser.run(FETCHED, f"{cloud.endpoint}/moto-api/reset", opaque)
        browser.run(POSTED, f"{cloud.endpoint}/moto-api/reset", {})
        assert browser.run(FETCHED, f"{cloud.endpoint}/moto-api/data.json") == "TypeError"
    browser.visit(f"http://{EVIL}:{page_port}/")
    browser.run(FETCHED, invoke, opaque)
    browser.run(POSTED, queue, {"Action": "SendMessage", "MessageBody": "x", "Version": "2012-11-05"})
    browser.run(LOADED, "img", f"{queue}?Action=DeleteQueue&Version=2012-11-05")

    assert cloud.messages("Queue") == {"visible": 0, "in_flight": 0, "delayed": 0}
    assert len(asked_for(cloud)) == before


def test_a_rebound_name_is_told_why(browser, cloud, ran):
    """The page would be of the API's own origin; what it gets is the refusal."""
    for url in (cloud.api_url(), cloud.endpoint):
        browser.visit(f"{url.replace('127.0.0.1', EVIL)}/read")
        [text] = browser.texts("body")

        assert text.startswith(f"Refused: the Host header is '{EVIL}:")
    assert ran() == []


def test_a_link_of_another_site_leads_to_the_api(browser, cloud, page_port, ran):
    """As the redirect after a login does."""
    browser.visit(f"http://{EVIL}:{page_port}/{cloud.api_url()}/callback")
    browser.click("a")

    assert browser.texts("body") == ['{"method": "GET", "body": null}']
    assert "GET /callback" in ran()
