"""Heat maps as PNG data: one pixel a cell, a palette, transparent where there is no value.

Written by hand because the picture is the data (a cell is a pixel, the browser enlarges it without
smoothing) and because the bytes must be the same every time.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

LEVELS = 255  # palette entries of colours; the last index, 255, is "no value"


def palette(name: str) -> np.ndarray:
    """[LEVELS, 3] u8 of one of matplotlib's perceptually uniform, colour-blind-safe maps."""
    from matplotlib import colormaps

    table = np.asarray(colormaps[name].resampled(LEVELS)(np.arange(LEVELS)))
    return np.round(table[:, :3] * 255).astype(np.uint8)


def unit_scale(values: np.ndarray, low: float, high: float, log: bool) -> np.ndarray:
    """`values` in [0, 1] between `low` and `high`, NaN kept; on a log scale zero is NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if log:
            values = np.log(np.where(values > 0, values, np.nan))
            low, high = np.log(low), np.log(high)
        scaled = (values - low) / (high - low)
    return np.clip(scaled, 0, 1)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(unit: np.ndarray, colors: np.ndarray) -> bytes:
    """[R, C] in [0, 1] as an indexed PNG."""
    index = np.where(np.isnan(unit), LEVELS, np.round(np.nan_to_num(unit) * (LEVELS - 1)))
    rows, columns = unit.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # the first byte of a line: no filter
    lines[:, 1:] = index
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    entries = np.vstack([colors, np.zeros((1, 3), np.uint8)])
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"PLTE", entries.tobytes()),
            chunk(b"tRNS", b"\xff" * LEVELS + b"\x00"),
            chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            chunk(b"IEND", b""),
        ]
    )


def data_uri(image: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def packed(unit: np.ndarray) -> str:
    """[R, C] in [0, 1] as base64 of little-endian u16 in steps of 1/65534; 65535 is no value.

    What the page shows under the pointer: over six decades of a log scale a step is 0.02 %.
    """
    steps = np.where(np.isnan(unit), 65535, np.round(np.nan_to_num(unit) * 65534))
    return base64.b64encode(steps.astype("<u2").tobytes()).decode("ascii")
