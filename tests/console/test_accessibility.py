"""The console is for everybody: keyboards, screen readers, both themes, small screens."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support import browser
from tests.support.backend import scripted_backend
from tests.support.browser import Tab, browsing
from tests.support.gateway import Served, serving
from tests.support.speaking_backends import speak_at_once
from tests.support.speech import FOX

pytestmark = [
    pytest.mark.skipif(bool(browser.MISSING), reason=browser.REASON),
    pytest.mark.timeout(120),
]
CONTROLS = {"button", "textbox", "combobox", "slider", "meter", "progressbar", "list"}
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const shown = element.id === "file" ? getComputedStyle(element.parentElement) : style;
  return [element.id, shown.outlineStyle, parseFloat(shown.outlineWidth)];
}"""
COLOURS = """() => {
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    const says = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if ((says || element.dataset.empty) && !["SCRIPT", "STYLE"].includes(element.tagName)) {
      found.push([element.id || element.textContent.slice(0, 20), style.color, behind(element)]);
    }
  }
  return found;
}"""
EDGES = """() => ["text", "voice", "copy", "key", "drop"].map((id) => {
  const element = document.getElementById(id);
  const style = getComputedStyle(element);
  const card = getComputedStyle(element.closest(".card, #key-panel")).backgroundColor;
  return [element.id, style.borderTopColor, card];
})"""


@pytest.fixture
async def gateway() -> AsyncIterator[Served]:
    async with scripted_backend(speak_at_once) as backend:
        async with serving(backend.url, "--openai", "--console") as served:
            yield served


def luminance(colour: str) -> float:
    """Return the relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


async def with_everything_shown(tab: Tab) -> None:
    """Show what is hidden at first, and errors."""
    await tab.page.evaluate("""() => {
      for (const element of document.querySelectorAll("[hidden]")) element.hidden = false;
      for (const told of document.querySelectorAll(".told")) told.textContent = "Something.";
      document.getElementById("live-told").classList.add("bad");
    }""")


async def tree(tab: Tab) -> list[dict[str, Any]]:
    """Return the accessibility tree, as Chromium hands it to a screen reader."""
    session = await tab.page.context.new_cdp_session(tab.page)
    nodes: list[dict[str, Any]] = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    return [node for node in nodes if not node["ignored"]]


async def test_every_control_has_a_name(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await with_everything_shown(tab)
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in await tree(tab)
            if node["role"]["value"] in CONTROLS
        ]

    assert [control for control in found if not control[1]] == []
    assert {role for role, _ in found} >= {"button", "textbox", "combobox", "slider", "meter"}


async def test_the_parts_are_landmarks_with_headings(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in await tree(tab)
        ]

    for landmark in (
        ("banner", ""),
        ("main", ""),
        ("region", "Speak"),
        ("region", "Listen"),
        ("region", "Status"),
    ):
        assert landmark in found
    headings = [name for role, name in found if role == "heading"]
    assert headings[:2] == ["speech-gateway", "Speak"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_what_is_written_can_be_read(gateway: Served, scheme: str) -> None:
    async with browsing(gateway, color_scheme=scheme) as tab:
        await with_everything_shown(tab)
        written = await tab.page.evaluate(COLOURS)
        edges = await tab.page.evaluate(EDGES)

    assert len(written) > 40
    assert [one for one in written if contrast(one[1], one[2]) < 4.5] == []
    assert [edge for edge in edges if contrast(edge[1], edge[2]) < 3] == []


async def test_a_text_is_spoken_without_a_mouse(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        press, write = tab.page.keyboard.press, tab.page.keyboard.type
        focused = []

        async def go_to(name: str) -> None:
            for _ in range(30):
                await press("Tab")
                focused.append(await tab.page.evaluate(FOCUSED))
                if focused[-1][0] == name:
                    return
            raise AssertionError(f"{name} is not reached: {focused}")

        await go_to("text")
        await press("Control+A")
        await write(FOX)
        await go_to("voice")
        await press("ArrowDown")
        await go_to("speed")
        await press("ArrowRight")
        await go_to("format")
        await press("End")
        await go_to("say")
        await press("Enter")
        await tab.says("#speak-told", "Spoken to the end.")
        command = await tab.text("#curl")
        await go_to("live")
        await go_to("file")

    assert [one for one in focused if one[1] == "none" or one[2] < 2] == []
    for part in (FOX, '"speed":1.05', '"response_format":"pcm"', '"voice":"ash"'):
        assert part in command


async def test_ctrl_and_enter_speak_from_the_text(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        await tab.page.fill("#text", FOX)
        await tab.page.press("#text", "Control+Enter")
        await tab.says("#speak-told", "Spoken to the end.")


async def test_what_happens_is_announced(gateway: Served) -> None:
    async with browsing(gateway) as tab:
        live = await tab.page.eval_on_selector_all(
            "[role=status], [aria-live=polite]", "found => found.map((element) => element.id)"
        )

    assert set(live) >= {
        "ready",
        "speak-told",
        "live-told",
        "words-told",
        "file-told",
        "key-reason",
    }


async def test_the_page_fits_a_telephone(gateway: Served) -> None:
    async with browsing(gateway, viewport={"width": 320, "height": 640}) as tab:
        await with_everything_shown(tab)
        width = await tab.page.evaluate("() => document.documentElement.scrollWidth")
        small = await tab.page.eval_on_selector_all(
            "button, select, .choose",
            "found => found.filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.id)",
        )

    assert width == 320
    assert small == []


async def test_nothing_moves_for_who_wants_no_motion(gateway: Served) -> None:
    async with browsing(gateway, reduced_motion="reduce") as tab:
        moving = await tab.page.evaluate(
            "() => [...document.querySelectorAll('*')].filter((e) => "
            "getComputedStyle(e).transitionDuration !== '0s').length"
        )

    assert moving == 0
