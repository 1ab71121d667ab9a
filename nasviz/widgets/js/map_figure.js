// The map's Bokeh figure: axes, the density image, and the glyphs above it.
//
// Positions on a log axis are log10 of the values, and both scales are linear: switching an axis
// to logarithms changes numbers and tick labels, never the figure's parts.

import { embedDocument } from "./bokeh_loader.js";
import { tickLabel, ticksWithin } from "./units.js";

const TYPE_SIZE = { ticks: "12px", axis: "12px", labels: "12px" };

const LABEL = { x_offset: 9, text_baseline: "middle", text_font_size: TYPE_SIZE.labels };

export class MapFigure {
  constructor(bokeh, theme) {
    this.bokeh = bokeh;
    this.xRange = this.make("Range1d", { start: 0, end: 1 });
    this.yRange = this.make("Range1d", { start: 0, end: 1 });
    this.axes = { x: this.axis("x"), y: this.axis("y") };
    this.plot = this.make("Plot", {
      x_range: this.xRange, y_range: this.yRange,
      x_scale: this.make("LinearScale"), y_scale: this.make("LinearScale"),
      toolbar_location: null, toolbar: this.make("Toolbar", { active_drag: null }),
      sizing_mode: "stretch_both", min_border_right: 18, min_border_top: 8,
      below: [this.axes.x.axis], left: [this.axes.y.axis],
      center: [this.axes.x.grid, this.axes.y.grid],
      output_backend: "canvas",
    });
    this.parts = {
      density: this.part("ImageRGBA", ["image", "x", "y", "dw", "dh"]),
      front: this.part("Line", ["x", "y"], { line_width: 1.8 }),
      lines: this.part("MultiLine", ["xs", "ys"], { line_width: 1.6, line_dash: [6, 4] }),
      whiskers: this.part("Segment", ["x0", "y0", "x1", "y1"], { line_width: 1.4, line_alpha: 0.7 }),
      trainedFront: this.part("Line", ["x", "y"], { line_width: 1.3, line_dash: [2, 3] }),
      rivals: this.part("Segment", ["x0", "y0", "x1", "y1"], { line_width: 1.6, line_dash: [5, 4] }),
      arrows: this.part("Segment", ["x0", "y0", "x1", "y1"], { line_width: 1.8 }),
      arrowheads: this.part("Scatter", ["x", "y", "angle"], { marker: "triangle", size: 10 }),
      landmarks: this.part("Scatter", ["x", "y"], { marker: "diamond", size: 12 }),
      // Bokeh strokes text above its fill: the outline that lifts it off the cloud comes first.
      outlines: this.part("Text", ["x", "y", "text"], { ...LABEL, text_outline_width: 3.5 }),
      labels: this.part("Text", ["x", "y", "text"], LABEL),
      waiting: this.part("Scatter", ["x", "y"], { marker: "circle", size: 9, line_width: 1.6 }),
      trained: this.part("Scatter", ["x", "y"], { marker: "circle", size: 10, line_width: 1.3 }),
      rings: this.part("Scatter", ["x", "y"], { marker: "circle", size: 15, line_width: 1.6 }),
      halo: this.part("Scatter", ["x", "y"], { marker: "circle", size: 17, line_width: 4.5 }),
      selected: this.part("Scatter", ["x", "y"], { marker: "circle", size: 17, line_width: 2.2 }),
      hovered: this.part("Scatter", ["x", "y"], { marker: "circle", size: 11, line_width: 1.4 }),
    };
    this.plot.renderers = Object.values(this.parts).map(({ renderer }) => renderer);
    this.dress(theme);
  }

  make(name, attributes = {}) {
    return new (this.bokeh.Models.get(name))(attributes);
  }

  axis(dimension) {
    const ticker = this.make("FixedTicker", { ticks: [] });
    const formatter = this.make("CustomJSTickFormatter", {
      args: { labels: new Map() }, code: "return labels.get(tick) ?? ''",
    });
    const axis = this.make("LinearAxis", {
      ticker, formatter, axis_label: " ", axis_line_color: null, major_tick_line_color: null,
      minor_tick_line_color: null, axis_label_text_font_style: "normal",
      axis_label_text_font_size: TYPE_SIZE.axis, major_label_text_font_size: TYPE_SIZE.ticks,
    });
    const grid = this.make("Grid", { dimension: dimension === "x" ? 0 : 1, ticker });
    return { axis, grid, ticker, formatter };
  }

  part(glyphName, fields, look = {}) {
    const source = this.make("ColumnDataSource", {
      data: Object.fromEntries(fields.map((field) => [field, []])),
    });
    const bound = Object.fromEntries(fields.map((field) => [field, { field }]));
    const glyph = this.make(glyphName, { ...bound, ...look });
    const renderer = this.make("GlyphRenderer", {
      data_source: source, glyph, view: this.make("CDSView"), nonselection_glyph: null,
      selection_glyph: null, muted_glyph: null,
    });
    return { source, glyph, renderer, fields };
  }

  async mount(el) {
    const { Document } = this.bokeh.require("document");
    const { ndarray } = this.bokeh.require("core/util/ndarray");
    this.ndarray = ndarray;
    this.document = new Document();
    this.document.add_root(this.plot);
    this.views = await embedDocument(this.bokeh, this.document, el);
    this.view = this.views.get(this.plot) ?? [...this.views][0];
    paintSoon(this.view);
  }

  // What is painted now, as a canvas of the screen's own density.
  canvas() {
    return this.view.export("png", true).canvas;
  }

  // The plotting area in pixels, from the figure's own left top corner.
  get frame() {
    const { left, top, width, height } = this.view.frame.bbox;
    return { left, top, width, height };
  }

  setView({ x0, x1, y0, y1 }, axes) {
    this.xRange.setv({ start: x0, end: x1 });
    this.yRange.setv({ start: y0, end: y1 });
    const { width, height } = this.frame;
    this.setTicks(this.axes.x, x0, x1, axes.x, Math.max(3, Math.round(width / 110)));
    this.setTicks(this.axes.y, y0, y1, axes.y, Math.max(3, Math.round(height / 90)));
  }

  // Only what changed is set: Bokeh lays the figure out again for any change of an axis.
  setTicks(parts, low, high, { label, unit, log }, wanted) {
    const said = JSON.stringify([low, high, label, unit, log, wanted]);
    if (parts.said === said) return;
    parts.said = said;
    const { axis, ticker, formatter } = parts;
    const ticks = ticksWithin(low, high, log, wanted, unit);
    const labels = new Map(ticks.map((tick) => [tick, tickLabel(tick, ticks, unit, log)]));
    formatter.args = { labels };
    ticker.ticks = ticks;
    if (axis.axis_label !== label) axis.axis_label = label;
  }

  set(name, columns) {
    const part = this.parts[name];
    const said = JSON.stringify(columns);
    if (part.said === said) return;
    part.said = said;
    part.source.data = columns;
  }

  setImage(pixels, grid) {
    const image = this.ndarray(pixels, { dtype: "uint32", shape: [grid.ny, grid.nx] });
    this.parts.density.source.data = {
      image: [image], x: [grid.x0], y: [grid.y0],
      dw: [grid.nx * grid.width], dh: [grid.ny * grid.height],
    };
  }

  dress(theme) {
    const { ink, soft, line, page, accent, trained, landmark, green, font } = theme;
    this.plot.setv({
      background_fill_color: null, border_fill_color: null, outline_line_color: null,
    });
    for (const { axis, grid } of Object.values(this.axes)) {
      axis.setv({
        major_label_text_color: soft, axis_label_text_color: soft,
        major_label_text_font: font, axis_label_text_font: font,
      });
      grid.setv({ grid_line_color: line, grid_line_alpha: 0.8 });
    }
    const looks = {
      front: { line_color: accent },
      lines: { line_color: green },
      whiskers: { line_color: trained },
      trainedFront: { line_color: trained },
      rivals: { line_color: ink },
      arrows: { line_color: ink },
      arrowheads: { fill_color: ink, line_color: page },
      landmarks: { fill_color: landmark, line_color: page },
      outlines: { text_color: page, text_outline_color: page, text_font: font },
      labels: { text_color: landmark, text_font: font },
      waiting: { fill_color: page, line_color: trained },
      trained: { fill_color: trained, line_color: page },
      rings: { fill_color: null, line_color: green },
      halo: { fill_color: null, line_color: page },
      selected: { fill_color: null, line_color: ink },
      hovered: { fill_color: null, line_color: ink },
    };
    for (const [name, look] of Object.entries(looks)) this.parts[name].glyph.setv(look);
  }

  remove() {
    this.views?.clear();
  }
}

// The map already paints once an animation frame. Bokeh's own throttle would wait for another frame
// or two after that, and halve the repaints of a drag: let it paint as soon as its data is in.
function paintSoon(view) {
  if (typeof view.throttled_paint !== "function" || typeof view.repaint !== "function") return;
  let pending = null;
  const soon = () => {
    pending ??= new Promise((resolve) => {
      setTimeout(() => {
        pending = null;
        if (!view.is_destroyed) view.repaint();
        resolve();
      });
    });
    return pending;
  };
  view.throttled_paint = soon;
}
