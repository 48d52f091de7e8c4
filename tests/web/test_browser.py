"""The pages in a real browser, over the exporter as users start it, behind a path prefix; and the API beside them."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx2
import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, BrowserContext, Page, expect

from exporter.web.views import Events, Overview
from tests.support.exhibit import JOB, LOST, MARKUP, POOL, SERVICE, UNREAD, browser, exhibited, fail_deployment
from tests.support.processes import DIRECT, Clouds, Exporter, environment, ran, until
from tests.support.source_names import SOURCES

PREFIX = "/on/call"
RESOURCE = f"/resources/research/modelarts_service/{SERVICE}"
PAGES: dict[str, str | re.Pattern[str]] = {
    "/": "Overview",
    "/sources": "Sources",
    "/sources/research/dws": "research / dws blind",
    RESOURCE: re.compile(SERVICE),
    "/runs": "Runs",
    "/events?severity=trouble": "Events",
    "/unmapped": "Texts without a rule",
    "/mappings": "Mappings",
    "/config": "Configuration",
}
each_page = pytest.mark.parametrize("path", PAGES)


class Shop:
    """The exporter with something to see, and a browser."""

    def __init__(self, exporter: Exporter, clouds: Clouds, chromium: Browser) -> None:
        self.exporter, self.clouds, self.chromium = exporter, clouds, chromium
        self.base = exporter.url + PREFIX

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.base + path, **DIRECT)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with browser() as chromium, exhibited(folder, route_prefix=PREFIX) as (exporter, clouds):
        yield Shop(exporter, clouds, chromium)


@pytest.fixture
def context(shop: Shop) -> Iterator[BrowserContext]:
    context = shop.chromium.new_context()
    yield context
    context.close()


def watched(page: Page, base: str) -> list[str]:
    """What should not be: words on the console, errors of scripts, questions to elsewhere, answers that are none."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(base) else wrong.append(request.url))
    page.on("response", lambda answer: wrong.append(f"{answer.url} {answer.status}") if answer.status >= 400 else None)
    return wrong


# --- every page


@pytest.mark.parametrize(
    ("path", "scheme", "width"),
    [
        *((path, "light", 1280) for path in PAGES),
        *((path, "dark", 390) for path in ("/", "/runs", "/events?severity=trouble", RESOURCE)),
    ],
)
def test_a_page_is_whole_quiet_and_usable_by_everybody(path: str, scheme: str, width: int, shop: Shop) -> None:
    context = shop.chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]
    page = context.new_page()
    wrong = watched(page, shop.base)
    page.goto(shop.base + path)
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[path])
    expect(page.get_by_role("navigation", name="Pages").locator("[aria-current=page]")).to_have_count(1)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page itself never scrolls sideways"
    assert wrong == []
    context.close()


NARROW = """() => [...document.querySelectorAll('main *')].filter(one => {
  const text = [...one.childNodes].some(child => child.nodeType == 3 && child.textContent.trim().length > 4);
  const box = one.getBoundingClientRect(), em = parseFloat(getComputedStyle(one).fontSize);
  return text && !one.closest('thead') && box.width && box.width < 3 * em && box.height > 3 * em;
}).map(one => one.textContent)"""
CUT = """() => [...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1)
  .map(one => one.getAttribute('aria-label'))"""


@pytest.mark.parametrize("width", [375, 768, 1024, 1440, 2200])
def test_at_every_width_no_text_is_squeezed_and_no_table_is_cut_off(width: int, shop: Shop) -> None:
    context = shop.chromium.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    for path in (*PAGES, f"/resources/research/modelarts_pool/{POOL}", "/glossary"):
        page.goto(shop.base + path)
        assert page.evaluate(NARROW) == [], path
        assert page.evaluate(CUT) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


@each_page
def test_a_page_says_the_same_without_a_script(path: str, shop: Shop) -> None:
    context = shop.chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    wrong = watched(page, shop.base)
    page.goto(shop.base + path)
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGES[path])
    assert wrong == []
    context.close()


def test_every_link_leads_somewhere(shop: Shop, context: BrowserContext) -> None:
    page, known, left = context.new_page(), set[str](), []
    for path in PAGES:
        page.goto(shop.base + path)
        links = page.eval_on_selector_all("a[href]", "found => found.map(one => one.href)")
        left += [link.partition("#")[0] for link in links]
    for link in dict.fromkeys(left):
        assert link.startswith(shop.base + "/"), link
        kind = re.sub(r"(/resources/[^/]+/[^/]+/|/events\?|/mappings\?).*", r"\1", link)
        if kind not in known:  # one of each kind is enough where there are many
            known.add(kind)
            assert httpx2.get(link, **DIRECT).status_code == 200, link


# --- what an engineer on call looks for


def newest_failure(shop: Shop) -> str:
    """The resource whose run failed last."""
    failure: dict[str, str] = shop.get("/api/v1/overview").json()["failures"][0]["stage"]
    return failure["resource"]


def test_the_overview_answers_the_four_questions(shop: Shop, context: BrowserContext) -> None:
    fail_deployment(shop.clouds, "summarize", int(time.time() * 1000))  # only the newest failures are on the page
    until(lambda: newest_failure(shop) == "summarize", "it is the newest failure")
    page = context.new_page()
    page.goto(shop.base + "/")

    def card(name: str) -> str:
        return page.get_by_role("region", name=name).inner_text()

    blind = card("Which source is blind, and why?")
    assert "research / dws" in blind
    assert "403" in blind
    assert re.search(r"grant dws:(event|cluster):list \(or the role DWS ReadOnlyAccess\)", blind)
    lost = card("Which pool lost nodes, and when?")
    assert re.search(rf"{POOL} lost 1 node at \d\d:\d\d:\d\d", lost)
    assert "3 available, 1 abnormal" in lost
    failed = card("What failed, and why?")
    assert re.search(r"summarize: DEPLOY service failed in image_pulling at \d\d:\d\d:\d\d", failed)
    assert "[translate 0.0.2] pull image failed" in failed
    page.get_by_role("region", name="Which texts have no rule yet?").get_by_role("link", name="How to add").click()
    expect(page.locator("main")).to_contain_text(UNREAD)
    expect(page.locator("main ol")).to_contain_text("platform-events-exporter test my-rules.yaml")
    expect(page.locator("main ol")).to_contain_text("mappings: [/etc/platform-events-exporter/mappings/*.yaml]")
    expect(page.locator("pre").first).to_contain_text("mapping: 1")


def test_all_four_questions_stand_above_the_fold(shop: Shop) -> None:
    context = shop.chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(shop.base + "/")
    for question in page.locator(".questions h2").all():
        box = question.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 900, question.inner_text()
    assert page.locator(".questions h2").count() == 4
    context.close()


def test_runs_are_listed_and_filtered(shop: Shop, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(shop.base + "/runs")
    page.get_by_label("Outcome").select_option("failure")
    page.get_by_label("Reason").fill("ImagePullFailed")
    page.get_by_role("button", name="Show", exact=True).click()
    rows = page.locator("table.cards tbody tr")
    expect(rows.filter(has_text=SERVICE)).to_contain_text("[translate 0.0.2] pull image failed")
    assert rows.count() == rows.filter(has=page.locator(".outcome-failure")).count()
    listed = shop.get("/api/v1/runs?outcome=failure&reason=ImagePullFailed&since=1h").json()
    assert SERVICE in [one["stage"]["resource"] for one in listed["runs"]]
    assert shop.get("/api/v1/runs?text=no-such-run").json()["runs"] == []


def test_times_are_local_when_wanted_and_stay_so(shop: Shop) -> None:
    context = shop.chromium.new_context(timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.goto(shop.base + RESOURCE)
    first = page.locator("time.clock").first
    utc = datetime.fromisoformat(first.get_attribute("datetime") or "")
    expect(first).to_have_text(f"{utc:%H:%M:%S}")
    page.get_by_role("button", name="Show local time").click()
    local = utc.astimezone(timezone(timedelta(hours=8)))
    expect(first).to_contain_text(f"{local:%H:%M:%S}")
    page.reload()
    expect(first).to_contain_text(f"{local:%H:%M:%S}")
    expect(page.locator("#zone")).to_have_text("local (Asia/Shanghai)")
    context.close()


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nothing", "Not Found"), ("/resources/research/dws/no-such", "no such resource"), ("/runs?since=1y", "since:")],
)
def test_an_address_that_leads_nowhere_shows_ways_to_go_on(path: str, said: str, shop: Shop) -> None:
    answer = httpx2.get(shop.base + path, headers={"Accept": "text/html"}, **DIRECT)
    assert answer.status_code == (400 if "?" in path else 404)
    assert said in answer.text
    assert 'runs">Runs</a>' in answer.text
    assert ("events?text=no-such" in answer.text) == ("no-such" in path)


def test_the_configuration_and_the_rules_can_be_searched(shop: Shop) -> None:
    found = shop.get("/config?search=ROUTE_prefix").text
    assert "web.route_prefix" in found
    assert "web.listen" not in found
    found = shop.get("/mappings?search=ImagePullFailed").text
    assert "modelarts_service.pull-failed" in found
    assert "modelarts_pool.node-counts" not in found


def test_a_resource_shows_its_phases_as_bars_and_its_events_on_them(shop: Shop, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{shop.base}/resources/research/modelarts_service/{SERVICE}")
    rows = page.locator("table.timeline tbody tr")
    expect(rows.filter(has_text="image_building").locator("rect.success")).to_have_count(1)
    expect(rows.filter(has_text="image_pulling").locator("rect.failure")).to_have_count(1)
    assert rows.filter(has=page.get_by_role("rowheader", name="events", exact=True)).locator("rect").count() == 9


@pytest.mark.parametrize("script", [True, False])
def test_the_playground_says_where_each_rule_stopped(script: bool, shop: Shop) -> None:
    context = shop.chromium.new_context(java_script_enabled=script)
    page = context.new_page()
    page.goto(shop.base + "/mappings")
    page.get_by_label("Source").select_option("modelarts_training")
    page.get_by_label("Text, or a raw record").fill("[worker-0] Training finished. Exit code x.")
    page.get_by_role("button", name="Explain").click()
    nearest = page.locator("ol.trials pre").first.inner_text().splitlines()
    assert nearest[1] == "[worker-0] Training finished. Exit code x."
    assert nearest[2].index("^") == nearest[1].index("x.")
    expect(page.get_by_role("status")).to_contain_text("No rule takes it")
    context.close()


def test_any_event_can_be_explained_with_what_its_vendor_said_besides_the_text(
    shop: Shop, context: BrowserContext
) -> None:
    """The rule of a pool's node counts asks for a reason, which no text holds."""
    page = context.new_page()
    page.goto(f"{shop.base}/resources/research/modelarts_pool/{POOL}")
    page.locator("table.events tr").filter(has_text=LOST).get_by_role("link", name="why?").click()
    expect(page.get_by_role("status")).to_contain_text(
        "The rule node-counts takes it: warning PoolResourcesStatusChange"
    )
    expect(page.get_by_role("status")).to_contain_text("platform_pool_nodes{abnormal} = 1")
    page.goto(f"{shop.base}/mappings?event=1000000")
    expect(page.get_by_role("alert")).to_have_text("this event is no longer in memory; choose a newer one")
    page.goto(shop.base + "/unmapped")
    page.locator("li").filter(has_text=UNREAD).get_by_role("link", name="why?").click()
    expect(page.get_by_role("status")).to_contain_text("No rule takes it (no rule looks at it)")


def test_the_stub_of_a_text_is_a_mapping_file_whose_test_passes(
    shop: Shop, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    page.goto(shop.base + "/unmapped")
    stub = page.locator("pre").filter(has_text="No space left").text_content()
    (tmp_path / "my-rules.yaml").write_text(stub or "")
    done = ran("test", str(tmp_path / "my-rules.yaml"))
    assert (done.returncode, done.stderr) == (0, "")


def test_markup_of_a_vendor_stays_text(shop: Shop, context: BrowserContext) -> None:
    page = context.new_page()
    wrong = watched(page, shop.base)
    for path in ("/", "/events?unmapped=true", "/unmapped", f"/resources/research/modelarts_training/{JOB}"):
        page.goto(shop.base + path)
        expect(page.get_by_text(MARKUP).first).to_be_visible()
        assert page.locator("main img, main b:has-text('NaN')").count() == 0
    assert wrong == []


def test_a_new_event_appears_by_itself_and_its_markup_stays_text(shop: Shop, context: BrowserContext) -> None:
    page = context.new_page()
    wrong = watched(page, shop.base)
    page.goto(shop.base + "/events?target=research&source=modelarts_training&unmapped=true")
    expect(page.get_by_text("Live: new events appear at the top.")).to_be_visible()
    fresh = "<script>alert(2)</script> nobody knows this"
    shop.clouds.add({"source": "modelarts_training", "resource": JOB, "text": fresh})
    first = page.locator("table.events tbody tr").first
    expect(first).to_contain_text(fresh, timeout=20_000)
    expect(page.locator("#live")).to_contain_text("new since this page was opened")
    assert page.locator("table.events script").count() == 0
    assert wrong == []


# --- the API


def test_the_api_gives_what_the_pages_show(shop: Shop) -> None:
    look = msgspec.json.decode(shop.get("/api/v1/overview").content, type=Overview)
    assert {(one.target, one.source) for one in look.sources} >= {("research", "dws"), ("pai", "pai_dlc")}
    events = msgspec.json.decode(shop.get("/api/v1/events?text=checkpoint%201200").content, type=Events)
    assert [event.text for event in events.events] == [UNREAD]
    assert f"data-label=\"Resource\"><a href=\"./resources/research/modelarts_training/{JOB}\"" in shop.get("/events?text=1200").text  # fmt: skip


def test_the_api_keeps_to_its_document(shop: Shop) -> None:
    """Every operation, asked in many right and wrong ways; the stream has no end, so it is asked elsewhere."""
    command = (
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{shop.base}/api/v1/openapi.json",
        *("--max-examples", "3", "--seed", "1", "--exclude-path", "/events/stream", "--request-timeout", "10"),
        *("--phases", "coverage,fuzzing", "--suppress-health-check", "all", "--no-color"),
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment())
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert shop.get("/-/healthy").status_code == 200


WRONG = (
    ("/api/v1/events?severity=loud", 400, "severity: write one of info, warning, error, unclassified, trouble"),
    ("/api/v1/runs?outcome=lost", 400, "outcome: write one of success, failure, cancelled, unknown, open"),
    ("/api/v1/runs?since=1y", 400, "since: write one of 15m, 1h, 6h, 24h, 7d"),
    ("/api/v1/events?limit=0", 400, "limit: write a number from 1 to 1000"),
    ("/api/v1/events?limit=9&limit=8", 400, "limit: stands twice; write it once"),
    ("/api/v1/events?offset=-1", 400, "offset: write a number from 0 to 1000000000"),
    ("/api/v1/events?unmapped=yes", 400, "unmapped: write true or false"),
    ("/api/v1/events?text=" + "x" * 1001, 400, "text: write at most 1000 characters of text"),
    ("/api/v1/overview?debug=1", 400, "a parameter is not known here; write none"),
    ("/api/v1/sources/nobody/dws", 404, "no such thing"),
    ("/api/v1/resources/research/dws/..%2F..%2Fetc", 404, "no such thing"),
    ("/api/v1/explain", 405, "Method Not Allowed"),
    ("/api/v1/nothing", 404, "Not Found"),
)


@pytest.mark.parametrize(("path", "status", "said"), WRONG)
def test_the_api_refuses_in_one_line(path: str, status: int, said: str, shop: Shop) -> None:
    answer = shop.get(path)
    assert (answer.status_code, answer.json()) == (status, {"error": said})


def test_a_question_that_cannot_be_read_is_refused_in_one_line(shop: Shop) -> None:
    def asked(body: bytes, kind: str = "application/json") -> tuple[int, str]:
        url, headers = f"{shop.base}/api/v1/explain", {"content-type": kind}
        answer = httpx2.post(url, content=body, headers=headers, **DIRECT)
        return answer.status_code, answer.json()["error"]

    form = 'send {"source": "…", "text": "…"}'
    assert asked(b"{") == (400, form)
    assert asked(b'{"source": "dws"}') == (400, form)
    assert asked(b'{"source": "dws", "text": "x", "more": 1}') == (400, form)
    assert asked(b"\xff") == (400, form)
    assert asked(b"{}", "text/plain") == (415, "send JSON: application/json")
    sources = ", ".join(sorted(SOURCES))
    assert asked(b'{"source": "x", "text": "x"}') == (404, f"no such source; choose one of {sources}")
    assert asked(b'{"source": "dws", "text": " "}') == (400, form)
    status, said = asked(b'{"source": "dws", "text": "{\\"event_id\\": 1}"}')
    assert status == 422
    assert said.startswith("the record cannot be read: ")


@pytest.mark.parametrize(
    ("source", "said", "text", "rule"),
    [
        ("pai_dlc", "2026-01-02 03:04:05 Something new", "Something new", None),
        ("pai_dlc", "Something new", "Something new", None),
        (
            "dws",
            '{"name": "createBackupFail", "event_id": "1", "occur_time": 1767323045000, "context": "lost"}',
            "lost",
            "failed",
        ),
        ("modelarts_training", '{"message": "no record"', '{"message": "no record"', None),
    ],
)
def test_a_record_a_text_with_its_time_and_a_text_alone_are_explained(
    source: str, said: str, text: str, rule: str | None, shop: Shop
) -> None:
    answer = httpx2.post(f"{shop.base}/api/v1/explain", json={"source": source, "text": said}, **DIRECT).json()
    assert (answer["text"], answer["rule"]) == (text, rule)


def test_nobody_can_ask_for_a_reload_unless_it_was_enabled(shop: Shop) -> None:
    answer = httpx2.post(f"{shop.base}/-/reload", **DIRECT)
    assert (answer.status_code, answer.text) == (403, "not enabled; set web.enable_reload: true\n")


def test_the_configuration_shows_no_secret_and_says_where_each_value_comes_from(shop: Shop) -> None:
    page = shop.get("/config").text
    keys = [value for target in shop.clouds.configuration["targets"] for value in target["credentials"].values()]
    assert [key for key in keys if key in page] == []
    assert "***" in page
    assert re.search(r"web\.route_prefix</code></th><td data-label=\"Value\"><code>/on/call</code></td><td data-label=\"From\">exporter\.yaml:\d+<", page)  # fmt: skip


def test_top_shows_what_is_wrong_and_gives_the_same_to_machines(shop: Shop) -> None:
    seen, read = ran("top", "--url", shop.base), ran("top", "--url", shop.base, "--output", "json")
    assert (seen.returncode, seen.stderr, read.returncode) == (0, "", 0)
    assert "research/dws blind: research: dws GET" in seen.stdout
    assert f"{POOL} lost 1 node " in seen.stdout
    assert "texts without a rule: see /unmapped" in seen.stdout
    assert {one["source"] for one in json.loads(read.stdout)["sources"]} >= {"dws", "pai_dlc"}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://127.0.0.1:1",
            "http://127.0.0.1:1: no answer (All connection attempts failed); is the exporter running there?",
        ),
        (
            "127.0.0.1:1",
            "127.0.0.1:1: no answer (Request URL is missing an 'http://' or 'https://' protocol.); is the exporter running there?",
        ),
        ("BASE/metrics", "BASE/metrics: answered 404; is this the base URL, with its prefix?"),
    ],
)
def test_top_says_in_one_line_why_it_cannot_show_anything(url: str, said: str, shop: Shop) -> None:
    done = ran("top", "--url", url.replace("BASE", shop.base))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said.replace("BASE", shop.base) + "\n")


# --- the end


def test_open_streams_end_when_the_exporter_stops(shop: Shop) -> None:
    """The last of this file: the shop closes."""
    with httpx2.stream("GET", f"{shop.base}/api/v1/events/stream", **DIRECT) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        code, seconds = shop.exporter.stop()
        assert code == 0
        assert seconds < 5
        assert [line for line in lines if line and not line.startswith((":", "id: ", "data: "))] == []
    assert "timeout graceful shutdown exceeded" not in shop.exporter.said()
