// What a hand does over the map: drag to move, wheel with Ctrl to zoom, tap, lasso, keys.

const TAP_SLACK = 4; // pixels that a click may wander before it is a drag

// `act` has pan(dx, dy), zoom(factor, at), tap(at, event), hover(at | null), lasso(path, done),
// move(dx, dy), key(name) and `lassoing`; returns the function that lets go of the element.
export function followGestures(area, act) {
  let drag = null;
  const at = (event) => {
    const box = area.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event) => {
    if (event.button !== 0) return;
    area.focus({ preventScroll: true });
    const place = at(event);
    drag = { start: place, last: place, moved: false, lasso: act.lassoing() || event.shiftKey ? [place] : null };
    area.setPointerCapture(event.pointerId);
  };
  const move = (event) => {
    const place = at(event);
    if (!drag) return act.hover(place);
    if (Math.hypot(place[0] - drag.start[0], place[1] - drag.start[1]) > TAP_SLACK) drag.moved = true;
    if (!drag.moved) return;
    if (drag.lasso) {
      drag.lasso.push(place);
      act.lasso(drag.lasso, false);
    } else {
      act.pan(place[0] - drag.last[0], place[1] - drag.last[1]);
    }
    drag.last = place;
  };
  const up = (event) => {
    if (!drag) return;
    const ended = drag;
    drag = null;
    if (!ended.moved) act.tap(at(event), event);
    else if (ended.lasso) act.lasso(ended.lasso, true);
  };
  const leave = () => {
    if (!drag) act.hover(null);
  };
  const wheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the notebook scrolls
    event.preventDefault();
    act.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.01), at(event));
  };
  const key = (event) => {
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key !== "Enter")) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const handled = arrows[event.key] ? act.move(...arrows[event.key]) : act.key(event.key);
    if (handled === false) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const again = () => act.key("0");

  const listeners = {
    pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, pointerleave: leave,
    keydown: key, dblclick: again,
  };
  for (const [name, listener] of Object.entries(listeners)) area.addEventListener(name, listener);
  area.addEventListener("wheel", wheel, { passive: false });
  return () => {
    for (const [name, listener] of Object.entries(listeners)) {
      area.removeEventListener(name, listener);
    }
    area.removeEventListener("wheel", wheel);
  };
}

// Whether a point lies inside a closed path of [x, y] (even-odd rule).
export function insidePath(x, y, path) {
  let inside = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [xi, yi] = path[i];
    const [xj, yj] = path[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
