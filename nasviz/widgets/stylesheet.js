// Draws nothing. Brings the style sheet, and marks the explorer when its kernel is gone:
// ipywidgets marks views when a kernel dies or restarts, but not when a reader shuts it down.

const GONE = ["dead", "terminating", "restarting", "autorestarting"];

function render({ model, el }) {
  el.classList.add("nv-style");
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.statusChanged) return undefined; // not JupyterLab's manager
  const mark = () => el.closest(".nv-explorer")?.classList.add("nv-lost");
  const changed = (_sender, status) => GONE.includes(status) && mark();
  kernel.statusChanged.connect(changed);
  kernel.disposed.connect(mark);
  return () => {
    kernel.statusChanged.disconnect(changed);
    kernel.disposed.disconnect(mark);
  };
}

export default { render };
