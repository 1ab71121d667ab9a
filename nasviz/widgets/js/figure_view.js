// Shows the kernel's Bokeh document; every view has a document of its own, fed the same patches.

import { embedDocument, loadBokeh, markKernelGone, ownBuffer } from "./bokeh_loader.js";
import { dressModels, readTheme, watchTheme } from "./theme.js";

// What a reader changes, by kind of model. A DataRange1d is left out: it follows the data by itself
// on every view, and two views that told each other would never come to rest.
const SENT_BACK = { Selection: ["indices"], Range1d: ["start", "end"] };
const PATCHES_KEPT = 64; // then the page asks for the whole document and forgets them

// Called once a model: initialize and every render share this state (their proxies differ).
export default function figureView() {
  const shared = { base: null, patches: [], revision: 0, asking: false, views: new Set() };

  return {
    initialize({ model }) {
      takeDocument(shared, stored(model));
      model.on("msg:custom", (content, buffers) => {
        if (content.type === "document") {
          const current = content.revision === shared.revision; // asked only to forget patches
          takeDocument(shared, { ...content, buffers });
          if (!current) for (const view of shared.views) view.rebuild();
        } else if (content.type === "patch") {
          takePatch(shared, model, { ...content, buffers });
        }
      });
      model.send({ type: "hello", revision: shared.revision });
    },

    async render({ model, el }) {
      el.classList.add("nasviz-figure");
      const view = new DocumentView(model, el, shared);
      shared.views.add(view);
      const unmark = markKernelGone(model, el);
      await view.start();
      return () => {
        shared.views.delete(view);
        unmark();
        view.remove();
      };
    },
  };
}

function stored(model) {
  const document = model.get("_document");
  return document && document.json ? document : null;
}

function takeDocument(shared, document) {
  shared.asking = false;
  if (!document) return;
  shared.base = document.json ? document : null; // without one: the figure was taken away
  shared.revision = document.revision;
  shared.patches = [];
}

function takePatch(shared, model, patch) {
  if (patch.revision <= shared.revision) return; // already in the document that came later
  if (patch.revision !== shared.revision + 1) return ask(shared, model); // one was lost
  shared.revision = patch.revision;
  shared.patches.push(patch);
  for (const view of shared.views) view.apply(patch);
  if (shared.patches.length > PATCHES_KEPT) ask(shared, model);
}

function ask(shared, model) {
  if (shared.asking) return;
  shared.asking = true;
  model.send({ type: "hello", revision: -1 });
}

function buffersById({ ids, buffers }) {
  return new Map(ids.map((id, index) => [id, ownBuffer(buffers[index])]));
}

class DocumentView {
  constructor(model, el, shared) {
    this.model = model;
    this.el = el;
    this.shared = shared;
    this.id = crypto.randomUUID();
    this.frame = document.createElement("div");
    this.frame.className = "nasviz-figure-frame";
    this.frame.setAttribute("role", "figure");
    this.banner = document.createElement("div");
    this.banner.className = "nasviz-banner";
    this.banner.setAttribute("role", "status");
    this.banner.textContent =
      "The kernel is gone: this figure is as it was then. Run its cell again.";
    el.append(this.banner, this.frame);
    this.dressed = () => this.describe();
    model.on("change:label", this.dressed);
    model.on("change:height", this.dressed);
    model.on("change:placeholder", this.dressed);
    this.unwatch = watchTheme(this.frame, (theme) => this.dress(theme));
    this.describe();
  }

  describe() {
    this.frame.setAttribute("aria-label", this.model.get("label"));
    this.frame.style.height = this.model.get("height");
    this.frame.dataset.placeholder = this.model.get("placeholder");
  }

  async start() {
    this.frame.dataset.state = "loading";
    try {
      this.bokeh = await loadBokeh(this.model);
    } catch (error) {
      this.frame.dataset.state = "failed";
      this.frame.textContent = `BokehJS could not be loaded: ${error.message}`;
      return;
    }
    await this.rebuild();
  }

  async rebuild() {
    if (!this.bokeh) return;
    this.discard();
    if (!this.shared.base) {
      this.frame.replaceChildren();
      this.frame.dataset.state = "empty";
      return;
    }
    const { Document } = this.bokeh.require("document");
    const buffers = buffersById(this.shared.base);
    this.document = Document.from_json(JSON.parse(this.shared.base.json), [], buffers);
    for (const patch of this.shared.patches) this.patch(patch);
    this.listen();
    this.dress(readTheme(this.frame));
    const mount = document.createElement("div");
    mount.className = "nasviz-figure-mount";
    this.frame.replaceChildren(mount);
    const shown = this.document;
    const views = await embedDocument(this.bokeh, shown, mount);
    if (this.document !== shown) return views.clear(); // replaced while it was being built
    this.views = views;
    this.frame.dataset.state = "ready";
    this.frame.dataset.revision = this.shared.revision;
  }

  patch({ json, ...rest }) {
    this.document.apply_json_patch(JSON.parse(json), buffersById(rest));
  }

  apply(patch) {
    if (!this.document || patch.origin === this.id) return;
    this.quiet = true;
    try {
      this.patch(patch);
    } finally {
      this.quiet = false;
    }
    if (/"type":"object"/.test(patch.json)) this.dress(readTheme(this.frame)); // new parts
    this.frame.dataset.revision = patch.revision;
  }

  // Taps, selections and ranges go back to the kernel, many steps of a drag in one message.
  listen() {
    this.queue = new Map();
    const shown = this.document;
    shown.on_change((event) => {
      if (this.quiet || shown !== this.document) return;
      const message = event.kind === "MessageSent";
      const changed = event.kind === "ModelChanged" && SENT_BACK[event.model.type];
      if (!message && !(changed && changed.includes(event.attr))) return;
      const key = message ? Symbol("message") : `${event.model.id}.${event.attr}`;
      this.queue.set(key, event);
      this.timer ??= setTimeout(() => this.flush(), 50);
    });
  }

  flush() {
    this.timer = null;
    if (!this.document || this.queue.size === 0) return;
    const patch = this.document.create_json_patch([...this.queue.values()]);
    this.queue.clear();
    if (this.el.classList.contains("nasviz-kernel-gone")) return; // its banner moves ranges too
    this.model.send({ type: "patch", origin: this.id, json: JSON.stringify(patch) });
  }

  dress(theme) {
    if (!this.document) return;
    this.quiet = true;
    try {
      dressModels(this.document.all_models, theme);
    } finally {
      this.quiet = false;
    }
  }

  discard() {
    this.views?.clear();
    this.views = null;
    this.document = null;
  }

  remove() {
    clearTimeout(this.timer);
    this.unwatch();
    for (const name of ["label", "height", "placeholder"]) {
      this.model.off(`change:${name}`, this.dressed);
    }
    this.discard();
  }
}
