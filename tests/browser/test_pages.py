"""Pages in a real browser, at desktop and phone width: no error, no request, no dead link, nothing that axe-core minds.

    envs/run pytest -n0 tests/browser --pages results/quick --screenshots /tmp/pictures

Without `--pages` the page is an explorer of a few runs made here. Needs Chromium and its driver; axe-core comes by npm.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from finished_runs import finished_run

selenium = pytest.importorskip("selenium")
from selenium.webdriver import Chrome, ChromeOptions  # noqa: E402 - it may be missing
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

from active_dendrites.reports.explorer_page import write_explorer  # noqa: E402
from active_dendrites.settings.declarations import Declarations  # noqa: E402

TEMPLATE = Path(__file__).parents[2] / "workflow/report/explorer.html.j2"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
WIDTHS = {"desktop": 1200, "phone": 500}  # Chromium's window has at least 500

pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="there is no Chromium with its driver")


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, declarations: Declarations, tmp_path_factory) -> Path:
    """The folder of the pages."""
    if given := request.config.getoption("--pages"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("pages")
    draws = np.random.default_rng(0)
    for variant in ("prototype", "xdg", "sparse_representations_only"):
        for num_tasks in (2, 5):
            for seed in (1, 2, 3):
                accuracy = np.where(
                    np.tri(num_tasks, dtype=bool), draws.uniform(0.8, 0.98, (num_tasks, num_tasks)), np.nan
                )
                finished_run(declarations, folder / "runs", variant, num_tasks, seed, accuracy)
    write_explorer(declarations, "paper", folder / "runs", TEMPLATE, folder / "explorer.html")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options=options, service=Service(DRIVER))
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    """The text of axe-core."""
    folder = tmp_path_factory.mktemp("axe")
    if shutil.which("npm") is None:
        pytest.skip("there is no npm to fetch axe-core with")
    done = subprocess.run(["npm", "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"axe-core cannot be fetched: {done.stderr[-200:]}")
    shutil.unpack_archive(next(folder.glob("*.tgz")), folder)
    return (folder / "package/axe.min.js").read_text(encoding="utf-8")


def pages(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.html"))


def open_page(browser: Chrome, page: Path, width: int = 1200) -> None:
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # forget what was before
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    if page.name == "explorer.html":
        wait_for_charts(browser)


def wait_for_charts(browser: Chrome, runs: int | None = None) -> None:
    """Until the explorer shows its charts, of so many runs."""

    def shown(_: object) -> bool:
        number = browser.execute_script("return document.body.dataset.shown")
        return number is not None if runs is None else number == str(runs)

    WebDriverWait(browser, 30).until(shown)


def complaints(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def requested(browser: Chrome) -> set[str]:
    """Schemes of all addresses that were asked for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return {urlparse(address).scheme for address in sent}


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_open_without_error_and_ask_for_nothing(browser, folder: Path, width: str, request) -> None:
    assert pages(folder)
    for page in [*pages(folder), *sorted(folder.glob("notebooks/*.html"))[:2]]:
        open_page(browser, page, WIDTHS[width])
        assert complaints(browser) == [], page.name
        assert requested(browser) <= {"file", "data", "blob"}, page.name
        if page.parent == folder:
            wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{page.name} is wider than the window by {wide} pixels"
        if pictures := request.config.getoption("--screenshots"):
            Path(pictures).mkdir(parents=True, exist_ok=True)
            height = browser.execute_script("return document.documentElement.scrollHeight")
            browser.set_window_size(WIDTHS[width], min(height + 150, 12_000))
            browser.save_screenshot(str(Path(pictures) / f"{page.stem}-{width}.png"))


def test_every_link_leads_somewhere(browser, folder: Path) -> None:
    for page in pages(folder):
        open_page(browser, page)
        anchors = set(browser.execute_script("return [...document.querySelectorAll('[id]')].map((each) => each.id)"))
        links = browser.execute_script(
            "return [...document.querySelectorAll('a[href]')].map((each) => each.getAttribute('href'))"
        )
        for link in set(links):
            address = urlparse(link)
            if address.scheme:
                continue
            assert not address.path or (page.parent / unquote(address.path)).exists(), f"{page.name}: {link}"
            assert address.path or unquote(address.fragment) in anchors, f"{page.name}: {link}"


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(browser, folder: Path, axe: str, width: str) -> None:
    for page in pages(folder):
        open_page(browser, page, WIDTHS[width])
        browser.execute_script(axe)
        found = browser.execute_async_script(
            "const done = arguments[0]; axe.run().then((result) => done(result.violations));"
        )
        serious = [
            f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], page.name


def test_the_explorer_keeps_and_obeys_what_is_chosen(browser, folder: Path) -> None:
    page = folder / "explorer.html"
    open_page(browser, page)
    runs = browser.execute_script("return RUNS.map((run) => ({...run, rows: run.rows.length}))")
    tasks = min(run["tasks"] for run in runs)
    Select(browser.find_element(By.ID, "tasks")).select_by_value(str(tasks))
    boxes = browser.find_elements(By.CSS_SELECTOR, "#variants input")
    for box in boxes:
        if box.is_selected():
            box.click()
    boxes = browser.find_elements(By.CSS_SELECTOR, "#variants input")
    boxes[0].click()
    variant = browser.find_element(By.CSS_SELECTOR, "#variants code").text
    expected = [run for run in runs if (run["tasks"], run["variant"]) == (tasks, variant)]
    wait_for_charts(browser, len(expected))
    row = browser.find_element(By.CSS_SELECTOR, "#numbers tbody tr").text
    seeds = ", ".join(str(run["seed"]) for run in sorted(expected, key=lambda run: run["seed"]))
    assert row.startswith(expected[0]["label"]) and seeds in row
    address = browser.current_url
    assert f"tasks={tasks}" in address and f"variants={variant}" in address
    browser.get("about:blank")
    browser.get(address)
    wait_for_charts(browser, len(expected))
    assert browser.find_element(By.CSS_SELECTOR, "#numbers tbody tr").text == row
    for chart in ("average", "matrix", "curves", "forgetting"):
        assert browser.find_elements(By.CSS_SELECTOR, f"#{chart} svg path"), chart
