"""A real browser for tests: Debian's Chromium without a window, on this
machine alone.

It has a profile of its own, looks up no name but this machine's, and notes
everything that a page must not cause: words in the console, a policy that was
violated, a dialog, an error that nobody caught. Such complaints are asked for
with complaints(), which the fixture of dashboard_lab.py does after each test.
"""

import base64
import os
import shutil
import tempfile
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (StaleElementReferenceException, WebDriverException)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from hub import wait_for

WIDE = (1280, 900)
PHONE = (360, 740)

# Nothing of the browser's own may leave this machine or wait for anything.
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--no-proxy-server", "--hide-scrollbars",
    "--force-color-profile=srgb", "--lang=en-US",
    f"--window-size={WIDE[0]},{WIDE[1]}",
)

# Runs in every page before its own scripts: what must not happen goes to the
# console, which outlives the page.
_WATCH = """
addEventListener("securitypolicyviolation", (e) => console.error(
  `policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
for (const name of ["alert", "confirm", "prompt", "open"])
  window[name] = (...given) => { console.error(`${name}: ${given}`); return null; };
"""


class Browser:
    """One Chromium. Methods wait until what they name is there."""

    def __init__(self, shots: str, *flags: str):
        self.shots = shots
        self.profile = tempfile.mkdtemp(prefix="runnerhub-chromium-")
        self.downloads = os.path.join(self.profile, "downloads")
        options = Options()
        options.binary_location = self._chromium()
        for flag in (*_FLAGS, *flags, f"--user-data-dir={self.profile}/user"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # The driver's path is given: else selenium asks the network for one.
        self.driver = webdriver.Chrome(
            service=Service("/usr/bin/chromedriver", log_path=os.devnull), options=options)
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {
            "behavior": "allow", "downloadPath": self.downloads})
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                    {"source": _WATCH})

    def _chromium(self) -> str:
        """A program as the driver wants one: a path without arguments."""
        path = os.path.join(self.profile, "chromium")
        wrapper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "without_netlink.py")
        with open(path, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec {wrapper} /usr/bin/chromium "$@"\n')
        os.chmod(path, 0o755)
        return path

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    # -- where it is, and as what ----------------------------------------------
    def open(self, url: str) -> None:
        self.driver.get(url)

    def reload(self) -> None:
        self.driver.refresh()

    def back(self) -> None:
        self.driver.back()

    @property
    def url(self) -> str:
        return self.driver.current_url

    def size(self, size: tuple[int, int]) -> None:
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False})

    def theme(self, name: str) -> None:
        """light or dark, as the system of a reader may ask for."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": name},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def forget(self) -> None:
        """Cookies and all that pages keep."""
        self.open("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {
            "origin": "*", "storageTypes": "all"})

    # -- looking ---------------------------------------------------------------
    def run(self, script: str, *given: Any) -> Any:
        return self.driver.execute_script(script, *given)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def find(self, selector: str, timeout: float = 60) -> WebElement:
        return wait_for(lambda: next(iter(self.all(selector)), None), timeout,
                        f"{selector} on {self.url}")

    def shown(self, selector: str = "body") -> str:
        """The text of all that match, as a reader sees it."""
        return self.run("""return [...document.querySelectorAll(arguments[0])]
            .map(e => e.innerText).join("\\n")""", selector)

    def see(self, text: str, selector: str = "body", timeout: float = 60) -> None:
        try:
            wait_for(lambda: text in self.shown(selector), timeout, text)
        except AssertionError:
            raise AssertionError(f"{self.url}: {text!r} is not in {selector}:\n"
                                 f"{self.shown(selector)}\n{self.complaints()}") from None

    def gone(self, selector: str) -> None:
        wait_for(lambda: not self.all(selector), what=f"{selector} goes")

    def until(self, script: str, *given: Any, what: str = "") -> Any:
        """Waits until an expression of the page is true."""
        return wait_for(lambda: self.run(f"return ({script})", *given),
                        what=what or script)

    def saved(self, name: str) -> str:
        """A file that a page saved; it has its name once it is whole."""
        path = os.path.join(self.downloads, name)
        wait_for(lambda: os.path.exists(path), what=f"the file {name}")
        with open(path, encoding="utf-8") as file:
            return file.read()

    # -- doing -----------------------------------------------------------------
    def click(self, selector: str, text: str | None = None) -> None:
        """The first that matches (and has this text), when it can be clicked.
        Pages draw themselves anew: one that went meanwhile is looked up again."""
        def done() -> bool:
            for one in self.all(selector):
                try:
                    if one.is_displayed() and one.is_enabled() and (
                            text is None or text == one.text.strip()):
                        one.click()
                        return True
                except StaleElementReferenceException:
                    return False
                except WebDriverException as error:
                    if "intercepted" not in str(error) and "interactable" not in str(error):
                        raise
            return False
        wait_for(done, what=f"a click on {selector} {text or ''}")

    def fill(self, selector: str, text: str) -> None:
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def keys(self, *keys: str) -> None:
        """To whatever has the focus."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        """What has the focus, in words: its name as a reader hears it."""
        return self.run("""const e = document.activeElement;
            return e.getAttribute("aria-label") || e.innerText ||
                   (e.labels && e.labels[0] && e.labels[0].innerText) || e.tagName""").strip()

    # -- what is left ----------------------------------------------------------
    def shot(self, name: str) -> str:
        """The whole page as a picture in the build directory."""
        os.makedirs(self.shots, exist_ok=True)
        path = os.path.join(self.shots, f"{name}.png")
        size = self.run("""const e = document.documentElement;
            return [e.clientWidth, Math.max(e.clientHeight, e.scrollHeight)]""")
        made = self.driver.execute_cdp_cmd("Page.captureScreenshot", {
            "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 4000),
                     "scale": 1}})
        with open(path, "wb") as out:
            out.write(base64.b64decode(made["data"]))
        return path

    def complaints(self, *expected: str) -> list[str]:
        """What went to the console since the last call; lines that hold one
        of the expected texts (an answer such as "401") are left out."""
        return [entry["message"] for entry in self.driver.get_log("browser")
                if not any(text in entry["message"] for text in expected)]
