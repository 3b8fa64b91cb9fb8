"""The page's script in a browser: strategies are chosen, tables sorted, curves explored, and no policy is broken."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from labelbench_ray.report import build, page

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture
def shown(planted, tmp_path) -> Iterator[tuple[Any, list[str]]]:
    """A browser that shows a report, and what went wrong in it."""
    path = tmp_path / "report.html"
    path.write_text(page(build(planted())), "utf-8")
    problems: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("console", lambda message: problems.append(message.text))
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(path.as_uri())
        yield tab, problems
        browser.close()


def test_choosing_sorting_and_exploring(shown):
    tab, problems = shown
    curve = tab.locator('.plot[data-figure="1.0.gain"] .curve', has_text="entropy")
    assert "on" in curve.get_attribute("class").split()
    tab.locator(".legend li", has_text="entropy").click()
    assert "on" not in curve.get_attribute("class").split()
    names = tab.locator(".forest-table").first.locator("tbody th")
    first = names.first.inner_text()
    head = tab.locator(".forest-table").first.locator("thead button", has_text="final accuracy")
    head.click()
    head.click()
    assert names.first.inner_text() != first
    tab.locator("details.explorer summary").click()
    tab.wait_for_selector("details.explorer canvas")
    assert tab.locator("details.explorer .u-legend tr.chosen").count() == 3
    assert problems == []
