// BokehJS, once a page and version: run from the text that the kernel's BokehSource model holds.

const bokehLoading = (globalThis.nasvizBokeh ??= new Map()); // version → promise of Bokeh

export function loadBokeh(model) {
  const version = model.get("_bokeh_version");
  if (!bokehLoading.has(version)) {
    const loading = fetchBokeh(model, version);
    bokehLoading.set(version, loading);
    loading.catch(() => bokehLoading.delete(version)); // the next view may try again
  }
  return bokehLoading.get(version);
}

async function fetchBokeh(model, version) {
  const present = presentBokeh(version);
  if (present) return present;
  const source = await model.widget_manager.get_model(model.get("_bokeh"));
  const packed = bytesOf(source.get("gzipped"));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = await new Response(stream).text();
  // The bundle reads the top-level `this`, which is undefined in a module: give it the page's.
  Function(script).call(globalThis);
  const bokeh = presentBokeh(version);
  if (!bokeh) throw new Error(`BokehJS ${version} did not start`);
  bokeh.set_log_level?.("error");
  return bokeh;
}

// Puts figures on the page and returns their views. Bokeh makes each canvas a stop of the Tab key
// that has no name; the frame that a figure stands in has one, so the canvas is passed by.
export async function embedDocument(bokeh, document, el) {
  const views = await bokeh.embed.add_document_standalone(document, el);
  for (const view of views) view.canvas_view?.events_el.setAttribute("tabindex", "-1");
  return views;
}

// Several versions may live on one page (another library's output): each is kept by its number.
function presentBokeh(version) {
  const bokeh = globalThis.Bokeh;
  return bokeh?.version === version ? bokeh : bokeh?.[version];
}

// A synced binary value arrives as a DataView on a larger buffer: only its own bytes are meant.
export function bytesOf(view) {
  if (view instanceof ArrayBuffer) return new Uint8Array(view);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

export function ownBuffer(view) {
  return bytesOf(view).slice().buffer;
}

// Marks `el` with `nasviz-kernel-gone` while there is no kernel; returns the function that ends it.
// The source's model is asked: unlike a proxy, it says whether its comm is alive, and all of a
// kernel's comms die together.
export function markKernelGone(model, el) {
  let ended = false;
  let forget = () => {};
  model.widget_manager.get_model(model.get("_bokeh")).then((source) => {
    if (ended) return;
    const mark = () => el.classList.toggle("nasviz-kernel-gone", source.comm_live === false);
    source.on("comm_live_update", mark);
    forget = () => source.off("comm_live_update", mark);
    mark();
  }, () => el.classList.add("nasviz-kernel-gone"));
  return () => {
    ended = true;
    forget();
  };
}
