"""The report's page as a file, the parts from which it is drawn, and the figures."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import zlib
from pathlib import Path

import basin
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


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of each document."""
    folder = tmp_path_factory.mktemp("pages")
    for name in DOCUMENTS:
        write_html(getattr(make_stats, name)(), folder / f"{name}.html")
    return folder


def pixels_of(image: bytes) -> np.ndarray:
    """A PNG as [H, W, 3 or 4] u8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


@pytest.mark.parametrize("name", ["with_sinks", "without_sinks"])
def test_documents_are_of_the_schema(name):
    """The drawn documents fit the schema of measured ones, except for parts that are not drawn."""
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
    # Only the escaped text of a hostile name may look like an attribute.
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
