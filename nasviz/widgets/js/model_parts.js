// A model's layers as rows: a button a layer, its heads as cells by the KV head that they read, its
// feed-forward part as a bar. A press takes a part away or gives it back; Python says what is left.

import { element } from "./dom.js";

function partButton(kind, place, press) {
  const node = element("button", {
    type: "button", class: `nv-mp-part nv-mp-${kind}`, tabindex: "-1",
    "data-part": [kind, ...place].join("-"), "data-lm-suppress-shortcuts": "true",
  });
  node.addEventListener("click", () => press(kind, place));
  return node;
}

// One row: { node, show(row) }.
function layerRow(row, press) {
  const layer = partButton("layer", [row.layer], press);
  const swatch = element("i", { class: "nv-mp-swatch" });
  layer.append(swatch, element("span", {}, row.label));
  const cells = new Map();
  const groups = row.groups.map((heads, group) => {
    const parts = heads.map((head) => {
      const cell = partButton("head", [row.layer, head.head], press);
      cells.set(head.head, cell);
      return cell;
    });
    if (heads.length === 1) return parts[0];
    const whole = partButton("group", [row.layer, group], press);
    whole.setAttribute("aria-label", `layer ${row.layer}, KV head ${group} with all its heads`);
    whole.dataset.help = `KV head ${group}: takes all the heads that read it, or gives them back`;
    return element("span", { class: "nv-mp-together" }, whole, ...parts);
  });
  const fill = element("i", {});
  const said = element("span", { class: "nv-mp-said" });
  const ff = partButton("feed_forward", [row.layer], press);
  ff.append(element("span", { class: "nv-mp-bar" }, fill), said);
  const node = element("div", { class: "nv-mp-row", role: "group", "aria-label": row.label },
    layer, element("span", { class: "nv-mp-heads" }, ...groups), ff);

  const mark = (button, part, label) => {
    button.setAttribute("aria-pressed", part.kept ? "true" : "false");
    button.setAttribute("aria-label", `${label}, ${part.kept ? "stays" : "goes"}`);
    button.dataset.help = part.help;
    button.style.setProperty("--nv-share", part.share);
    button.classList.toggle("nv-unknown", part.share === null);
  };
  const show = (now) => {
    mark(layer, now, now.label);
    node.classList.toggle("nv-gone", !now.kept);
    for (const head of now.groups.flat()) {
      mark(cells.get(head.head), head, `layer ${now.layer}, head ${head.head}`);
    }
    fill.style.width = `${now.ff.of ? (100 * now.ff.kept) / now.ff.of : 0}%`;
    said.textContent = now.ff.label;
    ff.setAttribute("aria-label", now.ff.help);
    ff.setAttribute("aria-pressed", now.ff.kept ? "true" : "false");
    ff.dataset.help = now.ff.help;
  };
  return { node, show };
}

function render({ model, el }) {
  el.classList.add("nv-mp");
  let rows = [];
  let shape = "";

  const press = (kind, place) => {
    if (!model.get("disabled")) model.send({ type: "toggle", part: kind, place });
  };

  const parts = () => [...el.querySelectorAll("button")];
  // One part is in the Tab key's way, however large the model; arrows go from part to part.
  const reach = (node) => {
    for (const each of parts()) each.tabIndex = each === node ? 0 : -1;
  };
  el.addEventListener("focusin", (event) => event.target.matches("button") && reach(event.target));
  el.addEventListener("keydown", (event) => {
    const here = event.target.closest("button");
    if (!here) return;
    const row = here.closest(".nv-mp-row");
    const along = [...row.querySelectorAll("button")];
    const at = along.indexOf(here);
    const next = {
      ArrowRight: () => along[at + 1], ArrowLeft: () => along[at - 1],
      Home: () => along[0], End: () => along.at(-1),
      ArrowDown: () => row.nextElementSibling?.querySelectorAll("button")[at],
      ArrowUp: () => row.previousElementSibling?.querySelectorAll("button")[at],
    }[event.key];
    if (!next) return;
    event.preventDefault();
    next()?.focus();
  });

  function draw() {
    const given = model.get("rows");
    const wanted = JSON.stringify(given.map(({ layer, groups }) => [layer, groups.map((g) => g.length)]));
    if (wanted !== shape) {
      shape = wanted;
      rows = given.map((row) => layerRow(row, press));
      const titles = ["layer", model.get("heads_title"), "feed-forward"];
      el.replaceChildren(
        element("div", { class: "nv-mp-row nv-mp-titles" }, ...titles.map((each) => element("span", {}, each))),
        ...rows.map(({ node }) => node),
      );
      const [first] = parts();
      if (first) reach(first);
    }
    given.forEach((row, at) => rows[at].show(row));
    el.classList.toggle("nv-still", model.get("disabled"));
  }

  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("title"));
  model.on("change:rows", draw);
  model.on("change:disabled", draw);
  draw();
  return () => {
    model.off("change:rows", draw);
    model.off("change:disabled", draw);
  };
}

export default { render };
