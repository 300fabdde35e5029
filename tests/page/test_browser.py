"""Tests of the page in a real browser: content, accessibility and error messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from serving.errors import Overloaded
from tests.page.conftest import FAR_ZONE, PageServer

TIMEOUT_MS = 60_000
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
CSV = """airline,flight_number,destination,scheduled_departure
LAN,120,SCFA,2017-07-14 08:30
SKU,104,SCSE,2017-07-14T18:15:00
L,120,SCFA,2017-07-14 08:30
LAN,120,SCFA,2017-02-30 08:30
"""
RAW = """Fecha-I,Vlo-I,Ori-I,Des-I,Emp-I,TIPOVUELO
2017-01-01 23:30:00,226,SCEL,KMIA,AAL,I
"""


@dataclass
class Visit:
    """Open page, with its console messages and its requests to other hosts."""

    page: Any
    url: str
    messages: list[str] = field(default_factory=list)
    other_hosts: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """Return the text of the first match."""
        text: str = self.page.locator(selector).first.inner_text()
        return text

    def has_no_horizontal_scroll(self) -> bool:
        """Whether the document is as wide as the window."""
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"))

    def ask(self, airline: str, destination: str, number: str, date: str, time: str) -> None:
        """Fill in the form by keyboard and send it."""
        for box, typed in (("#airline", airline), ("#destination", destination)):
            self.page.fill(box, typed)
            self.page.keyboard.press("Enter")
        for box, typed in (("#number", number), ("#date", date), ("#time", time)):
            self.page.fill(box, typed)
        self.page.keyboard.press("Enter")

    def view(self, name: str) -> None:
        """Open a view by its link."""
        self.page.click(f"nav [data-view={name}]")


class Visits:
    """Opener of pages that checks at the end that none of them had errors."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._open: list[tuple[Any, Visit]] = []

    def __call__(self, server: PageServer, **options: Any) -> Visit:
        """Open the page and wait for the model card."""
        context = self._browser.new_context(
            **{"viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce", **options}
        )
        context.set_default_timeout(TIMEOUT_MS)
        visit = Visit(context.new_page(), server.url)
        visit.page.on("console", lambda message: visit.messages.append(message.text))
        visit.page.on("pageerror", lambda error: visit.messages.append(str(error)))
        visit.page.on("request", lambda request: _note_other_host(visit, request.url))
        visit.page.goto(server.url)
        visit.page.locator("#flight-examples button").first.wait_for()
        self._open.append((context, visit))
        return visit

    def close(self) -> None:
        """Close all pages; assert that there were no errors and no other hosts."""
        for context, visit in self._open:
            context.close()
            assert visit.other_hosts == []
            assert visit.messages == []


def _note_other_host(visit: Visit, url: str) -> None:
    if not url.startswith((visit.url, f"blob:{visit.url}")):
        visit.other_hosts.append(url)


@pytest.fixture
def visits(browser: Any) -> Iterator[Visits]:
    """Return an opener of pages; fail the test if one of them had errors."""
    opened = Visits(browser)
    yield opened
    opened.close()


def test_a_flight_gets_a_sentence_a_picture_and_a_heat_map(
    visits: Visits, page_server: PageServer
) -> None:
    """Names find airline and destination; the answer has a text and seven days of hours."""
    visit = visits(page_server)
    visit.ask("latam airl", "antofa", "120", "2017-07-14", "08:30")
    visit.page.locator("#heat").wait_for()
    assert visit.text(".route strong") == "LATAM Airlines 120 to Antofagasta"
    assert "flights like this" in visit.text(".sentence")
    assert "All flights from Santiago" in visit.text("#flight-result")
    assert visit.page.locator(".picture .planes").count() == 2
    assert visit.page.locator("#heat .cell").count() == 7 * 24
    assert visit.page.locator("#flight-why > *").count() == 1


def test_the_heat_map_agrees_with_the_answer_and_sets_the_time(
    visits: Visits, page_server: PageServer
) -> None:
    """The selected cell has the answer's value; selecting another by keyboard scores it."""
    visit = visits(page_server)
    visit.ask("LAN", "SCFA", "120", "2017-07-14", "08:30")
    visit.page.locator("#heat").wait_for()
    chosen = visit.page.locator("#heat [aria-pressed=true]")
    assert visit.text(".big") in chosen.get_attribute("aria-label")
    chosen.focus()
    visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("Enter")
    visit.page.locator(
        "#heat [data-date='2017-07-15'][data-hour='9'][aria-pressed=true]"
    ).wait_for()
    assert visit.page.input_value("#date") == "2017-07-15"
    assert visit.page.input_value("#time") == "09:30"


def test_a_missing_field_is_reported(visits: Visits, page_server: PageServer) -> None:
    """The first invalid field is named, marked and focused."""
    visit = visits(page_server)
    visit.page.click("#flight-form button[type=submit]")
    assert "airline" in visit.text("#flight-wrong")
    assert visit.page.locator("#airline:focus[aria-invalid=true]").count() == 1


def test_unknown_codes_are_scored_and_reported(visits: Visits, page_server: PageServer) -> None:
    """A code that is not in the list is accepted; the answer says that the model never saw it."""
    visit = visits(page_server)
    visit.ask("zzz", "ZZZZ", "", "2017-07-14", "08:30")
    visit.page.locator(".notes").wait_for()
    assert "never seen this airline" in visit.text(".notes")
    assert "never seen this destination" in visit.text(".notes")
    assert "Without a flight number" in visit.text(".notes")


def test_an_explanation_is_drawn(visits: Visits, page_server: PageServer) -> None:
    """Only the one flight is explained; contributions are bars with signs and texts."""
    visit = visits(page_server)
    sent: list[bool] = []
    visit.page.on(
        "request",
        lambda request: (
            sent.append(bool((request.post_data_json or {}).get("explain")))
            if request.url.endswith("/predict_delay")
            else None
        ),
    )
    visit.page.locator("#flight-examples button").first.click()
    visit.page.locator("#heat").wait_for()
    assert sent == [True, False]
    bars = visit.page.locator("#flight-why li").all_inner_texts()
    assert len(bars) >= 3
    assert all(("+" in bar) == ("raises" in bar) for bar in bars)
    assert any("how late such flights have been" in bar.lower() for bar in bars), bars


def test_the_board_scores_sorts_and_reports_invalid_rows(
    visits: Visits, page_server: PageServer
) -> None:
    """Valid rows are scored, invalid ones have their line; columns sort; the CSV downloads."""
    visit = visits(page_server)
    visit.view("board")
    visit.page.fill("#csv", CSV)
    visit.page.click("#board-score")
    visit.page.locator("table.board").wait_for()
    assert visit.page.locator("table.board tbody tr").count() == 2
    assert "Line 4: airline “L”" in visit.text(".bad")
    assert "Line 5: “2017-02-30 08:30”" in visit.text(".bad")
    visit.page.click("[data-sort=risk]")
    risks = visit.page.locator("td.risk b").all_inner_texts()
    shares = [float(risk.split()[0].rstrip("\u202f%").replace("\u202f", "")) for risk in risks]
    assert shares == sorted(shares, reverse=True)
    assert visit.page.get_attribute("th:has([data-sort=risk])", "aria-sort") == "descending"
    with visit.page.expect_download() as download:
        visit.page.click("#board-download")
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].endswith("delay_probability,delayed,risk")
    assert len(lines) == 3


def test_the_board_reads_a_file_with_the_raw_columns(
    visits: Visits, page_server: PageServer
) -> None:
    """A file with the columns of dataset_SCL.csv is read and scored in several requests."""
    visit = visits(page_server)
    visit.view("board")
    rows = RAW + f"{RAW.splitlines()[1]}\n" * 1500
    visit.page.set_input_files(
        "#file", {"name": "flights.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    visit.page.locator("table.board").wait_for()
    assert "1,501" in visit.text("#board-result .summary")
    assert visit.page.locator("table.board tbody tr").count() == 100


@pytest.mark.parametrize(("text", "words"), [("", "nothing to score"), ("a,b\n1,2", "no column")])
def test_the_board_reports_invalid_input(
    visits: Visits, page_server: PageServer, text: str, words: str
) -> None:
    """An empty input and missing columns give a message."""
    visit = visits(page_server)
    visit.view("board")
    visit.page.fill("#csv", text)
    visit.page.click("#board-score")
    assert words in visit.text("#board-state")


def test_the_model_view_describes_the_model(visits: Visits, page_server: PageServer) -> None:
    """It shows data, quality, months, reliability, drift and features."""
    visit = visits(page_server)
    visit.view("model")
    body = visit.text("#model-body")
    assert "left more than 15 minutes late" in body
    assert "67 times in 100" in body
    assert visit.page.locator("table.months tbody tr").count() == 3
    assert visit.page.locator("svg.chart circle").count() == 10
    assert [visit.text(f"table.drift td:nth-of-type({i})")[:2] for i in (1, 2)] == ["20", "19"]
    assert "Fitted to Oct 2017" in visit.text("table.drift thead")
    assert visit.page.locator(".shares li").count() >= 12
    assert visit.page.is_hidden("#banner")


@pytest.mark.parametrize("view", ["flight", "board", "model"])
def test_a_model_of_the_sample_has_a_banner_on_every_view(
    visits: Visits, sample_server: PageServer, view: str
) -> None:
    """The banner is in the reader's language."""
    visit = visits(sample_server, locale="es-CL")
    visit.view(view)
    assert "vuelos generados, no reales" in visit.text("#banner")
    assert visit.page.get_attribute("#banner", "role") == "alert"


def test_the_page_follows_the_airport_of_the_model(
    visits: Visits, abroad_server: PageServer
) -> None:
    """Texts in both languages and the default date are those of the airport."""
    visit = visits(abroad_server, timezone_id="Etc/UTC")
    assert visit.text("[data-t=brand]") == "LEMD delays"
    assert "a flight from Madrid is" in visit.text("[data-t='flight.lead']")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    offered = visit.page.input_value("#date")
    assert offered == f"{tomorrow.astimezone(ZoneInfo(FAR_ZONE)):%Y-%m-%d}"
    visit.page.click("[data-language=es]")
    assert "desde Madrid" in visit.text("[data-t='flight.lead']")
    assert visit.text("[data-t=brand]") == "Atrasos LEMD"
    assert "Santiago" not in visit.text("body")


def test_the_language_follows_the_reader_and_the_switch(
    visits: Visits, page_server: PageServer
) -> None:
    """A Spanish browser gets Spanish; the switch changes all texts and is remembered."""
    visit = visits(page_server, locale="es-CL")
    assert visit.text("h1") == "¿Saldrá a tiempo?"
    visit.page.locator("#flight-examples button").first.click()
    visit.page.locator("#heat").wait_for()
    assert "vuelos como este" in visit.text(".sentence")
    visit.page.click("[data-language=en]")
    assert visit.text("h1") == "Will it leave on time?"
    assert "flights like this" in visit.text(".sentence")
    assert visit.text("#when-title") == "When would be better?"
    visit.page.reload()
    assert visit.text("h1") == "Will it leave on time?"
    assert visit.page.get_attribute("html", "lang") == "en"


def test_a_problem_is_shown_as_text(visits: Visits, page_server: PageServer) -> None:
    """A problem of the service is shown in the reader's language, and a retry works."""
    visit = visits(page_server, locale="es-CL")
    page_server.problem = Overloaded("Come back in a moment.")
    try:
        visit.page.locator("#flight-examples button").first.click()
        visit.page.locator("#flight-result .problem").wait_for()
    finally:
        page_server.problem = None
    shown = visit.text("#flight-result .problem")
    assert "demasiado trabajo" in shown
    assert "Come back in a moment." in shown
    visit.messages.clear()  # the browser itself logs every 503
    visit.page.click("#flight-result .problem button")
    visit.page.locator("#heat").wait_for()


def test_an_unreachable_service_is_reported(visits: Visits, page_server: PageServer) -> None:
    """The page shows a message if it is offline."""
    visit = visits(page_server)
    visit.page.context.set_offline(True)
    visit.page.locator("#flight-examples button").first.click()
    visit.page.locator("#flight-result .problem").wait_for()
    assert "cannot be reached" in visit.text("#flight-result .problem")
    visit.messages.clear()  # the browser itself logs that it is offline


def test_without_the_card_a_flight_is_still_scored(visits: Visits, page_server: PageServer) -> None:
    """The failure is shown with a button to retry; codes still get an answer."""
    visit = visits(page_server)
    visit.page.route("**/model", lambda route: route.fulfill(status=502, body="bad gateway"))
    visit.page.reload()
    visit.page.locator("#card-problem .problem").wait_for()
    assert "status 502" in visit.text("#card-problem")
    visit.ask("LAN", "SCFA", "120", "2017-07-14", "08:30")
    visit.page.locator(".big").wait_for()
    assert "null" not in visit.text("#flight-result")
    visit.messages.clear()  # the browser itself logs every 502
    visit.page.unroute("**/model")
    visit.page.click("#card-problem button")
    visit.page.locator("#flight-examples button").first.wait_for()
    assert visit.page.locator("#card-problem > *").count() == 0


def test_markup_in_data_stays_text(visits: Visits, page_server: PageServer) -> None:
    """Markup of a file is shown as text and never executed."""
    visit = visits(page_server)
    visit.view("board")
    visit.page.fill("#csv", CSV + "<img src=x onerror=alert(1)>,1,SCFA,2017-07-14 08:30\n")
    visit.page.click("#board-score")
    visit.page.locator(".bad").wait_for()
    assert "<IMG SRC=X" in visit.text(".bad")
    assert visit.page.locator(".bad img").count() == 0


def test_the_contract_is_rendered(visits: Visits, page_server: PageServer) -> None:
    """Swagger UI shows the routes with the strict policy and without other hosts."""
    visit = visits(page_server)
    visit.page.goto(f"{page_server.url}/docs")
    visit.page.locator(".opblock").first.wait_for()
    assert "/predict_delay" in visit.text("#contract")
    visit.page.locator(".opblock-summary").first.click()
    visit.page.click(".try-out__btn")
    visit.page.click(".execute")
    answered = visit.page.locator(".live-responses-table tbody .response-col_status").first
    assert answered.inner_text().startswith("200")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_every_view_fits_and_is_accessible(
    visits: Visits,
    page_server: PageServer,
    screenshots: Path,
    viewport: dict[str, int],
    scheme: str,
) -> None:
    """No horizontal scroll and no violation of axe; screenshots are kept."""
    visit = visits(page_server, viewport=viewport, color_scheme=scheme)
    visit.ask("LAN", "SCFA", "120", "2017-07-14", "08:30")
    visit.page.locator("#heat").wait_for()
    _check(visit, screenshots / f"flight-{viewport['width']}-{scheme}.png")
    visit.view("board")
    visit.page.click("#board-example")
    visit.page.locator("table.board").wait_for()
    _check(visit, screenshots / f"board-{viewport['width']}-{scheme}.png")
    visit.view("model")
    visit.page.click("#model-body details >> nth=0")
    _check(visit, screenshots / f"model-{viewport['width']}-{scheme}.png")


def _check(visit: Visit, picture: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visit.page.screenshot(path=picture, full_page=True)
    assert visit.has_no_horizontal_scroll()
    found = axe.run(visit.page, options={"resultTypes": ["violations", "passes"]}).response
    assert found["passes"]
    assert [(each["id"], each["impact"]) for each in found["violations"]] == []
