// The map: the kernel sends columns once, and everything that moves is computed here.

import { loadBokeh, markKernelGone } from "./bokeh_loader.js";
import { MapView } from "./map_view.js";
import { Sample } from "./sample.js";

// Called once a model: all views of it share the columns and their filters.
export default function candidateMap() {
  const shared = { sample: new Sample(), views: new Set(), lasso: null, bounds: new Map() };

  return {
    async render({ model, el }) {
      const view = new MapView(model, el, shared);
      shared.views.add(view);
      const unmark = markKernelGone(model, el);
      await view.start(() => loadBokeh(model));
      return () => {
        shared.views.delete(view);
        unmark();
        view.remove();
      };
    },
  };
}
