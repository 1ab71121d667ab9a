// Starts the exported page: the notebook's own widgets on models that live in this file alone.

class PageModel {
  constructor(state, models) {
    this.state = state;
    this.listeners = new Map();
    this.widget_manager = { get_model: (id) => Promise.resolve(models.get(id)) };
  }

  get(name) { return this.state[name]; }

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    this.trigger(`change:${name}`);
    this.trigger("change");
  }

  on(name, act) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(act);
  }

  off(name, act) { this.listeners.get(name)?.delete(act); }

  trigger(name, ...given) { for (const act of this.listeners.get(name) ?? []) act(...given); }

  save_changes() {} // there is no kernel to tell

  send() {}
}

function bytes(base64) {
  return Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
}

async function unpacked(id) {
  const packed = bytes(document.getElementById(id).textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// Columns of numbers were written as text: they are bytes again before any widget sees them.
function revive(_key, value) {
  return value !== null && typeof value.base64 === "string" ? bytes(value.base64) : value;
}

const data = JSON.parse(await unpacked("nasviz-data"), revive);
const models = new Map();
for (const [id, state] of Object.entries(data.models)) models.set(id, new PageModel(state, models));
const source = new PageModel({
  version: data.version, gzipped: bytes(document.getElementById("nasviz-bokeh").textContent),
}, models);
models.set(data.bokeh, source);

const place = document.querySelector(".nv-page-panels");
for (const { title, knobs } of data.panels) {
  const heading = document.createElement("div");
  heading.className = "nv-h";
  heading.textContent = title;
  const rows = document.createElement("div");
  place.append(heading, rows);
  globalThis.nasvizKnobs.render({ model: models.get(knobs), el: rows });
}

const map = models.get(data.map);
// A pick here is the map's own; in the notebook the kernel draws it.
map.on("change:tap_revision", () => map.set("current", null));
await globalThis.nasvizMap().render({ model: map, el: document.querySelector(".nv-page-map > div") });
