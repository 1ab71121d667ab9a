"""The map's speed where it is used: a real JupyterLab in a real Chromium.

Run: python tests/benchmarks/map_repaint.py [--moves 30] [--counts 20000 1000000]
For each number of candidates: first paint after the cell starts (in a kernel that has imported
nothing yet), milliseconds from a slider's key press to the repainted canvas, repaints a second
while the mouse drags a slider, and the same with the kernel busy. Never fails on time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "browser"))

from lab import SECOND, Notebook, chromium, running_lab
from playwright.sync_api import Page

SAMPLE = (Path(__file__).parent.parent / "browser" / "map_sample.py").read_text(encoding="utf-8")
CELL = """
import ipywidgets
slider = ipywidgets.IntRangeSlider(value=(1, 16), min=1, max=16, layout={"width": "600px"})
bits = ipywidgets.FloatRangeSlider(
    value=(1, 4), min=1, max=4, step=0.001, layout={"width": "600px"}
)
links = [
    ipywidgets.jslink((slider, "value"), (m, m.add_range("n_layers", 1, 16))),
    ipywidgets.jslink((bits, "value"), (m, m.add_range("bits_per_byte", 1, 4))),
]
m.add_range("n_heads", 1, 12), m.add_range("vocab_size", 300, 8000), m.add_limit("weights", 6e7)
display(slider, bits, m)
"""
READY = ".nasviz-map-area[data-state='ready'][data-paints]"

# Every repaint of the map's canvas, and for each key press the first that shows its change.
WATCH = """async () => {
  const bokeh = await globalThis.nasvizBokeh.values().next().value;
  const view = [...bokeh.index.roots].find((each) => each.model.type === "Plot");
  const area = document.querySelector(".nasviz-map-area");
  globalThis.shown = { delays: [], repaints: [], pressed: null };
  view.repainted.connect(() => {
    const now = performance.now();
    const painted = Number(area.dataset.paints);
    const { shown } = globalThis;
    if (painted !== shown.painted) shown.repaints.push(now);
    shown.painted = painted;
    if (shown.pressed !== null && painted > shown.before) {
      shown.delays.push(now - shown.pressed);
      shown.pressed = null;
    }
  });
  document.addEventListener("keydown", () => {
    globalThis.shown.before = Number(area.dataset.paints);
    globalThis.shown.pressed = performance.now();
  }, true);
}"""


def first_paint(notebook: Notebook) -> float:
    """Run all cells and return the seconds until the map has painted."""
    return float(
        notebook.page.evaluate(
            f"""async () => {{
              const start = performance.now();
              void window.jupyterapp.commands.execute("notebook:run-all-cells");
              while (!document.querySelector("{READY}")) {{
                await new Promise((next) => requestAnimationFrame(next));
              }}
              return (performance.now() - start) / 1000;
            }}"""
        )
    )


def key_delays(page: Page, moves: int) -> list[float]:
    """Press arrow keys on the layers' slider; return milliseconds to each repaint."""
    page.locator(".noUi-handle-upper").first.focus()
    page.evaluate("() => { globalThis.shown.delays = []; }")
    for move in range(moves):
        page.keyboard.press("ArrowLeft" if move // 10 % 2 == 0 else "ArrowRight")
        page.wait_for_function(
            "least => globalThis.shown.delays.length > least", arg=move, timeout=10 * SECOND
        )
        page.wait_for_timeout(60)
    return [float(each) for each in page.evaluate("() => globalThis.shown.delays")]


def drag_rate(page: Page, seconds: float) -> float:
    """Drag the bits' slider to and fro, a step each animation frame; return repaints a second.

    The pointer's events are made in the page: Playwright's own mouse waits for an answer to each
    and reaches some 20 a second here. A continuous quantity is dragged, so that each step changes
    the picture (Bokeh doesn't repaint for equal data).
    """
    handle = page.locator(".noUi-handle-upper").nth(1)
    handle.evaluate("element => element.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(400)
    times = handle.evaluate(
        """async (handle, seconds) => {
          const box = handle.getBoundingClientRect();
          const y = box.y + box.height / 2;
          const point = (kind, target, x) => target.dispatchEvent(new MouseEvent(kind, {
            bubbles: true, cancelable: true, button: 0, buttons: kind === "mouseup" ? 0 : 1,
            clientX: x, clientY: y,
          }));
          const start = performance.now();
          let x = box.x + box.width / 2;
          point("mousedown", handle.firstElementChild, x);
          globalThis.shown.repaints = [];
          for (let step = 0; performance.now() - start < seconds * 1000; step++) {
            x -= step % 100 < 50 ? 4 : -4;
            point("mousemove", document.documentElement, x);
            await new Promise((next) => requestAnimationFrame(next));
          }
          point("mouseup", document.documentElement, x);
          return globalThis.shown.repaints;
        }""",
        seconds,
    )
    return (len(times) - 1) / ((times[-1] - times[0]) / 1000)


def measure(notebook: Notebook, moves: int) -> dict[str, float]:
    """Return the figures of one open notebook."""
    page = notebook.page
    found = {"first paint s": first_paint(notebook)}
    notebook.kernel()
    page.wait_for_timeout(1_500)
    page.evaluate(WATCH)
    delays = key_delays(page, moves)
    found["key to repaint, median ms"] = statistics.median(delays)
    found["key to repaint, 10th %"] = sorted(delays)[len(delays) // 10]
    found["key to repaint, 90th %"] = sorted(delays)[len(delays) * 9 // 10]
    found["repaints/s in a drag"] = drag_rate(page, 4)
    notebook.execute("import time; time.sleep(8)", wait=False)
    page.wait_for_timeout(700)
    found["repaints/s, kernel busy"] = drag_rate(page, 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--counts", type=int, nargs="+", default=[20_000, 1_000_000])
    given = parser.parse_args()
    names = ("bokeh", "anywidget", "ipywidgets", "jupyterlab", "ipykernel")
    print(platform.machine(), f"{os.cpu_count()} cores,", "Python", platform.python_version())
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))
    folder = Path(tempfile.mkdtemp(prefix="nasviz-map-"))
    with running_lab(folder) as lab, chromium() as browser:
        for count in given.counts:
            context = browser.new_context(viewport={"width": 1300, "height": 1400})
            cells = [SAMPLE.replace("n=20_000", f"n={count}"), CELL]
            notebook = Notebook.create(lab, context.new_page(), cells, f"map-{count}.ipynb")
            print(f"\n{count:,} candidates, five filters, {given.moves} key presses")
            for name, value in measure(notebook, given.moves).items():
                print(f"  {name:28} {value:8.1f}")
            context.close()
            notebook.close()


if __name__ == "__main__":
    main()
