"""The report's page, in a headless browser where there is one, and its figures."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import struct
import zlib
from pathlib import Path

import basin
import browser
import jsonschema
import make_stats
import numpy as np
import pytest
from basin.report import axes, html, pixels, write_figures, write_html

DOCUMENTS = ["with_sinks", "without_sinks", "minimal", "hostile", "large"]
FIGURES = [
    "attention_map.png", "sink_importance.png", "residual_dimensions.png", "norm_weights.png",
    "layers.png", "projections.png",
]  # fmt: skip
needs_browser = pytest.mark.skipif(
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


@pytest.mark.parametrize("name", ["with_sinks", "without_sinks"])
def test_documents_are_of_the_schema(name):
    """The drawn documents have the shape of measured ones; what is not drawn is left out."""
    path = Path(basin.__path__[0]) / "analysis" / "stats.schema.json"
    if not path.is_file():
        pytest.skip(f"no schema of statistics in this tree: {path}")
    schema = json.loads(path.read_text("utf-8"))
    for key in ("instrumentation", "accumulators"):
        schema["required"].remove(key)
        del schema["properties"][key]
    jsonschema.validate(getattr(make_stats, name)(), schema)


# The file itself.


@pytest.mark.parametrize("name", DOCUMENTS)
def test_page_loads_nothing(pages, name):
    text = (pages / f"{name}.html").read_text("utf-8")
    outside = r"""(?:src|href|srcset|action|data)\s*=\s*["']?\s*(?!#|data:)[^"'\s>]|@import|url\("""
    found = re.findall(outside, re.sub(r"(?s)<script.*?</script>", "", text))
    # Of a hostile name only its escaped text may look like an attribute.
    assert [one for one in found if "=x" not in one and "= x" not in one] == []
    assert "https:" not in text and "http:" not in text
    assert "default-src 'none'" in text
    assert len(text) < 5_000_000


def test_hostile_names_are_text(pages):
    text = (pages / "hostile.html").read_text("utf-8")
    assert text.count("<script") == 3 and "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for character in "\a\x1b\x00\u202e\u2028":
        assert character not in text
    assert "{{ 7 * 7 }}" in text and "日本語 🦙" in text and "lone \\ud800" in text


def test_same_statistics_same_bytes(tmp_path):
    for name in DOCUMENTS:
        write_html(getattr(make_stats, name)(), tmp_path / "a.html")
        write_html(getattr(make_stats, name)(), tmp_path / "b.html")
        assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_document_is_left_alone():
    stats = make_stats.hostile()
    html.render(stats)
    assert stats == make_stats.hostile()


def test_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_html(make_stats.minimal(), path)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_html(make_stats.minimal(), path)
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("key", ["metrics", "model", "data", "notes"])
def test_page_of_a_document_with_nothing(key):
    stats = make_stats.with_sinks()
    stats[key] = None
    assert "<h2>Findings</h2>" in html.render(stats)
    assert "<h2>Findings</h2>" in html.render({})


def test_random_tokens_have_a_label(pages):
    assert "Random tokens." in (pages / "without_sinks.html").read_text("utf-8")
    assert "Random tokens" not in (pages / "with_sinks.html").read_text("utf-8")


def test_policy_hashes_are_those_of_the_page(pages):
    text = (pages / "with_sinks.html").read_text("utf-8")
    script = re.findall(r"(?s)<script>(.*?)</script>", text)[-1]
    style = re.findall(r"(?s)<style>(.*?)</style>", text)[0]
    assert f"script-src '{html.digest(script)}'" in text
    assert f"style-src '{html.digest(style)}'" in text


# The pieces.


def test_png_holds_its_values():
    unit = np.array([[0.0, 0.5, 1.0], [np.nan, 0.25, 0.75]])
    colors = pixels.palette("viridis")
    image = pixels.png(unit, colors)
    data = image[image.index(b"IDAT") + 4 :]
    (size,) = struct.unpack(">I", image[image.index(b"IDAT") - 4 : image.index(b"IDAT")])
    lines = np.frombuffer(zlib.decompress(data[:size]), np.uint8).reshape(2, 4)
    assert lines.tolist() == [[0, 0, 127, 254], [0, 255, 64, 190]]
    assert pixels_of(image)[0, 2].tolist() == colors[-1].tolist()


def test_unit_scale():
    scaled = pixels.unit_scale(np.array([0.0, 1e-4, 1e-2, 1.0, 5.0]), 1e-4, 1.0, log=True)
    np.testing.assert_allclose(scaled, [np.nan, 0, 0.5, 1, 1])


@pytest.mark.parametrize(
    "low, high", [(1e-6, 1e4), (0.02, 1.3), (64, 65), (1, 2), (1e-300, 1e300), (0.9, 11)]
)
def test_log_ticks(low, high):
    ticks = axes.log_ticks(low, high)
    assert 1 <= len(ticks) <= 12 and all(low * 0.99 <= t <= high * 1.01 for t in ticks)


def test_tick_text():
    shown = [axes.tick_text(x) for x in (0, 0.1, 1000, 1e-5, 2e6)]
    assert shown == ["0", "0.1", "1000", "10⁻⁵", "2·10⁶"]


# In a browser.


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_page_runs_without_a_complaint(pages, window, name, dark):
    window.open(pages / f"{name}.html", dark=dark)
    assert window.problems() == []
    assert window.requests() == [(pages / f"{name}.html").resolve().as_uri()]
    assert window.run("document.querySelectorAll('*').length") < 100_000
    # The script ran to its end: every sortable table reacts (checked below), every heat map too.
    assert window.run("document.querySelectorAll('#findings article').length") == 7
    color = window.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", color)[:3])) < 200) is dark


@needs_browser
def test_policy_stops_what_the_page_did_not_bring(pages, window):
    window.open(pages / "hostile.html")
    window.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); const i = new Image(); i.src = 'http://192.0.2.1/x.png';"
        " document.body.append(i); })()"
    )
    assert window.run("window.ran === undefined")
    assert window.run("document.querySelectorAll('img[onerror], [onmouseover]').length") == 0


@needs_browser
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


@needs_browser
def test_heat_map_shows_the_document_s_cells(pages, window):
    """The screen's pixels are the palette's colours of the figures in the document."""
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


@needs_browser
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


@needs_browser
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
    # Painted again by the script, the first picture has the pixels of the one in the file.
    first, again = (base64.b64decode(images[i].split(",")[1]) for i in (0, 3))
    assert np.array_equal(pixels_of(first)[5:, 0], pixels_of(again)[5:, 0])


def column(window, table, index):
    """The texts of a table's visible rows in one column."""
    return window.run(
        f"Array.from(document.querySelectorAll('#table-{table} tbody tr'), (row) => row)"
        f".filter((row) => !row.hidden).map((row) => row.cells[{index}].textContent)"
    )


@needs_browser
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


@needs_browser
def test_tables_sort_by_keyboard(pages, window):
    window.open(pages / "with_sinks.html")
    window.run("document.querySelectorAll('#table-heads th button')[6].focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        window.call("Input.dispatchKeyEvent", key | ({"text": "\r"} if kind == "keyDown" else {}))
    entropy = [float(one) for one in column(window, "heads", 6)]
    assert entropy == sorted(entropy, reverse=True)


@needs_browser
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


@needs_browser
@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_horizontal_overflow(pages, window, name, width):
    window.open(pages / f"{name}.html", width)
    assert window.run("document.documentElement.scrollWidth") <= width
    # Nothing but what scrolls by itself reaches beyond the column.
    beyond = window.run(
        "Array.from(document.querySelectorAll('main *'))"
        ".filter((one) => !one.closest('.scroll, .wide'))"
        ".filter((one) => one.getBoundingClientRect().right > innerWidth)"
        ".map((one) => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []


# Figures as files.


@pytest.mark.parametrize("name", ["with_sinks", "without_sinks", "hostile", "large"])
def test_png_figures(tmp_path, name):
    written = write_figures(getattr(make_stats, name)(), tmp_path)
    assert [path.name for path in written] == FIGURES
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FIGURES)
    for path in written:
        image = pixels_of(path.read_bytes())
        assert min(image.shape[:2]) > 250 and len(np.unique(image.reshape(-1, 3), axis=0)) > 20


def test_png_figures_of_little(tmp_path):
    stats = make_stats.minimal()
    assert [path.name for path in write_figures(stats, tmp_path)] == ["layers.png"]
    stats["metrics"] = None
    assert write_figures(stats, tmp_path / "none") == []


def test_png_figures_repeat(tmp_path):
    first = write_figures(make_stats.with_sinks(), tmp_path / "a")
    second = write_figures(make_stats.with_sinks(), tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
