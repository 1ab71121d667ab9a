// What surrounds the map's figure: choices above, legend and counts below, tooltip, hint, banner.

import { alongDensity, alongViridis, categoryColour, css } from "./colours.js";
import { element, svgElement } from "./dom.js";
import { formatValue, groupDigits } from "./units.js";

const HINT = "Drag moves the map, Ctrl + wheel zooms, a click picks a candidate, Shift + drag picks many";

export class MapChrome {
  // `act` has choose(trait, value), toggle(name), zoom(factor), reset() and clearLasso().
  constructor(el, act) {
    this.act = act;
    this.banner = element("div", { class: "nasviz-banner", role: "status" },
      "The kernel is gone. The map still filters and zooms; a pick no longer reaches Python. "
      + "Run its cell again.");
    this.selects = {};
    this.buttons = {};
    this.bar = element("div", { class: "nasviz-map-bar" },
      this.select("x", "cost"), this.select("y", "quality"), this.select("colour", "colour"),
      element("span", { class: "nasviz-map-gap" }),
      this.button("x_log", "log x", "Logarithmic cost axis", () => act.toggle("x_log")),
      this.button("y_log", "log y", "Logarithmic quality axis", () => act.toggle("y_log")),
      this.button("lasso", "lasso", "Draw around candidates to pick them (L, or Shift + drag)",
        () => act.toggle("lasso")));
    this.zoom = element("div", { class: "nasviz-map-zoom" },
      this.button("in", "+", "Zoom in (+)", () => act.zoom(1 / 1.5)),
      this.button("out", "−", "Zoom out (−)", () => act.zoom(1.5)),
      this.button("reset", "reset", "Show everything (0, or double-click)", () => act.reset()));
    // A press on these is none on the map beneath.
    for (const name of ["pointerdown", "pointerup", "dblclick", "keydown"]) {
      this.zoom.addEventListener(name, (event) => event.stopPropagation());
    }
    this.mount = element("div", { class: "nasviz-map-mount" });
    this.overlay = svgElement("svg", { class: "nasviz-map-overlay", "aria-hidden": "true" });
    this.lassoPath = svgElement("path", { class: "nasviz-map-lasso" });
    this.overlay.append(this.lassoPath);
    this.tip = element("div", { class: "nasviz-map-tip", role: "tooltip" });
    this.hint = element("div", { class: "nasviz-map-hint" }, HINT);
    this.empty = element("div", { class: "nasviz-map-empty" }, "Preparing the candidates…");
    this.chip = element("button", { class: "nasviz-map-chip", type: "button",
      title: "Forget the lasso (Esc)", onclick: () => act.clearLasso() });
    this.area = element("div", {
      class: "nasviz-map-area", tabindex: "0", role: "application",
      "aria-roledescription": "scatter plot",
    }, this.mount, this.overlay, this.zoom, this.chip, this.tip, this.empty);
    this.legend = element("div", { class: "nasviz-map-legend" });
    this.live = element("div", { class: "nasviz-map-live", "aria-live": "polite" });
    el.classList.add("nasviz-map");
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // arrows belong to the map here
    el.append(this.banner, this.bar, this.hint, this.area, this.legend, this.live);
    this.showHint();
  }

  select(trait, label) {
    const select = element("select", {
      "aria-label": label, onchange: () => this.act.choose(trait, select.value),
    });
    this.selects[trait] = select;
    return element("label", { class: "nasviz-map-choice" },
      element("span", {}, label), select);
  }

  button(name, label, title, act) {
    const button = element("button", { type: "button", class: "nasviz-map-button", title }, label);
    button.addEventListener("click", act);
    this.buttons[name] = button;
    return button;
  }

  setChoices(specs, has) {
    const named = Object.entries(specs).filter(([name]) => has(name));
    const offer = (trait, groups) => {
      this.selects[trait].replaceChildren(...groups.flatMap(([title, roles]) => {
        const options = named.filter(([, spec]) => roles.includes(spec.role))
          .map(([name, spec]) => element("option", { value: name, title: spec.help }, spec.label));
        if (!title) return options;
        return options.length ? [element("optgroup", { label: title }, ...options)] : [];
      }));
    };
    offer("x", [["", ["cost"]]]);
    offer("y", [["", ["quality"]]]);
    offer("colour", [["sizes", ["dimension"]], ["costs", ["cost"]], ["quality", ["quality"]]]);
    this.selects.colour.prepend(element("option", { value: "density" }, "density"));
  }

  setChosen({ x, y, colour, x_log, y_log, lassoing }) {
    Object.assign(this.selects.x, { value: x });
    Object.assign(this.selects.y, { value: y });
    Object.assign(this.selects.colour, { value: colour });
    const pressed = { x_log, y_log, lasso: lassoing };
    for (const [name, on] of Object.entries(pressed)) {
      this.buttons[name].setAttribute("aria-pressed", on ? "true" : "false");
    }
    this.area.classList.toggle("nasviz-map-lassoing", lassoing);
  }

  // items: [kind, text]; scale: null, { low, high, label, unit } or { label, names }.
  setLegend({ items, scale, counts, dark }) {
    const parts = [this.scalePart(scale, dark)];
    for (const [kind, text] of items) {
      parts.push(element("span", {}, element("i", { class: `nasviz-mark nasviz-mark-${kind}` }), text));
    }
    const { left, total, shown } = counts;
    const all = left === total ? groupDigits(total) : `${groupDigits(left)} of ${groupDigits(total)}`;
    this.legendShown = { items, scale, count: all };
    const away = shown < left ? `, ${groupDigits(left - shown)} out of sight` : "";
    parts.push(element("span", { class: "nasviz-map-count" }, element("b", {}, all),
      ` candidates${away}`));
    this.legend.replaceChildren(...parts);
  }

  scalePart(scale, dark) {
    if (scale.names) {
      return element("span", {}, `${scale.label} `, ...scale.names.flatMap((name, code) => [
        element("i", { class: "nasviz-mark", style: `background:${css(categoryColour(code))}` }),
        `${name} `,
      ]));
    }
    const stops = [0, 0.25, 0.5, 0.75, 1]
      .map((share) => css(scale.density ? alongDensity(share, dark) : alongViridis(share)));
    const bar = element("i", { class: "nasviz-map-ramp",
      style: `background:linear-gradient(90deg, ${stops.join(", ")})` });
    if (scale.density) {
      return element("span", {}, "few ", bar, ` many candidates${scale.note ? `, ${scale.note}` : ""}`);
    }
    return element("span", {}, `${scale.label}, mean: ${formatValue(scale.low, scale.unit)} `, bar,
      ` ${formatValue(scale.high, scale.unit)}`);
  }

  showTip(place, lines, size) {
    if (!place) {
      this.tip.style.display = "none";
      return;
    }
    this.tip.replaceChildren(...lines.map((line, at) =>
      element("div", { class: at === 0 ? "nasviz-map-tip-title" : "" }, line)));
    this.tip.style.display = "block";
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = place[0] + 14 + width > size[0] ? place[0] - 14 - width : place[0] + 14;
    const top = Math.max(4, Math.min(size[1] - height - 4, place[1] - height - 10));
    this.tip.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.round(top)}px)`;
  }

  setLasso(path, count) {
    this.lassoPath.setAttribute("d", path ? `M${path.map((at) => at.join(" ")).join("L")}Z` : "");
    this.chip.style.display = path && count !== null ? "block" : "none";
    if (path && count !== null) {
      this.chip.textContent = `${groupDigits(count)} picked ✕`;
      const [x, y] = path.reduce((best, at) => (at[1] < best[1] ? at : best));
      this.chip.style.transform =
        `translate(calc(${Math.round(x)}px - 50%), ${Math.max(4, Math.round(y) - 30)}px)`;
    }
  }

  showHint() {
    let seen = false;
    try {
      seen = localStorage.getItem("nasviz-map-hint") === "seen";
    } catch {
      // a page that may store nothing shows the hint each time
    }
    this.hint.style.display = seen ? "none" : "block";
  }

  hideHint() {
    if (this.hint.style.display === "none") return;
    this.hint.style.display = "none";
    try {
      localStorage.setItem("nasviz-map-hint", "seen");
    } catch {
      // as above
    }
  }

  say(text) {
    if (this.live.textContent !== text) this.live.textContent = text;
  }
}
