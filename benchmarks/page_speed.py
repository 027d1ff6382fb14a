"""How heavy a run's page is, and how long it takes to open in headless Chromium (median of five).

python benchmarks/page_speed.py results/demo/model_card.html
"""

import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

TIMING = "performance.timing.loadEventEnd - performance.timing.navigationStart"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main():
    file = Path(sys.argv[1]).resolve()
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(file.as_uri(), wait_until="load")
            page.wait_for_timeout(200)
            times.append(page.evaluate(TIMING))
            page.close()
        browser.close()
    print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB, opens in {statistics.median(times):.0f} ms")


main()
