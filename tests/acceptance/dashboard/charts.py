"""What a browser shows of spending: the bars and the movements behind them, and whether it can be read."""

from typing import NamedTuple

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


def bars(browser: Chrome) -> dict[tuple[str, str], float]:
    """What the chart draws, by day and type."""
    drawn = browser.execute_script("""
        const {labels, datasets} = Chart.getChart("bars")?.data ?? {labels: [], datasets: []};
        return datasets.flatMap((type) => type.data.map((height, at) => [labels[at], type.label, height]));
    """)
    return {(day, kind): height for day, kind, height in drawn if height}


def click_on_bar(browser: Chrome, day: str, kind: str) -> None:
    canvas = browser.find_element(By.ID, "bars")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    x, y = browser.execute_script(
        """
        const chart = Chart.getChart("bars"), type = chart.data.datasets.findIndex((each) => each.label === arguments[1]);
        const {x, y} = chart.getDatasetMeta(type).data[chart.data.labels.indexOf(arguments[0])].getCenterPoint();
        return [x - chart.width / 2, y - chart.height / 2];
        """,
        day, kind,
    )  # fmt: skip
    ActionChains(browser).move_to_element_with_offset(canvas, x, y).click().perform()


def lines_shown(browser: Chrome) -> list[str]:
    """The interaction ids of the movements that the page lists."""
    shown: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#lines .line')].map((each) => each.textContent)"
    )
    return shown


def unreadable(browser: Chrome) -> list[str]:
    """Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, AA)."""
    found: list[str] = browser.execute_script("""
        const light = (colour) => {
          const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (node) => {
          const colour = node === null ? "rgb(255, 255, 255)" : getComputedStyle(node).backgroundColor;
          return node !== null && colour === "rgba(0, 0, 0, 0)" ? behind(node.parentElement) : colour;
        };
        const contrast = (one, other) => {
          const [a, b] = [light(one), light(other)];
          return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        };
        const texts = [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility()
          && [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim() !== ""));
        return texts.filter((node) => contrast(getComputedStyle(node).color, behind(node)) < 4.5)
          .map((node) => `${node.tagName} ${node.textContent}`);
    """)
    return found


class Stop(NamedTuple):
    """A stop of the Tab key. `name`: its id, that of the part of the page that it is in, or its text; `place`: among all
    elements; `is_seen`: whether it is in the window, with a ring around it."""

    name: str
    place: int
    is_seen: bool


def tab_stops(browser: Chrome, most: int) -> list[Stop]:
    """From the beginning of the page, until the Tab key leaves it or `most` were found; each once."""
    browser.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
    stops: list[Stop] = []
    for _ in range(most):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        found = browser.execute_script("""
            const now = document.activeElement, {top, bottom} = now.getBoundingClientRect(), style = getComputedStyle(now);
            if (now === document.body) return null;
            const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            return [now.id || now.closest("main [id]:not(section)")?.id || now.textContent,
              [...document.querySelectorAll("*")].indexOf(now), ring && bottom > 0 && top < innerHeight];
        """)
        if found is None:
            break
        # Each part of a date is a stop.
        if not stops or stops[-1].place != found[1]:
            stops.append(Stop(*found))
    return stops
