// The map as a PNG: what its canvas shows, on the page's own background, with the legend below.

import { alongDensity, alongViridis, css } from "./colours.js";

const SCALE = 2; // pixels of the picture to one of the page: sharp in print and on dense screens
const MARGIN = 14;
const LINE = 20;

// Returns a promise of the picture as a Blob.
export function mapPicture(view) {
  const { theme, figure } = view;
  const plot = figure.canvas();
  const [width, height] = [view.area.clientWidth, view.area.clientHeight];
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = `12px ${theme.font}`;
  const rows = legendRows(view.chrome.legendShown, theme, ruler, width - 2 * MARGIN);
  const canvas = document.createElement("canvas");
  canvas.width = SCALE * width;
  canvas.height = SCALE * (height + rows.length * LINE + MARGIN);
  const paint = canvas.getContext("2d");
  paint.scale(SCALE, SCALE);
  paint.fillStyle = theme.page;
  paint.fillRect(0, 0, width, canvas.height / SCALE);
  paint.drawImage(plot, 0, 0, width, height);
  paint.font = ruler.font;
  paint.textBaseline = "middle";
  rows.forEach((row, at) => paintRow(paint, row, height + (at + 0.5) * LINE, theme));
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png");
  });
}

// The legend's items on as many lines as they need: [{ kind, text, colours, left }, …] each.
function legendRows({ items, scale, count }, theme, ruler, width) {
  const all = [];
  if (scale.density) {
    const note = scale.note ? `, ${scale.note}` : "";
    all.push({ kind: "ramp", text: `few to many candidates${note}`, colours: ramp(scale, theme) });
  } else if (!scale.names) {
    all.push({ kind: "ramp", text: `${scale.label}, mean`, colours: ramp(scale, theme) });
  }
  for (const [kind, text] of items) all.push({ kind, text });
  all.push({ kind: "none", text: `${count} candidates · nasviz` });
  const rows = [[]];
  let left = MARGIN;
  for (const item of all) {
    const wide = swatchWidth(item.kind) + ruler.measureText(item.text).width + 18;
    if (left + wide > width && rows.at(-1).length) {
      rows.push([]);
      left = MARGIN;
    }
    rows.at(-1).push({ ...item, left });
    left += wide;
  }
  return rows;
}

function ramp(scale, { dark }) {
  return [0, 0.25, 0.5, 0.75, 1]
    .map((share) => css(scale.density ? alongDensity(share, dark) : alongViridis(share)));
}

function swatchWidth(kind) {
  if (kind === "none") return 0;
  return kind === "ramp" ? 54 : 24;
}

function paintRow(paint, row, middle, theme) {
  for (const { kind, text, colours, left } of row) {
    if (kind === "ramp") paintRamp(paint, left, middle, colours);
    else if (kind !== "none") paintSwatch(paint, kind, left, middle, theme);
    paint.fillStyle = theme.soft;
    paint.fillText(text, left + swatchWidth(kind), middle);
  }
}

function paintRamp(paint, left, middle, colours) {
  const gradient = paint.createLinearGradient(left, 0, left + 46, 0);
  colours.forEach((colour, at) => gradient.addColorStop(at / (colours.length - 1), colour));
  paint.fillStyle = gradient;
  paint.fillRect(left, middle - 5, 46, 10);
}

function paintSwatch(paint, kind, left, middle, theme) {
  const { accent, trained, landmark, green, ink } = theme;
  paint.lineWidth = 2;
  paint.beginPath();
  if (kind === "trained" || kind === "waiting" || kind === "ring") {
    paint.arc(left + 9, middle, kind === "ring" ? 6 : 4.5, 0, 2 * Math.PI);
    const stroke = kind === "ring" ? green : trained;
    [paint.fillStyle, paint.strokeStyle] = [stroke, stroke];
    if (kind === "trained") paint.fill();
    else paint.stroke();
    return;
  }
  if (kind === "landmark") {
    for (const [x, y] of [[9, -5], [14, 0], [9, 5], [4, 0]]) paint.lineTo(left + x, middle + y);
    paint.fillStyle = landmark;
    paint.fill();
    return;
  }
  const dashes = { line: [6, 4], "trained-front": [2, 3], rival: [5, 4] };
  const inks = { line: green, "trained-front": trained, arrow: ink, rival: ink };
  paint.strokeStyle = inks[kind] ?? accent;
  paint.setLineDash(dashes[kind] ?? []);
  paint.moveTo(left, middle);
  paint.lineTo(left + 18, middle);
  paint.stroke();
  paint.setLineDash([]);
  if (kind !== "arrow") return;
  paint.beginPath();
  for (const [x, y] of [[20, 0], [12, -4], [12, 4]]) paint.lineTo(left + x, middle + y);
  paint.fillStyle = ink;
  paint.fill();
}
