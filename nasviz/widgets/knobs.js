// Rows of knobs. Each kind is one function from a row to { node, show(value) }; the widget's own
// part is at the end. A slider moves over positions in `row.values`.

const TIP_DELAY_MS = 400;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") node.textContent = value;
    else if (value !== undefined && value !== "") node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

function positionOf(row, value) {
  const exact = row.values.indexOf(value);
  if (exact >= 0 || typeof value !== "number") return Math.max(0, exact);
  let nearest = 0;
  row.values.forEach((each, position) => {
    if (typeof each !== "number") return;
    if (Math.abs(each - value) < Math.abs(row.values[nearest] - value)) nearest = position;
  });
  return nearest;
}

function slider(row, spoken) {
  return element("input", {
    type: "range", min: 0, max: Math.max(0, row.values.length - 1), step: 1,
    "aria-label": spoken, "data-lm-suppress-shortcuts": "true",
  });
}

function paintTrack(track, low, high, last) {
  const share = (position) => `${last > 0 ? (100 * position) / last : 0}%`;
  track.style.setProperty("--nv-low", share(low));
  track.style.setProperty("--nv-high", share(high));
}

const KINDS = {
  range(row, set) {
    const low = slider(row, `${row.label}, from`);
    const high = slider(row, `${row.label}, to`);
    const track = element("div", { class: "nv-track nv-two" }, low, high);
    const readout = element("output", { class: "nv-value" });
    const last = row.values.length - 1;
    const show = ([from, to]) => {
      const [a, b] = [positionOf(row, from), positionOf(row, to)];
      [low.value, high.value] = [a, b];
      paintTrack(track, a, b, last);
      // The thumb that can still move lies on top when both stand at one end.
      low.style.zIndex = a > last / 2 ? 2 : 1;
      readout.textContent = a === b ? row.labels[a] : `${row.labels[a]} – ${row.labels[b]}`;
      low.setAttribute("aria-valuetext", row.labels[a]);
      high.setAttribute("aria-valuetext", row.labels[b]);
    };
    const moved = (mover, done) => {
      if (mover === low) low.value = Math.min(+low.value, +high.value);
      else high.value = Math.max(+low.value, +high.value);
      set([row.values[+low.value], row.values[+high.value]], done);
    };
    for (const mover of [low, high]) {
      mover.addEventListener("input", () => moved(mover, false));
      mover.addEventListener("change", () => moved(mover, true));
    }
    // A press on the bare track takes the nearer thumb there, and drags it on.
    const place = (event) => {
      const box = track.getBoundingClientRect();
      return Math.round((last * (event.clientX - box.left)) / box.width);
    };
    track.addEventListener("pointerdown", (event) => {
      if (event.target !== track || low.disabled) return;
      const at = place(event);
      const mover = Math.abs(at - low.value) < Math.abs(at - high.value) ? low : high;
      const follow = (moving) => { mover.value = place(moving); moved(mover, false); };
      event.preventDefault();
      mover.focus();
      follow(event);
      track.setPointerCapture(event.pointerId);
      track.addEventListener("pointermove", follow);
      track.addEventListener("lostpointercapture", () => {
        track.removeEventListener("pointermove", follow);
        moved(mover, true);
      }, { once: true });
    });
    return { node: element("div", { class: "nv-slide" }, track, readout), show };
  },

  slider(row, set) {
    const thumb = slider(row, row.label);
    const track = element("div", { class: "nv-track" }, thumb);
    const readout = element("output", { class: "nv-value" });
    const show = (value) => {
      const at = positionOf(row, value);
      thumb.value = at;
      paintTrack(track, 0, at, row.values.length - 1);
      readout.textContent = row.labels[at] ?? "";
      thumb.setAttribute("aria-valuetext", row.labels[at] ?? "");
    };
    thumb.addEventListener("input", () => set(row.values[+thumb.value], false));
    thumb.addEventListener("change", () => set(row.values[+thumb.value], true));
    return { node: element("div", { class: "nv-slide" }, track, readout), show };
  },

  select(row, set) {
    const node = element("select", { "aria-label": row.label, class: "nv-field" });
    row.labels.forEach((label, at) => node.append(element("option", { value: at, text: label })));
    node.addEventListener("change", () => set(row.values[+node.value], true));
    return { node, show: (value) => { node.value = positionOf(row, value); } };
  },

  choices(row, set) {
    const node = element("div", { class: "nv-chips", role: "group", "aria-label": row.label });
    const chips = row.values.map((value, at) => {
      const chip = element("button", {
        type: "button", class: "nv-chip", text: row.labels[at], "data-lm-suppress-shortcuts": "true",
      });
      chip.addEventListener("click", () => {
        const on = row.values.filter((_, i) => (i === at) !== chips[i].classList.contains("nv-on"));
        if (on.length) set(on, true);
      });
      node.append(chip);
      return chip;
    });
    const show = (values) => chips.forEach((chip, at) => {
      const on = values.includes(row.values[at]);
      chip.classList.toggle("nv-on", on);
      chip.setAttribute("aria-pressed", on);
    });
    return { node, show };
  },

  one(row, set) {
    const node = element("div", { class: "nv-chips nv-one", role: "radiogroup", "aria-label": row.label });
    const chips = row.values.map((value, at) => {
      const chip = element("button", {
        type: "button", class: "nv-chip", role: "radio", text: row.labels[at],
        "data-lm-suppress-shortcuts": "true",
      });
      chip.addEventListener("click", () => set(value, true));
      node.append(chip);
      return chip;
    });
    const show = (value) => chips.forEach((chip, at) => {
      chip.classList.toggle("nv-on", row.values[at] === value);
      chip.setAttribute("aria-checked", row.values[at] === value);
    });
    return { node, show };
  },

  switch(row, set) {
    const node = element("input", {
      type: "checkbox", "aria-label": row.label, class: "nv-check",
      "data-lm-suppress-shortcuts": "true",
    });
    node.addEventListener("change", () => set(node.checked, true));
    return { node, show: (value) => { node.checked = value === true; } };
  },

  number(row, set) {
    return typed(row, set, "decimal", (text) => {
      const number = Number(text.replaceAll(",", "").replaceAll("_", ""));
      return text.trim() === "" ? null : Number.isFinite(number) ? number : text;
    });
  },

  text(row, set) {
    return typed(row, set, "text", (text) => text);
  },
};

function typed(row, set, mode, read) {
  const input = element("input", {
    type: "text", inputmode: mode, "aria-label": row.label, class: "nv-field",
    spellcheck: "false", placeholder: row.labels[0],
  });
  input.addEventListener("change", () => set(read(input.value), true));
  input.addEventListener("keydown", (event) => event.key === "Enter" && set(read(input.value), true));
  const show = (value) => {
    const shown = typeof value === "number" ? value.toLocaleString("en") : value ?? "";
    if (document.activeElement !== input || read(input.value) !== value) input.value = shown;
  };
  const unit = element("span", { class: "nv-unit", text: row.unit });
  return { node: element("span", { class: "nv-typed" }, input, ...(row.unit ? [unit] : [])), show };
}

// Which control of which row has the focus: rows that are made anew give it back.
function placeOf(control) {
  const row = control.closest("[data-knob]");
  if (!row) return null;
  return {
    knob: row.dataset.knob,
    at: [...row.querySelectorAll("input, select, button")].indexOf(control),
  };
}

// One tooltip for the page: whatever has `data-help` inside the explorer shows it on hover or focus.
function installTips() {
  if (document.nasvizTips) return;
  document.nasvizTips = true;
  const tip = element("div", { class: "nv-tip", role: "tooltip", id: "nv-tip" });
  document.body.append(tip);
  let timer = 0;
  let owner = null;
  const hide = () => {
    clearTimeout(timer);
    tip.classList.remove("nv-open");
    owner?.removeAttribute("aria-describedby");
    owner = null;
  };
  const show = (node, speaker) => {
    hide();
    timer = setTimeout(() => {
      if (!node.isConnected) return;
      tip.replaceChildren(element("span", { text: node.dataset.help }));
      if (node.dataset.reference) {
        tip.append(element("small", { text: node.dataset.reference }));
      }
      const box = node.getBoundingClientRect();
      tip.classList.add("nv-open");
      const left = Math.min(box.left, window.innerWidth - tip.offsetWidth - 8);
      const below = box.bottom + 6 + tip.offsetHeight < window.innerHeight;
      tip.style.left = `${Math.max(8, left)}px`;
      tip.style.top = `${below ? box.bottom + 6 : box.top - tip.offsetHeight - 6}px`;
      owner = speaker;
      owner.setAttribute("aria-describedby", "nv-tip");
    }, TIP_DELAY_MS);
  };
  const helped = (target) => target instanceof Element && target.closest(".nv-explorer [data-help]");
  document.addEventListener("pointerover", (event) => {
    const node = helped(event.target);
    if (node) show(node, node);
    else hide();
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target instanceof Element && event.target.closest(".nv-explorer .nv-row");
    const node = row ? row.querySelector("[data-help]") : helped(event.target);
    if (node && event.target.matches(":focus-visible")) show(node, event.target);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("pointerdown", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("scroll", hide, true);
}

// A menu that opens hangs from its pill's right end, or from the left one where it would leave the
// explorer.
function installMenus() {
  if (document.nasvizMenus) return;
  document.nasvizMenus = true;
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!(menu instanceof Element) || !menu.matches(".nv-explorer .nv-menu[open]")) return;
    menu.classList.remove("nv-leftward");
    const page = menu.closest(".nv-explorer").getBoundingClientRect();
    const box = menu.querySelector('[role="group"]').getBoundingClientRect();
    menu.classList.toggle("nv-leftward", box.left < page.left);
  }, true); // toggle doesn't bubble
}

// Writes values to the linked widget's traits. A change of the kernel's own needs no forwarding:
// whoever made it there wrote both widgets.
async function forward(model, done) {
  const id = model.get("_target");
  if (!id) return;
  const target = await model.widget_manager.get_model(id);
  const values = model.get("values");
  const kinds = Object.fromEntries(model.get("knobs").map((row) => [row.name, row]));
  for (const [name, { trait, codes }] of Object.entries(model.get("_forwards"))) {
    const chosen = values[name];
    if (chosen === undefined) continue; // its row is gone, and this link in a moment
    const value = codes ? chosen.map((each) => codes[kinds[name].values.indexOf(each)]) : chosen;
    if (JSON.stringify(target.get(trait)) !== JSON.stringify(value)) target.set(trait, value);
  }
  if (done) target.save_changes();
}

function render({ model, el }) {
  installTips();
  installMenus();
  el.classList.add("nv-knobs");
  let rows = {};

  const setter = (name) => (value, done) => {
    model.set("values", { ...model.get("values"), [name]: value });
    forward(model, done);
    // The knob itself follows at once; the kernel hears of it on release (or always, when live).
    if (done || model.get("live")) model.save_changes();
  };

  function build() {
    rows = {};
    const nodes = model.get("knobs").map((row) => {
      const control = KINDS[row.kind](row, setter(row.name));
      const error = element("div", { class: "nv-error", role: "alert" });
      const label = element("span", {
        class: "nv-label", text: row.label, "data-help": row.help, "data-reference": row.reference,
      });
      rows[row.name] = { ...control, error };
      return element(
        "div", { class: `nv-row nv-${row.kind}`, "data-knob": row.name }, label, control.node, error,
      );
    });
    const group = element("div", { role: "group", "aria-label": model.get("title") }, ...nodes);
    const held = el.contains(document.activeElement) ? placeOf(document.activeElement) : null;
    if (model.get("folds")) {
      const open = el.querySelector("details")?.open ?? false;
      const summary = element("summary", { class: "nv-h" });
      const fold = element("details", { class: "nv-fold", ...(open && { open: "open" }) }, summary, group);
      // A class and no `:has` in the style sheet, which slows every repaint of the map by a fifth.
      fold.addEventListener("toggle", () => {
        el.closest(".nv-space")?.classList.toggle("nv-unfolded", fold.open);
      });
      el.replaceChildren(fold);
    } else if (model.get("summary")) {
      const summary = element("summary", { class: "nv-pill", "aria-label": model.get("title") });
      const menu = element("details", { class: "nv-menu" }, summary, group);
      menu.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        menu.open = false;
        summary.focus();
      });
      el.replaceChildren(menu);
    } else el.replaceChildren(group);
    showAll();
    if (held) el.querySelectorAll(`[data-knob="${held.knob}"] :is(input, select, button)`)[held.at]?.focus();
  }

  function showAll() {
    const values = model.get("values");
    const errors = model.get("errors");
    for (const [name, row] of Object.entries(rows)) {
      // While one slider moves the other rows keep the very values that they show.
      if (name in values && row.shown !== values[name]) {
        row.shown = values[name];
        row.show(values[name]);
      }
      row.error.textContent = errors[name] ?? "";
    }
    for (const control of el.querySelectorAll("input, select, button")) {
      control.disabled = model.get("disabled");
    }
    const summary = el.querySelector("summary");
    if (summary && model.get("folds")) {
      const [heading, aside] = model.get("summary").split("\n");
      summary.replaceChildren(
        element("span", { text: heading }), element("span", { class: "nv-aside", text: aside ?? "" }),
      );
    } else if (summary) summary.textContent = model.get("summary");
  }

  // `values` may arrive before the `knobs` they belong to: draw once both are there.
  let waiting = false;
  const later = (draw) => () => {
    if (waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; draw(); });
  };
  const closeMenu = (event) => {
    const menu = el.querySelector("details.nv-menu[open]");
    if (menu && !el.contains(event.target)) menu.open = false;
  };
  model.on("change:knobs", later(build));
  model.on("change:values", showAll);
  model.on("change:errors", showAll);
  model.on("change:summary", showAll);
  model.on("change:disabled", showAll);
  document.addEventListener("pointerdown", closeMenu);
  build();
  return () => document.removeEventListener("pointerdown", closeMenu);
}

export default { render };
