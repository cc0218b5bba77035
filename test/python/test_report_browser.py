"""The report's page in a headless browser: its content, and the effects of its script."""

from __future__ import annotations

import base64
import io
import re

import browser
import make_stats
import numpy as np
import pytest
from basin.report import pixels, write_html

DOCUMENTS = ["with_sinks", "without_sinks", "minimal", "hostile", "large"]
pytestmark = pytest.mark.skipif(
    browser.CHROMIUM is None, reason="chromium is not installed (requirements: package chromium)"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each document."""
    folder = tmp_path_factory.mktemp("pages")
    for name in DOCUMENTS:
        write_html(getattr(make_stats, name)(), folder / f"{name}.html")
    return folder


@pytest.fixture(scope="module")
def window():
    one = browser.Browser()
    yield one
    one.close()


def pixels_of(image: bytes) -> np.ndarray:
    """A PNG as [H, W, 3 or 4] u8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_page_runs_without_a_complaint(pages, window, name, dark):
    window.open(pages / f"{name}.html", dark=dark)
    assert window.problems() == []
    assert window.requests() == [(pages / f"{name}.html").resolve().as_uri()]
    assert window.run("document.querySelectorAll('*').length") < 100_000
    # The script ran to its end, and every sortable table and heat map reacts (checked below).
    assert window.run("document.querySelectorAll('#findings article').length") == 7
    color = window.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", color)[:3])) < 200) is dark


def test_policy_stops_what_the_page_did_not_bring(pages, window):
    window.open(pages / "hostile.html")
    window.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); const i = new Image(); i.src = 'http://192.0.2.1/x.png';"
        " document.body.append(i); })()"
    )
    assert window.run("window.ran === undefined")
    assert window.run("document.querySelectorAll('img[onerror], [onmouseover]').length") == 0


@pytest.mark.parametrize("name", ["with_sinks", "without_sinks", "hostile", "large"])
def test_figures_are_drawn(pages, window, name):
    window.open(pages / f"{name}.html")
    boxes = window.run(
        "Array.from(document.querySelectorAll('figure.plot > svg'), (one) => { const b = "
        "one.getBoundingClientRect(); return { id: one.id, x: b.x, y: b.y + scrollY, "
        "width: b.width, height: b.height }; })"
    )
    ids = {one.pop("id") for one in boxes}
    assert len(boxes) == len(ids) == 20  # 7 heat maps, 13 charts
    assert {"svg-attention-map", "svg-residual-dimensions", "svg-norm-weights"} <= ids
    for box in boxes:
        assert box["width"] > 300 and box["height"] > 150
        image = pixels_of(window.screenshot(box))
        colors = np.unique(image.reshape(-1, 3), axis=0)
        assert len(colors) > 20  # axes, text, lines or cells
        background = image[0, 0]
        inked = (image != background).any(axis=-1).mean()
        assert inked > 0.01


def test_heat_map_shows_the_document_s_cells(pages, window):
    """The pixels on the screen have the palette's colours for the figures in the document."""
    window.open(pages / "with_sinks.html")
    box = window.run(
        "(() => { const b = document.querySelector('#svg-sink-importance .cells')"
        ".getBoundingClientRect(); return { x: b.x, y: b.y + scrollY, width: b.width, "
        "height: b.height }; })()"
    )
    image = pixels_of(window.screenshot(box)).astype(int)
    taps = make_stats.with_sinks()["metrics"]["attention"]
    colors = pixels.palette("viridis")
    for layer, tap in enumerate(taps):
        for head, alpha in enumerate(tap["alpha_first"]):
            y = int((layer + 0.5) * image.shape[0] / len(taps))
            x = int((head + 0.5) * image.shape[1] / tap["heads"])
            unit = max(np.log10(alpha / 0.01) / 2, 0.0)  # a log scale from 0.01 to 1
            expected = colors[round(unit * (pixels.LEVELS - 1))].astype(int)
            assert np.abs(image[y, x] - expected).max() <= 2


def test_pointer_tells_the_value(pages, window):
    window.open(pages / "with_sinks.html")
    text = window.run(
        "(() => { const c = document.querySelector('#svg-sink-importance .cells');"
        " c.scrollIntoView(); const b = c.getBoundingClientRect();"
        " c.dispatchEvent(new PointerEvent('pointermove', { clientX: b.x + b.width * 0.6,"
        " clientY: b.y + b.height * 0.55 })); const tip = document.getElementById('tip');"
        " return tip.hidden ? null : tip.textContent; })()"
    )
    alpha = make_stats.with_sinks()["metrics"]["attention"][3]["alpha_first"][2]
    where, value = text.split("\n")
    assert where == "layer 4, head 2"
    assert float(value.removeprefix("alpha_1: ")) == pytest.approx(alpha, rel=1e-3)


def test_each_layer_s_map_can_be_chosen(pages, window):
    window.open(pages / "with_sinks.html")
    cells = "document.querySelector('#svg-attention-map .cells')"
    images = [window.run(f"{cells}.getAttribute('href')")]
    for index in (1, 4, 0):
        window.run(
            "(() => { const s = document.querySelector('select.frame'); "
            f"s.value = '{index}'; s.dispatchEvent(new Event('change')); }})()"
        )
        images.append(window.run(f"{cells}.getAttribute('href')"))
    assert len(set(images[:3])) == 3 and window.problems() == []
    # When the script paints the first picture again, it has the pixels of the one in the file.
    first, again = (base64.b64decode(images[i].split(",")[1]) for i in (0, 3))
    assert np.array_equal(pixels_of(first)[5:, 0], pixels_of(again)[5:, 0])


def column(window, table, index):
    """The texts of a table's visible rows in one column."""
    return window.run(
        f"Array.from(document.querySelectorAll('#table-{table} tbody tr'), (row) => row)"
        f".filter((row) => !row.hidden).map((row) => row.cells[{index}].textContent)"
    )


def test_tables_sort(pages, window):
    window.open(pages / "with_sinks.html")
    click = (
        "(() => {{ const h = document.querySelectorAll('#table-residual th')[{0}];"
        " h.querySelector('button').click(); return h.getAttribute('aria-sort'); }})()"
    )
    before = column(window, "residual", 3)
    assert window.run(click.format(3)) == "descending"
    down = [float(one) for one in column(window, "residual", 3)]
    assert down == sorted(down, reverse=True) and len(down) == 13
    assert window.run(click.format(3)) == "ascending"
    up = [float(one) for one in column(window, "residual", 3)]
    assert up == sorted(down) and column(window, "residual", 3) != before[::-1]
    assert window.run(click.format(2)) == "ascending"
    words = column(window, "residual", 2)
    assert words == sorted(words) and len(set(words)) == 3
    assert window.run("document.querySelectorAll('#table-residual [aria-sort=none]').length") == 13


def test_tables_sort_by_keyboard(pages, window):
    window.open(pages / "with_sinks.html")
    window.run("document.querySelectorAll('#table-heads th button')[6].focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        window.call("Input.dispatchKeyEvent", key | ({"text": "\r"} if kind == "keyDown" else {}))
    entropy = [float(one) for one in column(window, "heads", 6)]
    assert entropy == sorted(entropy, reverse=True)


def test_tables_filter(pages, window):
    window.open(pages / "with_sinks.html")
    fill = (
        "(() => {{ const f = document.querySelector('#table-residual .filter'); f.value = '{}';"
        " f.dispatchEvent(new Event('input')); "
        "return document.querySelector('#table-residual .count').textContent; }})()"
    )
    assert window.run(fill.format("MLP yes")) == "5 shown, 13 rows"
    assert set(column(window, "residual", 2)) == {"mlp"}
    assert window.run(fill.format("nothing like it")) == "0 shown, 13 rows"
    assert window.run(fill.format("")) == "13 rows"
    assert len(column(window, "residual", 2)) == 13


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_horizontal_overflow(pages, window, name, width):
    window.open(pages / f"{name}.html", width)
    assert window.run("document.documentElement.scrollWidth") <= width
    # Only parts that scroll by themselves reach beyond the column.
    beyond = window.run(
        "Array.from(document.querySelectorAll('main *'))"
        ".filter((one) => !one.closest('.scroll, .wide'))"
        ".filter((one) => one.getBoundingClientRect().right > innerWidth)"
        ".map((one) => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_tables_fit_their_column(pages, window, name):
    """At 1280 pixels no table has to be scrolled sideways to be read."""
    window.open(pages / f"{name}.html", 1280)
    wide = window.run(
        "Array.from(document.querySelectorAll('.scroll'))"
        ".filter((one) => one.scrollWidth > one.clientWidth)"
        ".map((one) => [one.closest('[id]').id, one.scrollWidth, one.clientWidth])"
    )
    assert wide == []
    # Numbers stay on one line, and words keep a width in which they can be read.
    broken = window.run(
        "Array.from(document.querySelectorAll('.sortable td.number'))"
        ".filter((one) => one.getBoundingClientRect().height > 0)"
        ".filter((one) => getComputedStyle(one).whiteSpace !== 'nowrap').length"
    )
    assert broken == 0
