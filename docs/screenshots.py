"""Makes the pictures of docs/streamlit.md and docs/record.md anew: the chat and a report in Chromium, on the simulator.

python docs/screenshots.py      needs the extras `ui` and `report`, `pip install playwright`, and a Chromium on the PATH
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
SIZE = {"width": 1180, "height": 760}
SCENARIO = """
[timing]
first_token = 0.4
per_event = 0.1

[[turn]]
when = { user_contains = "open points" }
text = "I will count the lines of the plan that begin with a hyphen."
call = [{ name = "bash", input = { command = "printf -- '- book a room\\\\n- send the agenda\\\\n' | grep -c '^-'" } }]

[[turn]]
when = { result_contains = "2" }
text = "The plan has 2 open points."

[[turn]]
when = { user_contains = "story" }
text = "Once upon a time there was an agent with four flags. Nobody had ever switched them all on at once, until one \
day a customer did, and the agent put a cache mark on every turn of the conversation, and the API took only four."

[[turn]]
text = "Gladly."
"""


@contextmanager
def serve_chat(folder: Path) -> Iterator[str]:
    """Run `flag-harness ui` on the scenario, and yield its address."""
    (folder / "plan.toml").write_text(SCENARIO, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--scenario=plan.toml", f"--port={port}", "--no-browser", "--no-ask")
    environ = {**os.environ, "ENABLE_STREAMING": "true", "HOME": str(folder)}
    server = subprocess.Popen((sys.executable, "-m", "flag_harness.cli", "ui", *options), cwd=folder, env=environ)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health").close()
            except OSError:
                if server.poll() is not None:
                    sys.exit("the server has not started; it says why above")
                time.sleep(0.2)
            else:
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def send(page: Any, prompt: str) -> None:
    """Send a prompt."""
    page.locator("textarea:enabled[placeholder='Your message']").fill(prompt)
    page.get_by_placeholder("Your message").press("Enter")


def take_pictures(page: Any) -> None:
    """Take a picture of a turn with a tool, of the switches, and of a turn that was stopped."""
    send(page, "How many open points has the plan?")
    page.get_by_text("2 requests").wait_for()
    page.locator("textarea:enabled[placeholder='Your message']").wait_for()
    page.screenshot(path=IMAGES / "chat.png")
    page.get_by_text("extended_output", exact=True).click()
    page.locator("[data-testid=stSidebar] [data-testid=stTooltipIcon]").nth(2).hover()
    page.get_by_test_id("stTooltipContent").wait_for()
    page.wait_for_timeout(1000)  # until the help has faded in
    page.screenshot(path=IMAGES / "flags.png", clip={"x": 0, "y": 0, "width": 640, "height": SIZE["height"]})
    page.get_by_text("extended_output", exact=True).click()
    page.mouse.move(900, 300)
    page.get_by_role("button", name="New session").click()
    page.get_by_text("2 requests").wait_for(state="detached")
    send(page, "Tell me a story.")
    page.get_by_text("four flags").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    page.locator("textarea:enabled[placeholder='Your message']").wait_for()
    page.screenshot(path=IMAGES / "stop.png")


def build_demo_report(folder: Path) -> Path:
    """Run the demo, and return the path of a report on its run."""
    harness, environ = (sys.executable, "-m", "flag_harness.cli"), {**os.environ, "HOME": str(folder)}
    subprocess.run((*harness, "demo", "--keep", "demo"), cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    report = folder / "demo" / "report.html"
    subprocess.run((*harness, "report", "build", "run.jsonl", "-o", report.name), cwd=report.parent, check=True)
    return report


def take_report_pictures(page: Any, report: Path) -> None:
    """Take a picture of the top of a report, of a failed run, and of that run beside the nearest one that passed."""
    page.goto(report.as_uri())
    page.screenshot(path=IMAGES / "report.png")
    page.locator("#matrix button.failed").first.click()
    page.locator("#details dl").first.wait_for()
    page.screenshot(path=IMAGES / "report-run.png")
    page.locator("#details .comparison").evaluate("section => section.scrollIntoView()")
    page.screenshot(path=IMAGES / "report-beside.png")


def main() -> None:
    """Take the pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium on the PATH: apt install chromium")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serve_chat(Path(folder)) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(60_000)
        page.goto(url)
        take_pictures(page)
        take_report_pictures(page, build_demo_report(Path(folder)))
        browser.close()


if __name__ == "__main__":
    main()
