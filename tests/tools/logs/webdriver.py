"""A browser for tests: Chromium, driven through chromedriver by the W3C WebDriver protocol, spoken with urllib."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Down": "\ue015",
    "Up": "\ue013",
    "Left": "\ue012",
    "Right": "\ue014",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Tab": "\ue004",
}
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1360,1100",
)


class Browser:
    """One window. Use it as a context manager: the processes end with it."""

    def __init__(self, profile, *flags):
        self._profile = profile
        self._flags = flags

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._base = f"http://127.0.0.1:{port}"
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait_until_ready()
        options = {"binary": CHROMIUM, "args": [*FLAGS, *self._flags, f"--user-data-dir={self._profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._base += f"/session/{answer['sessionId']}"
        return self

    def __exit__(self, *exc_info):
        try:
            self._call("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(240)

    def open(self, path, link=""):
        """Open a file, at the place that the link's `#…` names."""
        self.visit(Path(path).as_uri() + link)
        self.settle()

    def visit(self, url):
        """Open a URL."""
        self._call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """Run JavaScript in the page, and give what it returns."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector):
        """Click on the middle of an element, as a hand does."""
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        self._call("POST", f"/element/{found[ELEMENT]}/click", {})

    def type(self, selector, text):
        """Type into an element."""
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        self._call("POST", f"/element/{found[ELEMENT]}/value", {"text": text})

    def press(self, *keys):
        """Press keys, wherever the focus is."""
        actions = [
            {"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")
        ]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def hover(self, selector):
        """Move the pointer to the middle of an element."""
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        move = {"type": "pointerMove", "duration": 0, "origin": found, "x": 0, "y": 0}
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def drag(self, selector, begin, end):
        """Drag the pointer over an element, from one part of its width to another."""
        box = self.run(
            "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
            "return [box.left, box.width, box.top + box.height / 2]",
            selector,
        )
        first, last = (
            {"type": "pointerMove", "duration": 0, "x": round(box[0] + part * box[1]), "y": round(box[2])}
            for part in (begin, end)
        )
        actions = [first, {"type": "pointerDown", "button": 0}, last, {"type": "pointerUp", "button": 0}]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    def texts(self, selector):
        """Give the visible texts of all elements that match."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText.trim())", selector
        )

    def hears(self, selector):
        """Give the role and the name that a screen reader is told."""
        found = self._call("POST", "/element", {"using": "css selector", "value": selector})
        return tuple(
            self._call("GET", f"/element/{found[ELEMENT]}/computed{what}") for what in ("role", "label")
        )

    def emulate(self, **features):
        """Set CSS media features, such as prefers_color_scheme."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        parameters = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": told}}
        self._call("POST", "/goog/cdp/execute", parameters)
        self.settle()

    def resize(self, width, height=800):
        """Give the page another size; one below 500 pixels is a phone's."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        parameters = {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}
        self._call("POST", "/goog/cdp/execute", parameters)

    def settle(self):
        """Wait until the page has drawn what it knows."""
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def console(self):
        """Give what the page complained about since it was last asked."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self):
        """Give the window as PNG."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def _wait_until_ready(self):
        for _ in range(2000):
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("chromedriver did not come up")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._base + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=240) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(json.load(error)["value"]["message"]) from error
