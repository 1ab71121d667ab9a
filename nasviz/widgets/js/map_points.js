// Finding and naming points: sampled candidates by row, marks (trials, landmarks) by their values.

import { insidePath } from "./gestures.js";
import { formatValue } from "./units.js";

// Marks with their place on the present axes: x, y and, where known, the interval low to high.
export function markPositions(marks, { x, y }) {
  const place = (value, { log }) => {
    if (value === undefined || value === null) return NaN;
    return log ? (value > 0 ? Math.log10(value) : NaN) : value;
  };
  return marks.map((mark) => {
    const interval = mark.intervals?.[y.name];
    return {
      ...mark,
      x: place(mark.values[x.name], x),
      y: place(mark.values[y.name], y),
      low: interval ? place(interval[0], y) : NaN,
      high: interval ? place(interval[1], y) : NaN,
    };
  });
}

// The marks that no other beats, in the order of the cost.
export function frontOfMarks(marks, { x, y }) {
  const across = x.better === "high" ? -1 : 1;
  const up = y.better === "high" ? -1 : 1;
  const front = [];
  let best = Infinity;
  for (const mark of [...marks].sort((a, b) => across * (a.x - b.x) || up * (a.y - b.y))) {
    if (up * mark.y >= best) continue;
    best = up * mark.y;
    front.push(mark);
  }
  return front;
}

// The passing point nearest to `[x, y]` within `reach` pixels; a mark wins over the cloud below it.
export function nearestPoint(sample, axes, marks, [x, y], [perX, perY], reach) {
  let best = null;
  let least = reach * reach;
  for (const mark of marks) {
    const distance = ((mark.x - x) / perX) ** 2 + ((mark.y - y) / perY) ** 2;
    if (distance <= Math.min(least, 12 * 12)) [best, least] = [mark, distance];
  }
  if (best) return best;
  const xs = sample.positions(axes.x.name, axes.x.log);
  const ys = sample.positions(axes.y.name, axes.y.log);
  let row = -1;
  for (let i = 0; i < xs.length; i++) {
    if (sample.out[i] !== 0) continue;
    const right = (xs[i] - x) / perX;
    const up = (ys[i] - y) / perY;
    const distance = right * right + up * up;
    if (distance < least) [row, least] = [i, distance];
  }
  return row < 0 ? null : { id: sample.idOf(row), row, x: xs[row], y: ys[row] };
}

// The nearest passing point from `from` towards `[right, up]`, going aside costing double.
export function neighbour(sample, axes, marks, from, [right, up], [perX, perY], view) {
  const cost = (x, y) => {
    if (x < view.x0 || x > view.x1 || y < view.y0 || y > view.y1) return Infinity;
    const dx = (x - from.x) / perX;
    const dy = (y - from.y) / perY;
    const along = dx * right + dy * up;
    const aside = Math.abs(dx * up) + Math.abs(dy * right);
    return along > 0.5 && aside <= along * 2 ? along + 2 * aside : Infinity;
  };
  let best = null;
  let least = Infinity;
  for (const mark of marks) {
    const found = cost(mark.x, mark.y);
    if (mark.id !== from.id && found < least) [best, least] = [mark, found];
  }
  const xs = sample.positions(axes.x.name, axes.x.log);
  const ys = sample.positions(axes.y.name, axes.y.log);
  for (let i = 0; i < xs.length; i++) {
    if (sample.out[i] !== 0) continue;
    const found = cost(xs[i], ys[i]);
    if (found < least) [best, least] = [{ id: sample.idOf(i), row: i, x: xs[i], y: ys[i] }, found];
  }
  return best;
}

// Rows of the passing candidates inside a path of places.
export function rowsInside(sample, axes, path) {
  const xs = sample.positions(axes.x.name, axes.x.log);
  const ys = sample.positions(axes.y.name, axes.y.log);
  const lefts = path.map(([x]) => x);
  const heights = path.map(([, y]) => y);
  const [x0, x1] = [Math.min(...lefts), Math.max(...lefts)];
  const [y0, y1] = [Math.min(...heights), Math.max(...heights)];
  const rows = [];
  for (let i = 0; i < xs.length; i++) {
    if (sample.out[i] !== 0 || xs[i] < x0 || xs[i] > x1 || ys[i] < y0 || ys[i] > y1) continue;
    if (insidePath(xs[i], ys[i], path)) rows.push(i);
  }
  return rows;
}

// Lines of a tooltip: the sizes, then the two figures of the axes.
export function describeRow(row, sample, specs, axes) {
  const sizes = [];
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.role !== "dimension" || !sample.has(name)) continue;
    if (!sample.speaks(name, row)) continue;
    const code = sample.values(name)[row];
    if (spec.choices) {
      const chosen = spec.choices[code];
      sizes.push(chosen === "on" || chosen === "off" ? `${spec.label} ${chosen}` : chosen);
      continue;
    }
    const value = formatValue(code, spec.unit);
    sizes.push(spec.short ? spec.short.replace("{}", value) : `${spec.label} ${value}`);
  }
  const lines = [sizes.join(" · "), figures((name) => sample.values(name)[row], specs, axes)];
  const { note } = specs[axes.y.name];
  return note ? [...lines, note] : lines;
}

export function describeMark(mark, specs, axes) {
  const interval = mark.intervals?.[axes.y.name];
  const spread = interval ? ` (${formatValue(interval[0])} to ${formatValue(interval[1])})` : "";
  const lines = [mark.label, figures((name) => mark.values[name], specs, axes) + spread];
  return mark.note ? [...lines, mark.note] : lines;
}

function figures(value, specs, { x, y }) {
  return [x, y].map(({ name }) => {
    const { label, unit } = specs[name];
    return `${label} ${formatValue(value(name), unit)}`;
  }).join(" · ");
}
