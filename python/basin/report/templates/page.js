"use strict";
// The page's own behaviour: values under the pointer, layers of the attention map, tables, copying.

const pointer = JSON.parse(document.getElementById("pointer").textContent);
const tip = document.getElementById("tip");
const NONE = 65535, STEPS = 65534, LEVELS = 255;

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// A frame's values in [0, 1], NaN where there is none: little-endian u16.
function unpack(text) {
  const raw = bytes(text);
  const result = new Float64Array(raw.length / 2);
  for (let i = 0; i < result.length; i++) {
    const step = raw[2 * i] | (raw[2 * i + 1] << 8);
    result[i] = step === NONE ? NaN : step / STEPS;
  }
  return result;
}

function inUnits(grid, unit) {
  if (grid.log) return Math.exp(Math.log(grid.low) + unit * Math.log(grid.high / grid.low));
  return grid.low + unit * (grid.high - grid.low);
}

function figure(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e7 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

function showTip(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const x = Math.min(event.clientX + 14, innerWidth - box.width - 6);
  const y = event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 16;
  tip.style.left = Math.max(x, 4) + "px";
  tip.style.top = y + "px";
}

function describe(grid, values, row, column) {
  const unit = values[row * grid.columns.length + column];
  const low = unit === 0 ? "at most " : unit === 1 ? "at least " : "";
  const edges = grid.log && (unit === 0 || unit === 1) ? low : "";
  const what = Number.isNaN(unit) ? "none" : edges + figure(inUnits(grid, unit));
  return `${grid.rows[row]}, ${grid.columns[column]}\n${grid.unit}: ${what}`;
}

// Paints a frame as the document's own picture is painted: a pixel a cell, no value transparent.
function paint(grid, values) {
  const columns = grid.columns.length, rows = grid.rows.length;
  const colors = bytes(pointer.palettes[grid.colors]);
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue;
    const level = 3 * Math.round(values[i] * (LEVELS - 1));
    image.data.set([colors[level], colors[level + 1], colors[level + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

for (const plot of document.querySelectorAll("[data-grid]")) {
  const grid = pointer.grids[plot.dataset.grid];
  const cells = plot.querySelector(".cells");
  let values = unpack(grid.frames[0]);
  cells.addEventListener("pointermove", (event) => {
    const box = cells.getBoundingClientRect();
    const place = (at, start, size, count) =>
      Math.min(Math.max(Math.floor((at - start) / size * count), 0), count - 1);
    const row = place(event.clientY, box.top, box.height, grid.rows.length);
    const column = place(event.clientX, box.left, box.width, grid.columns.length);
    showTip(event, describe(grid, values, row, column));
  });
  cells.addEventListener("pointerleave", () => { tip.hidden = true; });
  const choice = plot.querySelector("select.frame");
  if (choice) choice.addEventListener("change", () => {
    values = unpack(grid.frames[Number(choice.value)]);
    cells.setAttribute("href", paint(grid, values));
  });
}

// What a cell sorts by: its number, else its text; cells without a figure come last either way.
function sortKey(row, index) {
  const cell = row.cells[index];
  if ("key" in cell.dataset) return Number(cell.dataset.key);
  return cell.textContent === "–" ? null : cell.textContent;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, heading) {
  const index = heading.cellIndex;
  const up = heading.classList.contains("number")
    ? heading.getAttribute("aria-sort") === "descending"
    : heading.getAttribute("aria-sort") !== "ascending";
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [sortKey(row, index), row]);
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return up ? compare(a, b) : compare(b, a);
  });
  body.append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", up ? "ascending" : "descending");
}

for (const data of document.querySelectorAll(".data")) {
  const table = data.querySelector("table.sortable");
  for (const heading of table.tHead.rows[0].cells)
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading));
  const count = data.querySelector(".count");
  const all = count.textContent;
  const filter = data.querySelector(".filter");
  filter.addEventListener("input", () => {
    // Every word has to be somewhere in the row.
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = Array.from(row.cells, (cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = words.length ? `${shown} shown, ${all}` : all;
  });
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard for local files: select it
    }
  });
}
