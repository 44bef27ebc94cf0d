"""The page and the report in Chromium, by Playwright. `make test` runs them where there is one, `make browser` alone."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_examples import until
from recording_examples import TINY, goal, observation
from report_examples import EVIL, practised
from view_examples import served

from a2g_cli.core.workspace import Workspace
from a2g_cli.live.publisher import Publisher
from a2g_cli.live.state import lives
from a2g_cli.report.page import write_page
from a2g_cli.report.session import session_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("There is no Chromium: on Debian, apt install chromium.", allow_module_level=True)
try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:
    pytest.skip("There is a Chromium, but no Playwright: `make browser` installs it.", allow_module_level=True)

SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
PATIENCE = 120_000
"""Longest wait for the browser [ms]: it may run on a machine under load."""
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
"""What axe looks for."""
SHOTS = os.environ.get("A2G_SHOTS")
"""A folder for screenshots; none are made without it."""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield opened
        opened.close()


@contextmanager
def looking(browser: "Browser", size: str = "desktop", scheme: str = "light", scripts: bool = True) -> Iterator["Page"]:
    """Open a page that asks for nothing outside of this machine, and that reports no error of its scripts."""
    width, height = SIZES[size]
    problems: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda asked: problems.append(asked.url) if _elsewhere(asked.url) else None)
    yield page
    context.close()
    assert problems == []


def _elsewhere(address: str) -> bool:
    return not address.startswith(("http://127.0.0.1:", "data:", "file:", "blob:"))


@contextmanager
def running(root: Path, **told: object) -> Iterator[Publisher]:
    """A run that publishes: it has made seven steps of an episode."""
    heard: list[str] = []
    with Publisher(Workspace(root), "now", "a2g improve", heard.append, rounds=3, round=1, **told) as live:
        live.part("round 2: practice", 12, 3)
        live.began(goal(0, TINY), 60)
        live.planned(observation(0, 0, TINY), {"front": [np.full((6, 8, 3), 90, np.uint8)] * 3}, 30.0, 0.1)
        live.stepped(7, observation(1, 0, TINY), 21.0)
        live.planned(observation(2, 0, TINY), {}, 20.0, 0.1)
        live.advanced(4, successes=2, judged=4)
        until(lambda: lives(Workspace(root))[0].state.done == 4)
        yield live


def shot(page: "Page", name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def test_the_page_follows_a_run(browser: "Browser", tmp_path: Path) -> None:
    with served(tmp_path) as address, looking(browser) as page:
        page.goto(address)
        expect(page.get_by_text("Nothing runs now")).to_be_visible()
        with running(tmp_path) as live:
            expect(page.get_by_role("heading", name="a2g improve, goal cup-on-plate")).to_be_visible()
            expect(page.get_by_text("It runs: round 2: practice.")).to_be_visible()
            expect(page.locator("[data-word=steps_to_go]")).to_have_text("20")
            for name in ("now", "goal"):
                image = page.locator(f"[data-image={name}]")
                expect(image).to_be_visible()
                assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
            before = page.locator("[data-image=now]").get_attribute("src")
            live.stepped(8, observation(3, 0, TINY), 3.0)
            expect(page.locator("[data-word=steps_to_go]")).to_have_text("3")
            expect(page.locator("[data-word=step]")).to_have_text("step 8 of 60")
            assert page.locator("[data-image=now]").get_attribute("src") != before
            assert page.locator("[data-bar=part]").evaluate("bar => [bar.value, bar.max]") == [4, 12]
        expect(page.get_by_text("It has ended.")).to_be_visible()


def test_the_page_says_when_nothing_answers(browser: "Browser", tmp_path: Path) -> None:
    with looking(browser) as page:
        with served(tmp_path) as address, running(tmp_path):
            page.goto(address)
            expect(page.locator("[data-lost]")).to_be_hidden()
        expect(page.get_by_role("alert")).to_have_text(
            "No connection to the robot's computer. What is shown may be old."
        )
        page.context.set_offline(True)


@pytest.mark.parametrize("scripts", [True, False])
def test_one_press_stops_a_run(browser: "Browser", tmp_path: Path, scripts: bool) -> None:
    seen = looking(browser, "phone", scripts=scripts)
    with served(tmp_path, allow_stop=True) as address, seen as page, running(tmp_path) as live:
        page.goto(address)
        button = page.get_by_role("button", name="Stop softly")
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 60
        assert box["y"] + box["height"] <= SIZES["phone"][1], "it is seen without scrolling"
        button.focus()
        page.keyboard.press("Enter")
        until(lambda: live.state.stopping)
        asked = page.get_by_text("It is stopping softly: somebody at the page of a2g view asked for it.")
        expect(asked).to_be_visible()  # without scripts the page is loaded again every three seconds
        expect(button).to_be_disabled()
        shot(page, f"stopping-{scripts}")


def test_a_video_plays_moves_and_is_marked(browser: "Browser", tmp_path: Path) -> None:
    practised(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.hdf5")}
    with served(tmp_path) as address, looking(browser) as page:
        page.goto(f"{address}/sessions/monday")
        card = page.locator(".card").first
        card.get_by_role("button", name="Play").click()
        video = card.locator("video")
        page.wait_for_function("video => video.ended || video.currentTime > 0", arg=video.element_handle())
        page.wait_for_function("video => video.ended", arg=video.element_handle())
        assert video.evaluate("video => video.duration") > 0
        slider = card.get_by_role("slider")
        slider.focus()
        page.keyboard.press("Home")
        page.wait_for_function("video => video.currentTime === 0", arg=video.element_handle())
        card.get_by_role("button", name="Begin here").click()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        video.evaluate("video => { video.currentTime = 0.2; }")
        card.get_by_role("button", name="End here").click()
        expect(card.get_by_text("keep 0.0 s to 0.2 s")).to_be_visible()
        page.reload()
        card = page.locator(".card").first
        expect(card.get_by_text("keep 0.0 s to 0.2 s")).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_text("Save all marks as JSON").click()
        kept = json.loads(Path(saved.value.path()).read_text())
        assert kept == {"monday/episode-0003": {"begin": 0, "end": 0.2}}
        card.get_by_role("button", name="No marks").click()
        expect(page.get_by_text("0 episodes have marks.")).to_be_visible()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.hdf5")} == before


def test_filters_work_by_keyboard_and_two_adapters_play_together(browser: "Browser", tmp_path: Path) -> None:
    practised(tmp_path)
    with served(tmp_path) as address, looking(browser) as page:
        page.goto(f"{address}/sessions/monday")
        page.keyboard.press("Tab")
        expect(page.get_by_text("To the content")).to_be_focused()
        page.get_by_label("outcome").select_option("no success")
        expect(page.get_by_text("2 of 4 episodes")).to_be_visible()
        page.get_by_role("link", name="Adapters").click()
        page.get_by_role("button", name="Compare").click()
        page.get_by_role("button", name="Play together").click()
        for video in page.locator("video").all():
            page.wait_for_function("video => video.ended || video.currentTime > 0", arg=video.element_handle())


def test_a_name_that_looks_like_markup_does_nothing(browser: "Browser", tmp_path: Path) -> None:
    practised(tmp_path, "<b>'\"&lt;", EVIL, f"</script>{EVIL}<script>alert(2)</script>")
    with served(tmp_path, allow_stop=True) as address, looking(browser) as page, running(tmp_path) as live:
        page.goto(address)
        live.tell(goal=EVIL, part=EVIL)
        live.said(EVIL)
        expect(page.locator("[data-word=goal]")).to_have_text(EVIL)
        page.goto(f"{address}/sessions")
        page.get_by_role("link", name="<b>", exact=False).first.click()
        expect(page.locator("h1")).to_contain_text("<b>")
        assert page.locator("img[src=x], h1 b").count() == 0
        page.get_by_role("link", name="the report of this session").click()
        expect(page.locator(".verdict")).to_contain_text(EVIL)
        page.goto(f"{address}/adapters/compare?one=base&other=adapter-001")
        expect(page.get_by_text("Play together")).to_be_visible()


def test_another_site_in_the_browser_gets_nothing(browser: "Browser", tmp_path: Path) -> None:
    with served(tmp_path, allow_stop=True) as address, running(tmp_path) as live:
        evil = tmp_path / "evil.html"
        evil.write_text(
            f"<img src='{address}/live/now/now.png' onload='document.title=\"seen\"' onerror='document.title=\"refused\"'>"
            f"<iframe src='{address}/'></iframe>"
            f"<form method=post action='{address}/live/now/stop'><input name=key value=x></form>"
        )
        page = browser.new_context().new_page()
        page.goto(evil.as_uri())
        page.wait_for_function("document.title !== ''")
        assert page.title() == "refused"
        assert page.frames[1].locator("h2").count() == 0
        page.evaluate("document.forms[0].submit()")
        expect(page.get_by_text("does not come from this page")).to_be_visible()
        assert not live.state.stopping
        page.context.close()


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_everybody_can_use_it(browser: "Browser", tmp_path: Path, size: str, scheme: str) -> None:
    """axe finds nothing against WCAG 2 AA, and no page is wider than its window."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed."
    ).Axe()
    session = practised(tmp_path, imagines=True)
    report = tmp_path / "report.html"
    write_page(session_page(Workspace(tmp_path), session), report)
    with served(tmp_path, allow_stop=True) as address, running(tmp_path), looking(browser, size, scheme) as page:
        pages = {"now": "/", "sessions": "/sessions", "session": "/sessions/monday", "adapters": "/adapters"}
        pages |= {"compare": "/adapters/compare"}
        if size == "desktop" and not SHOTS:  # each takes a second, and the others differ in width alone
            pages = {name: pages[name] for name in ("now", "session")}
        for name, place in [*((name, address + path) for name, path in pages.items()), ("report", report.as_uri())]:
            page.goto(place)
            if name == "now":
                page.get_by_text("the run", exact=True).click()
            for told in page.locator(".imagined summary").all()[:2]:
                told.click()
            shot(page, f"{name}-{size}-{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
            found = axe.run(page, options=WCAG).response["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found] == [], name
