// One view of the map on a page: turns the model's traits into a painted figure, and gestures back.

import { densityPixels, meanPixels } from "./colours.js";
import { countCells, gridOver, meanCells } from "./density.js";
import { paretoFront } from "./front.js";
import { followGestures, insidePath } from "./gestures.js";
import { MapChrome } from "./map_chrome.js";
import { MapFigure } from "./map_figure.js";
import { describeMark, describeRow, frontOfMarks, markPositions, nearestPoint, neighbour, rowsInside } from "./map_points.js";
import { mapPicture } from "./map_picture.js";
import { readTheme, watchTheme } from "./theme.js";

const CELL = 4; // pixels a density cell is wide
const REACH = 24; // pixels within which a tap finds a candidate
const CLEAR = 9; // pixels between a trial's point and the end of an arrow to it
const REPORT_AFTER = 120; // ms of rest before counts and front go to the kernel

export class MapView {
  constructor(model, el, shared) {
    this.model = model;
    this.el = el;
    this.shared = shared;
    this.lassoing = false;
    this.chrome = new MapChrome(el, {
      choose: (trait, value) => this.save({ [trait]: value }),
      toggle: (name) => this.toggle(name),
      zoom: (factor) => this.zoom(factor),
      reset: () => this.reset(),
      clearLasso: () => this.clearLasso(),
    });
    this.area = this.chrome.area;
    this.area.style.height = model.get("height");
    this.changed = () => this.schedule();
    model.on("change", this.changed);
    this.pictured = (take) => this.painted && take(mapPicture(this));
    model.on("nasviz:picture", this.pictured); // asked by the header's export menu
    this.unwatch = watchTheme(this.area, (theme) => {
      this.figure?.dress(theme);
      this.theme = theme;
      this.painted = null;
      this.schedule();
    });
    this.theme = readTheme(this.area);
    this.letGo = followGestures(this.area, {
      lassoing: () => this.lassoing,
      pan: (dx, dy) => this.pan(dx, dy),
      zoom: (factor, at) => this.zoom(factor, at),
      hover: (at) => this.hover(at),
      tap: (at, event) => this.tap(at, event.ctrlKey || event.metaKey),
      lasso: (path, done) => this.lasso(path, done),
      move: (dx, dy) => this.move(dx, dy),
      key: (key) => this.key(key),
    });
    this.sizes = new ResizeObserver(() => this.schedule());
    this.sizes.observe(this.area);
  }

  async start(load) {
    try {
      const figure = new MapFigure(await load(), this.theme);
      await figure.mount(this.chrome.mount);
      this.figure = figure;
    } catch (error) {
      this.chrome.empty.textContent = `The map could not be drawn: ${error.message}`;
      throw error;
    }
    const kept = this.model.get("viewport");
    if (kept.length === 4) this.keep = kept;
    this.schedule();
  }

  remove() {
    cancelAnimationFrame(this.frameAsked);
    clearTimeout(this.reporting);
    this.model.off("change", this.changed);
    this.model.off("nasviz:picture", this.pictured);
    this.unwatch();
    this.letGo();
    this.sizes.disconnect();
    this.figure?.remove();
  }

  save(traits) {
    for (const [name, value] of Object.entries(traits)) this.model.set(name, value);
    this.model.save_changes();
  }

  schedule() {
    this.frameAsked ??= requestAnimationFrame(() => {
      this.frameAsked = null;
      this.paint();
    });
  }

  // ---- what is on show

  axis(trait) {
    const name = this.model.get(trait);
    const spec = this.model.get("specs")[name];
    if (!spec) return null;
    const log = this.model.get(`${trait}_log`);
    const direction = spec.better === "high" ? "higher is better" : "lower is better";
    const note = spec.note ? `, ${spec.note}` : "";
    const label = spec.role === "quality"
      ? `${spec.label}${note} (${direction}${log ? ", log" : ""})`
      : `${spec.label}${log ? " (log)" : ""}`;
    return { name, log, label, unit: spec.unit, better: spec.better };
  }

  paint() {
    const started = performance.now();
    const { model, shared, figure } = this;
    const { sample } = shared;
    sample.update(model);
    const axes = { x: this.axis("x"), y: this.axis("y") };
    const specs = model.get("specs");
    const colour = model.get("colour");
    const said = JSON.stringify([specs, sample.columns.size]);
    if (said !== this.offered) {
      this.offered = said;
      this.chrome.setChoices(specs, (name) => sample.has(name));
    }
    this.chrome.bar.style.display = model.get("toolbar") ? "" : "none";
    this.area.style.height = model.get("height");
    this.area.setAttribute("aria-label", model.get("label"));
    this.chrome.setChosen({
      x: model.get("x"), y: model.get("y"), colour,
      x_log: model.get("x_log"), y_log: model.get("y_log"), lassoing: this.lassoing,
    });
    const ready = figure && axes.x && axes.y && sample.has(axes.x.name) && sample.has(axes.y.name);
    this.area.dataset.state = ready ? "ready" : "waiting";
    if (!ready || figure.frame.width < 20) return;
    this.axes = axes;
    this.marks = markPositions(model.get("marks"), axes);
    this.fitView();
    this.paintCloud(sample, axes, colour, specs);
    this.paintFront(sample, axes);
    this.paintMarks();
    this.paintSelection();
    this.paintLasso();
    this.painted = sample.revision;
    this.area.dataset.paints = Number(this.area.dataset.paints ?? 0) + 1;
    this.area.dataset.milliseconds = (performance.now() - started).toFixed(1);
    this.report();
  }

  fitView() {
    const { x, y } = this.axes;
    const said = JSON.stringify([x.name, x.log, y.name, y.log]);
    if (said !== this.fitted && this.fitted) this.zoomed = false;
    this.fitted = said;
    if (this.keep) {
      const [x0, x1, y0, y1] = this.keep;
      const place = (value, { log }) => (log ? Math.log10(value) : value);
      this.view = { x0: place(x0, x), x1: place(x1, x), y0: place(y0, y), y1: place(y1, y) };
      this.keep = null;
      this.zoomed = true;
    }
    if (!this.zoomed) this.view = this.wholeView();
    this.figure.setView(this.view, this.axes);
    const { left, top, width, height } = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    this.area.dataset.frame = JSON.stringify([left, top, width, height]); // for tests
    this.area.dataset.view = JSON.stringify([x0, x1, y0, y1]);
  }

  // Everything but the worst hundredth of the quality, whatever the filters: axes that stay put.
  wholeView() {
    const { sample } = this.shared;
    const { x, y } = this.axes;
    const ends = (axis, trim) => {
      const [least, most, nearMost, nearLeast] = sample.extent(axis.name, axis.log);
      let low = trim && axis.better === "high" ? nearLeast : least;
      let high = trim && axis.better !== "high" ? nearMost : most;
      for (const mark of this.marks) {
        if (mark.kind === "landmark") continue; // a landmark far away doesn't shrink the rest
        const place = axis === x ? mark.x : mark.y;
        if (Number.isFinite(place)) [low, high] = [Math.min(low, place), Math.max(high, place)];
      }
      if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
      const margin = (high - low) * 0.04;
      return [low - margin, high + margin];
    };
    const [x0, x1] = ends(x, false);
    const [y0, y1] = ends(y, true);
    return { x0, x1, y0, y1 };
  }

  paintCloud(sample, axes, colour, specs) {
    const xs = sample.positions(axes.x.name, axes.x.log);
    const ys = sample.positions(axes.y.name, axes.y.log);
    const { width, height } = this.figure.frame;
    const cells = [Math.max(8, Math.round(width / CELL)), Math.max(8, Math.round(height / CELL))];
    const grid = gridOver(this.view, ...cells);
    const { dark } = this.theme;
    const spec = specs[colour];
    if (colour === "density" || !spec || !sample.has(colour)) {
      const { counts, shown } = countCells(xs, ys, sample.out, grid);
      this.figure.setImage(densityPixels(counts, dark).pixels, grid);
      this.shown = shown;
      const { note, source } = specs[axes.y.name];
      this.scale = { density: true, note: source ? `${note}: ${source}` : note };
      return;
    }
    const log = spec.log && !spec.choices;
    const values = sample.positions(colour, log);
    const { means, shown } = meanCells(xs, ys, sample.out, grid, values);
    const [low, high] = sample.extent(colour, log);
    this.figure.setImage(meanPixels(means, low, high, Boolean(spec.choices)), grid);
    this.shown = shown;
    this.scale = spec.choices
      ? { label: spec.label, names: spec.choices }
      : { label: spec.label, unit: spec.unit, low: log ? 10 ** low : low, high: log ? 10 ** high : high };
  }

  paintFront(sample, axes) {
    const xs = sample.positions(axes.x.name, axes.x.log);
    const ys = sample.positions(axes.y.name, axes.y.log);
    const order = sample.order(axes.x.name, axes.x.better === "high");
    this.front = paretoFront(xs, ys, sample.out, order, axes.y.better !== "high");
    this.figure.set("front", {
      x: this.front.map((row) => xs[row]), y: this.front.map((row) => ys[row]),
    });
    const lines = this.model.get("lines").map((line) => markPositions(line.points, axes)
      .filter(({ x, y }) => Number.isFinite(x + y)).sort((a, b) => a.x - b.x));
    this.figure.set("lines", {
      xs: lines.map((line) => line.map(({ x }) => x)), ys: lines.map((line) => line.map(({ y }) => y)),
    });
  }

  paintMarks() {
    const seen = this.marks.filter(({ x, y }) => Number.isFinite(x + y));
    const of = (kind) => seen.filter((mark) => mark.kind === kind);
    const columns = (marks) => ({ x: marks.map(({ x }) => x), y: marks.map(({ y }) => y) });
    const trained = of("trained");
    for (const kind of ["trained", "waiting"]) this.figure.set(kind, columns(of(kind)));
    const ringed = seen.filter((mark) => mark.ringed);
    this.figure.set("rings", columns(ringed));
    const landmarks = of("landmark");
    this.figure.set("landmarks", columns(landmarks));
    const labelled = this.clearLabels(landmarks);
    const names = { ...columns(labelled), text: labelled.map(({ label }) => label) };
    for (const part of ["outlines", "labels"]) this.figure.set(part, names);
    const ranged = trained.filter(({ low, high }) => Number.isFinite(low + high));
    this.figure.set("whiskers", {
      x0: ranged.map(({ x }) => x), x1: ranged.map(({ x }) => x),
      y0: ranged.map(({ low }) => low), y1: ranged.map(({ high }) => high),
    });
    const front = frontOfMarks(trained, this.axes);
    this.figure.set("trainedFront", front.length > 1 ? columns(front) : { x: [], y: [] });
    const tied = this.paintTies(seen);
    const items = [["front", "front, predicted"]];
    if (trained.length) items.push(["trained", "trained"]);
    if (front.length > 1) items.push(["trained-front", "front, trained"]);
    if (ringed.length) items.push(["ring", "dynamic"]);
    if (tied.has("pruned")) items.push(["arrow", "pruned from"]);
    if (tied.has("twin")) items.push(["rival", "twin from scratch"]);
    if (of("waiting").length) items.push(["waiting", "in training"]);
    if (landmarks.length) items.push(["landmark", "known model"]);
    for (const line of this.model.get("lines")) items.push(["line", line.label]);
    const { left, n } = this.shared.sample;
    this.chrome.setLegend({
      items, scale: this.scale, dark: this.theme.dark,
      counts: { left, total: n, shown: this.shown },
    });
  }

  // Arrows from a parent to what was pruned of it, dashes from that to its twin; returns which.
  paintTies(seen) {
    const places = new Map(seen.map(({ id, x, y }) => [id, this.pixel(x, y)]));
    const ties = this.model.get("ties").flatMap(({ from, to, kind }) => {
      const [a, b] = [places.get(from), places.get(to)];
      if (!a || !b) return [];
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
      if (length < 4) return []; // one lies on the other
      const clear = Math.min(CLEAR, length / 3);
      const along = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
      const start = this.place([a[0] + clear * along[0], a[1] + clear * along[1]]);
      const end = this.place([b[0] - clear * along[0], b[1] - clear * along[1]]);
      // A marker's triangle points up; pixels count downwards.
      return [{ kind, start, end, angle: Math.atan2(-along[1], along[0]) - Math.PI / 2 }];
    });
    const segments = (kind) => {
      const some = ties.filter((tie) => tie.kind === kind);
      return {
        x0: some.map(({ start }) => start[0]), y0: some.map(({ start }) => start[1]),
        x1: some.map(({ end }) => end[0]), y1: some.map(({ end }) => end[1]),
      };
    };
    this.figure.set("rivals", segments("twin"));
    this.figure.set("arrows", segments("pruned"));
    const heads = ties.filter(({ kind }) => kind === "pruned");
    this.figure.set("arrowheads", {
      x: heads.map(({ end }) => end[0]), y: heads.map(({ end }) => end[1]),
      angle: heads.map(({ angle }) => angle),
    });
    return new Set(ties.map(({ kind }) => kind));
  }

  // Landmarks whose name would lie on another name or diamond keep their diamond and lose it.
  clearLabels(landmarks) {
    const { left: edge, width, top: roof, height } = this.figure.frame;
    const placed = landmarks.map(({ x, y, label }) => {
      const [across, down] = this.pixel(x, y);
      const inside = across > edge && down > roof && down < roof + height;
      return { label, across, down, inside };
    });
    const taken = placed.map(({ across, down }) => [across - 7, across + 7, down]);
    return landmarks.filter((_, at) => {
      const { label, across, down, inside } = placed[at];
      const [start, end] = [across + 8, across + 12 + label.length * 6.8];
      const free = inside && end < edge + width && taken.every(([from, to, middle]) =>
        start > to || end < from || Math.abs(down - middle) >= 14);
      if (free) taken.push([start, end, down]);
      return free;
    });
  }

  paintSelection() {
    const points = [];
    const current = this.model.get("current");
    if (current) points.push(...markPositions([current], this.axes));
    for (const id of this.model.get("selection")) {
      const point = this.pointOf(id);
      if (point && current?.id !== id) points.push(point);
    }
    const seen = points.filter(({ x, y }) => Number.isFinite(x + y));
    const columns = { x: seen.map(({ x }) => x), y: seen.map(({ y }) => y) };
    this.figure.set("halo", columns);
    this.figure.set("selected", columns);
    this.area.dataset.selected = JSON.stringify(this.model.get("selection"));
  }

  paintLasso() {
    const { lasso } = this.shared;
    if (this.drawing) return this.chrome.setLasso(this.drawing, null);
    const fits = lasso && lasso.axes === this.fitted;
    this.chrome.setLasso(fits ? lasso.path.map(([x, y]) => this.pixel(x, y)) : null, lasso?.count ?? null);
  }

  // ---- places

  pointOf(id) {
    const mark = this.marks.find((each) => each.id === id);
    if (mark) return mark;
    const { sample } = this.shared;
    const row = sample.rowOf(id);
    if (row < 0) return null;
    const { x, y } = this.axes;
    return { id, row, x: sample.positions(x.name, x.log)[row], y: sample.positions(y.name, y.log)[row] };
  }

  pixel(x, y) {
    const { left, top, width, height } = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    return [left + ((x - x0) / (x1 - x0)) * width, top + ((y1 - y) / (y1 - y0)) * height];
  }

  place([left, top]) {
    const frame = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    return [
      x0 + ((left - frame.left) / frame.width) * (x1 - x0),
      y1 - ((top - frame.top) / frame.height) * (y1 - y0),
    ];
  }

  near(at) {
    const { width, height } = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    const perPixel = [(x1 - x0) / width, (y1 - y0) / height];
    return nearestPoint(this.shared.sample, this.axes, this.marks, this.place(at), perPixel, REACH);
  }

  describe(point) {
    const { sample } = this.shared;
    const specs = this.model.get("specs");
    return point.row === undefined
      ? describeMark(point, specs, this.axes)
      : describeRow(point.row, sample, specs, this.axes);
  }

  // ---- gestures

  settle() {
    this.chrome.hideHint();
    this.zoomed = true;
    this.schedule();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      const value = (place, { log }) => (log ? 10 ** place : place);
      const { x0, x1, y0, y1 } = this.view;
      const { x, y } = this.axes;
      this.save({ viewport: this.zoomed ? [value(x0, x), value(x1, x), value(y0, y), value(y1, y)] : [] });
    }, 250);
  }

  pan(dx, dy) {
    if (!this.view) return;
    const { width, height } = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    const right = (-dx / width) * (x1 - x0);
    const up = (dy / height) * (y1 - y0);
    this.view = { x0: x0 + right, x1: x1 + right, y0: y0 + up, y1: y1 + up };
    this.chrome.showTip(null);
    this.settle();
  }

  zoom(factor, at) {
    if (!this.view) return;
    const { left, top, width, height } = this.figure.frame;
    const [x, y] = this.place(at ?? [left + width / 2, top + height / 2]);
    const { x0, x1, y0, y1 } = this.view;
    this.view = {
      x0: x + (x0 - x) * factor, x1: x + (x1 - x) * factor,
      y0: y + (y0 - y) * factor, y1: y + (y1 - y) * factor,
    };
    this.settle();
  }

  reset() {
    if (!this.view) return;
    this.settle();
    this.zoomed = false;
  }

  toggle(name) {
    this.chrome.hideHint();
    if (name === "lasso") {
      this.lassoing = !this.lassoing;
      this.schedule();
    } else {
      this.save({ [name]: !this.model.get(name) });
    }
  }

  hover(at) {
    if (!this.view) return;
    this.hoverAt = at;
    this.hoverAsked ??= requestAnimationFrame(() => {
      this.hoverAsked = null;
      const point = this.hoverAt && this.view ? this.near(this.hoverAt) : null;
      const id = point ? point.id : null;
      if (id === this.hoveredId) return;
      this.hoveredId = id;
      this.figure.set("hovered", point ? { x: [point.x], y: [point.y] } : { x: [], y: [] });
      const size = [this.area.clientWidth, this.area.clientHeight];
      this.chrome.showTip(point && this.pixel(point.x, point.y), point ? this.describe(point) : [], size);
      clearTimeout(this.hovering);
      this.hovering = setTimeout(() => this.save({ hovered: id }), REPORT_AFTER);
    });
  }

  tap(at, add) {
    if (!this.view) return;
    const point = this.near(at);
    if (point) this.pick(point, add);
  }

  pick(point, add) {
    this.chrome.hideHint();
    const before = this.model.get("selection");
    const selection = add ? [...before.filter((id) => id !== point.id), point.id] : [point.id];
    this.save({ selection, tap_revision: this.model.get("tap_revision") + 1 });
    this.chrome.say(`Selected: ${this.describe(point).join(", ")}`);
    this.schedule();
  }

  lasso(path, done) {
    if (!this.view) return;
    this.chrome.hideHint();
    this.drawing = done ? null : path;
    this.chrome.showTip(null);
    if (done) {
      const places = path.map((at) => this.place(at));
      const rows = rowsInside(this.shared.sample, this.axes, places);
      const marks = this.marks.filter((mark) => insidePath(mark.x, mark.y, places)).map(({ id }) => id);
      this.shared.lasso = { path: places, axes: this.fitted, count: rows.length + marks.length };
      const ids = Float64Array.from(rows, (row) => this.shared.sample.idOf(row));
      this.tellLasso(marks, ids);
      this.chrome.say(`${rows.length + marks.length} candidates picked`);
      this.lassoing = false;
      for (const view of this.shared.views) view.schedule();
    }
    this.schedule();
  }

  clearLasso() {
    if (!this.shared.lasso) return;
    this.shared.lasso = null;
    this.tellLasso([], new Float64Array());
    for (const view of this.shared.views) view.schedule();
  }

  tellLasso(marks, ids) {
    if (this.el.classList.contains("nasviz-kernel-gone")) return;
    this.model.send({ type: "lasso", marks }, undefined, [ids.buffer]);
  }

  // Arrow keys: to the nearest candidate in that direction (dy counts downwards, as on screen).
  move(dx, dy) {
    if (!this.view) return false;
    const from = this.pointOf(this.model.get("selection").at(-1));
    const { width, height } = this.figure.frame;
    const { x0, x1, y0, y1 } = this.view;
    const perPixel = [(x1 - x0) / width, (y1 - y0) / height];
    const middle = { x: (x0 + x1) / 2, y: (y0 + y1) / 2 };
    const next = from
      ? neighbour(this.shared.sample, this.axes, this.marks, from, [dx, -dy], perPixel, this.view)
      : nearestPoint(this.shared.sample, this.axes, this.marks, [middle.x, middle.y], perPixel, Infinity);
    if (next) this.pick(next, false);
    return true;
  }

  key(key) {
    const acts = {
      "+": () => this.zoom(1 / 1.25), "=": () => this.zoom(1 / 1.25), "-": () => this.zoom(1.25),
      0: () => this.reset(), l: () => this.toggle("lasso"),
      Escape: () => {
        this.lassoing = false;
        this.clearLasso();
        this.schedule();
      },
    };
    if (!acts[key]) return false;
    acts[key]();
    return true;
  }

  // Counts and front go to Python when the hand rests.
  report() {
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      const { sample } = this.shared;
      const counts = { left: sample.left, total: sample.n, shown: this.shown };
      const front = this.front.map((row) => sample.idOf(row));
      const said = JSON.stringify([counts, front]);
      if (said === JSON.stringify([this.model.get("counts"), this.model.get("front")])) return;
      this.save({ counts, front });
    }, REPORT_AFTER);
  }
}
