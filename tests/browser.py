"""A real headless Chromium, spoken to through its debugging pipe: pages, keys, pictures."""

import base64
import json
import os
import shutil
import subprocess
from itertools import count

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")


class Browser:
    """One tab. What the page says on its console, and errors, are in `said`."""

    def __init__(self, folder):
        reads, self.commands = os.pipe()
        self.answers, writes = os.pipe()
        # Chromium reads commands from 3 and answers to 4.
        pipes = f'exec "$@" 3<&{reads} 4>&{writes}'
        words = ["bash", "-c", pipes, "bash", CHROMIUM, *FLAGS, f"--user-data-dir={folder}"]
        self.process = subprocess.Popen(
            [*words, "about:blank"], pass_fds=(reads, writes), stderr=subprocess.DEVNULL
        )
        os.close(reads)
        os.close(writes)
        self.numbers, self.left, self.said, self.session = count(1), b"", [], None
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        os.close(self.commands)
        os.close(self.answers)
        self.process.terminate()
        self.process.wait(30)

    def call(self, method, **values):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.commands, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._event(answer)

    def _event(self, event):
        if event.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.said.append(event["params"])
        if event.get("method") in ("Page.javascriptDialogOpening", "Page.loadEventFired"):
            self.said.append(event["method"])

    def _read(self):
        while b"\0" not in self.left:
            data = os.read(self.answers, 2**20)
            assert data, "chromium has ended"
            self.left += data
        line, _, self.left = self.left.partition(b"\0")
        return json.loads(line)

    def open(self, path):
        """Load a file; wait until it is whole."""
        self.said.clear()
        self.call("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self.said:
            self._event(self._read())
        self.said.remove("Page.loadEventFired")

    def run(self, code):
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def key(self, name, **more):
        """Press and release a key; `more`: its code and what it types."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, **more)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def click(self, selector):
        """Press the mouse in the middle of an element."""
        place = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{place}.scrollIntoView({{block: 'center', inline: 'center'}})")
        box = self.run(f"{place}.getBoundingClientRect().toJSON()")
        middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **middle)

    def look(self, width=1200, height=800, dark=False, media=""):
        """Set the window, the colours that are wished for, and the medium (screen or print)."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def contrast(self, selector):
        """Return the contrast of an element's colour against the page's, after WCAG."""
        found = self.run(
            f"[getComputedStyle(document.querySelector({json.dumps(selector)})).color,"
            " getComputedStyle(document.body).backgroundColor]"
        )
        lights = []
        for colour in found:
            parts = [float(part) / 255 for part in colour[4:-1].split(",")[:3]]
            linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
            lights.append(sum(map(float.__mul__, linear, (0.2126, 0.7152, 0.0722))))
        return (max(lights) + 0.05) / (min(lights) + 0.05)

    def picture(self, path, whole=True):
        """Write what is seen as a PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path):
        """Print the page."""
        made = self.call("Page.printToPDF", preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(made["data"]))
