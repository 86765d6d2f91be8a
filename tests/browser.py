"""Headless Chromium, spoken to over a pipe: what a page shows, and what its console says."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-back-forward-cache",
    "--renderer-process-limit=1",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
    "--window-size=1400,900",
)

# Text of the page and of all its shadow trees, in which TensorBoard's dashboards live.
ALL_TEXT = """(function text(node) {
  if (node.nodeType === 3) return node.nodeValue + "\\n";
  if (["SCRIPT", "STYLE", "TEMPLATE"].includes(node.nodeName)) return "";
  return [node.shadowRoot, ...node.childNodes].map(n => n ? text(n) : "").join("");
})(document.documentElement)"""


def find():
    """Return the path of an installed browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser; `errors` gathers what its console complains of.

    Args:
        profile: an empty folder.
    """

    def __init__(self, profile):
        # The protocol: JSON messages, each ended by a zero byte, read from descriptor 3 and
        # written to 4.
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        command = [find(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.errors, self._buffer, self._number, self._session = [], b"", 0, None
        self._loaded = set()  # numbers of what has been opened and has loaded
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, url):
        """Go to a page, and wait until it has its style and its pictures and has run its scripts.

        It goes by way of an empty one, for a place in the page that is open would load nothing.
        """
        for address in ("about:blank", url):
            number = self._call("Page.navigate", url=address)["loaderId"]
            while number not in self._loaded:
                self._note(self._read())

    def wait_for(self, *texts, deadline=60):
        """Wait until the page shows all these texts; return all of its text."""
        end = time.monotonic() + deadline
        while True:
            found = self._text()
            missing = [text for text in texts if text not in found]
            if not missing:
                return found
            if time.monotonic() > end:
                raise TimeoutError(
                    f"the page shows no {missing}, but {' '.join(found.split())[-2000:]}"
                )
            time.sleep(0.3)

    def _text(self):
        """Return all text of the page, or none while it goes to another."""
        try:
            answer = self._call("Runtime.evaluate", expression=ALL_TEXT)
        except RuntimeError as error:
            if "navigated" not in str(error):
                raise
            return ""
        return answer["result"].get("value", "")

    def evaluate(self, expression):
        """Return the value of a JavaScript expression, or of what it promises."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self._call("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def emulate(self, width=1400, height=900, scheme="light"):
        """Show pages in a window of this size in pixels, in a colour scheme, "light" or "dark"."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=features)

    def scripts(self, allowed):
        """Let the pages that are opened from now on run scripts, or not."""
        self._call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def press(self, key):
        """Press a key, such as "Tab", "Enter" or "a"."""
        text = {"Enter": "\r", "Tab": ""}.get(key, key)
        code = {"Enter": 13, "Tab": 9}.get(key, 0)
        event = {"key": key, "text": text, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", **event)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self, path):
        """Write what the window shows as a PNG file."""
        data = self._call("Page.captureScreenshot")["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self):
        """End the browser."""
        with contextlib.suppress(OSError, RuntimeError):
            self._session = None
            self._call("Browser.close")
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], 60)
            chunk = os.read(self._in, 1 << 20) if ready else b""
            if not chunk:
                raise RuntimeError("the browser does not answer")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        parameters = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"]))
        elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.errors.append(json.dumps(parameters["args"]))
        elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(json.dumps(parameters["entry"]))
        elif event["method"] == "Page.lifecycleEvent" and parameters["name"] == "load":
            self._loaded.add(parameters["loaderId"])
