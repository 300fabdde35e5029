"""Take the README's screenshots of the page: `python -m tests.page.pictures http://localhost:3000`.

It needs a running service (`make serve`) and Chromium. `make pictures` calls it.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

FOLDER = Path(__file__).parents[2] / "docs" / "images"
SIZES: dict[str, tuple[Any, float]] = {
    "flight-desktop.png": ({"width": 1280, "height": 900}, 1.0),
    "flight-phone.png": ({"width": 390, "height": 844}, 1.5),
}
"""Window in CSS pixels, and device pixels per CSS pixel."""
LONGEST = 1800
"""Largest height of a picture in CSS pixels; on a phone it includes the explanation."""
COLOURS = 256
FLIGHT = {"#number": "120", "#date": "2017-07-14", "#time": "08:30"}
NAMES = {"#airline": "latam airl", "#destination": "antofa"}


def main(url: str) -> None:
    """Score one flight in each window, and write the screenshots."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (window, scale) in SIZES.items():
            context = browser.new_context(
                viewport=window,
                device_scale_factor=scale,
                locale="en-GB",
                color_scheme="light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            _ask(page, url)
            _save(page.screenshot(full_page=True), FOLDER / name, int(LONGEST * scale))
        browser.close()


def _ask(page: Any, url: str) -> None:
    page.goto(url)
    page.locator("#flight-examples button").first.wait_for()
    for box, typed in NAMES.items():
        page.fill(box, typed)
        page.keyboard.press("Enter")
    for box, typed in FLIGHT.items():
        page.fill(box, typed)
    page.keyboard.press("Enter")
    page.locator("#heat").wait_for()
    page.locator("#flight-why > *").first.wait_for()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")


def _save(picture: bytes, path: Path, height: int) -> None:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, height)))
    image.quantize(COLOURS).save(path, optimize=True)
    sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1])
