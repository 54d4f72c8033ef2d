"""The page in a real Chromium, from disk: it sorts, shows its figures, prints, and stays silent."""

import base64
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_report

from ..simulate import simulate_scores

HOSTILE = "<script>document.title='gone'</script> & \"a_b\" 'c' 50 % ünï 中"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="chromium and chromedriver are not installed (apt-get install chromium chromium-driver)",
)


@pytest.fixture(scope="module")
def browser():
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--force-prefers-reduced-motion", "--window-size=1200,900"):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options=options, service=Service(DRIVER, log_output=os.devnull))
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report of two tasks and three backbones with names that want to be markup."""
    frames = [
        simulate_scores(
            task=task,
            backbone=backbone,
            arms=(("imagenet", 1.0), (HOSTILE, signal)),
            n_patients=60,
            repeats=2,
            folds=3,
            seed=seed,
            model_seed=model,
        )
        for seed, task in enumerate(("acl", HOSTILE))
        for model, (backbone, signal) in enumerate((("b_net", 1.5), ("a & b", 0.9), ("c%", 1.2)))
    ]
    options = AnalysisOptions(reference="imagenet", margin=0.03, planned=True)
    scores = pd.concat(frames, ignore_index=True)
    report = build_report(Predictions(scores, name="demo"), options, formats=["html"])
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(report.files["report.html"])
    return path.as_uri()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    yield browser
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def rows(page, table, column):
    """Texts of a column, group by group, as they stand."""
    return page.execute_script(
        """return Array.from(document.querySelectorAll(arguments[0] + ' tbody')).map(
             (body) => Array.from(body.rows).filter((row) => row.className !== 'panel')
                            .map((row) => row.cells[arguments[1]].firstChild.textContent))""",
        table,
        column,
    )


def header(page, table, name):
    from selenium.webdriver.common.by import By

    found = page.find_elements(By.CSS_SELECTOR, f"{table} thead th[scope=col]")
    return next(cell for cell in found if cell.text.startswith(name))


def click(page, element):
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def test_names_are_shown_as_text(page):
    assert page.title == "demo"
    body = page.execute_script("return document.body.textContent")
    assert body.count(HOSTILE) > 10
    assert page.execute_script("return document.scripts.length") == 1
    alternatives = page.execute_script(
        "return Array.from(document.images).map((image) => image.alt)"
    )
    assert all(alternatives)


def test_the_figures_load(page):
    sizes = page.execute_script(
        "return Array.from(document.images).map((i) => [i.complete, i.naturalWidth, i.width])"
    )
    assert len(sizes) >= 5
    for complete, natural, shown in sizes:
        assert complete
        assert natural == 1005  # 85 mm at 300 dots an inch
        assert shown > 200


def test_nothing_is_asked_of_the_network(page):
    loaded = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in loaded if not name.startswith("data:")] == []


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_columns_sort(page, way):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    table = "#table-significance"
    cell = header(page, table, "Difference")
    column = page.execute_script("return arguments[0].cellIndex", cell)
    before = rows(page, table, column)
    assert [len(group) for group in before if group] == [3, 3]
    assert cell.get_attribute("aria-sort") is None
    button = cell.find_element(By.TAG_NAME, "button")

    def press():
        if way == "mouse":
            click(page, button)
        else:
            button.send_keys(Keys.ENTER)

    def numbers():
        groups = [group for group in rows(page, table, column) if group]
        return [[float(text.replace("−", "-")) for text in group] for group in groups]

    press()
    assert cell.get_attribute("aria-sort") == "ascending"
    assert all(group == sorted(group) for group in numbers())
    press()
    assert cell.get_attribute("aria-sort") == "descending"
    assert all(group == sorted(group, reverse=True) for group in numbers())
    # The same rows, each with its panel.
    assert sorted(map(sorted, rows(page, table, column))) == sorted(map(sorted, before))
    said = page.find_element(By.ID, "announcement").get_attribute("textContent")
    assert said == "Sorted by Difference, descending."
    other = header(page, table, "Candidate")
    click(page, other.find_element(By.TAG_NAME, "button"))
    assert cell.get_attribute("aria-sort") is None
    assert other.get_attribute("aria-sort") == "ascending"


def test_a_table_is_copied_with_its_lines_caption_and_notes(page):
    from selenium.webdriver.common.by import By

    figure = page.find_element(By.CSS_SELECTOR, "#table-significance")
    button = figure.find_element(By.CSS_SELECTOR, "button.copy")
    page.execute_script(
        """window.addEventListener('copy', (event) => { window.copied = ['html', 'plain'].map(
             (kind) => event.clipboardData.getData('text/' + kind)) })"""
    )
    click(page, button)
    assert button.text == "Table copied"
    html, text = page.execute_script("return window.copied")
    assert html.startswith("<p><strong>Table 2.</strong> ")
    assert re.search(r"<td>0\.\d{3}<br><span>\(0\.\d{3} to 0\.\d{3}\)</span></td>", html)
    assert "<button" not in html
    assert "Confidence intervals (CI) have a level of 95" in html.split("</table>")[1]
    lines = text.split("\n")
    (shown,) = page.execute_script("return [document.querySelector(arguments[0]).rows.length]",
                                   "#table-significance table")  # fmt: skip
    assert len(lines) == shown
    assert any(re.search(r"\t0\.\d{3} \(0\.\d{3} to 0\.\d{3}\)\t", line) for line in lines)


def test_lines_of_a_cell_survive_a_selection(page):
    cell = "#table-significance td br"
    selected = page.execute_script(
        """const cell = document.querySelector(arguments[0]).parentElement;
           getSelection().selectAllChildren(cell); return getSelection().toString()""",
        cell,
    )
    assert re.fullmatch(r"0\.\d{3}\n\(0\.\d{3} to 0\.\d{3}\)", selected)


def test_p_values_sort_as_numbers(page):
    from selenium.webdriver.common.by import By

    cell = header(page, "#table-mixed-model", "P value")
    click(page, cell.find_element(By.TAG_NAME, "button"))
    column = page.execute_script("return arguments[0].cellIndex", cell)
    (texts,) = [group for group in rows(page, "#table-mixed-model", column) if group]
    bounds = {"<.001": 0.0009, ">.99": 0.991}
    values = [bounds[t] if t in bounds else float(t) for t in texts if t != "–"]
    assert values == sorted(values)
    assert len(values) > 3


def test_the_list_of_models_opens_and_sorts(page):
    from selenium.webdriver.common.by import By

    click(page, page.find_element(By.CSS_SELECTOR, "#cells summary"))
    cell = header(page, "#cells", "Test AUC")
    click(page, cell.find_element(By.TAG_NAME, "button"))
    column = page.execute_script("return arguments[0].cellIndex", cell)
    (texts,) = rows(page, "#cells", column)
    assert len(texts) == 2 * 3 * 2 * 2 * 3
    assert [float(t) for t in texts] == sorted(float(t) for t in texts)


def test_the_keyboard_reaches_the_skip_link_first(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = page.switch_to.active_element
    assert focused.text == "Skip to the report"
    assert focused.rect["x"] >= 0
    focused.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "main"


@pytest.mark.parametrize("width", [360, 1200])
def test_no_width_scrolls_the_whole_page_sideways(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    """Contrast of at least 4.5 to 1 (WCAG 2.2, AA) for every colour of text."""
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    try:
        pairs = page.execute_script(
            """const ground = getComputedStyle(document.body).backgroundColor;
               const seen = new Set();
               for (const element of document.querySelectorAll('body *')) {
                 if (element.checkVisibility() && element.innerText) {
                   let under = element, back;
                   while (under && (back = getComputedStyle(under).backgroundColor)
                          === 'rgba(0, 0, 0, 0)') under = under.parentElement;
                   seen.add(getComputedStyle(element).color + '|' + (under ? back : ground));
                 }
               }
               return Array.from(seen)"""
        )
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(pairs) >= 4

    def luminance(color):
        channels = np.array([float(c) for c in color[color.index("(") + 1 : -1].split(",")[:3]])
        share = channels / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for pair in pairs:
        low, high = sorted(luminance(color) for color in pair.split("|"))
        assert (high + 0.05) / (low + 0.05) >= 4.5, pair


def test_it_prints_to_pdf(page):
    printed = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 2
    # The figures are in it, drawn as images.
    assert printed.count(b"/Subtype /Image") >= 5
