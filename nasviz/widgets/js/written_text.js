// A text as a model writes it: tokens are added as they come, coloured by the depth they took.

import { element } from "./dom.js";

function render({ model, el }) {
  const key = element("div", { class: "nasviz-heat-key" });
  const text = element("div", { class: "nasviz-heat-text", tabindex: 0, role: "document" });
  el.classList.add("nasviz-heat", "nasviz-written");
  el.append(key, text);
  let shown = null; // what stands on the page
  let tokens = [];

  // Whether a text is the one on the page with some tokens more.
  function grows(given) {
    return shown !== null && shown.prompt === given.prompt && shown.kept === given.kept
      && shown.words.length <= given.words.length
      && shown.words.every((word, at) => word === given.words[at]);
  }

  function draw() {
    const given = model.get("text");
    text.setAttribute("aria-label", model.get("label"));
    el.classList.toggle("nasviz-taps", model.get("taps"));
    if (!given.words) {
      [shown, tokens] = [null, []];
      for (const part of [key, text]) part.replaceChildren();
      return;
    }
    if (!grows(given)) {
      tokens = [];
      text.replaceChildren(element("span", { class: "nasviz-written-prompt" }, given.prompt));
      text.scrollTop = 0;
    }
    const atEnd = text.scrollTop + text.clientHeight >= text.scrollHeight - 4;
    const parts = [];
    for (let at = tokens.length; at < given.words.length; at++) {
      // A line that ends inside the element would draw its edge at the next one's beginning.
      const word = given.words[at];
      const ends = word.endsWith("\n");
      const help = `token ${at + 1}: ${given.depths[at]} of ${given.layers} layers`;
      const token = element("span", { "data-token": at, "data-help": help }, ends ? word.slice(0, -1) : word);
      token.style.setProperty("--mix", given.mixes[given.depths[at]]);
      if (at < given.kept) token.classList.add("nasviz-kept");
      tokens.push(token);
      parts.push(token, ...(ends ? ["\n"] : []));
    }
    text.append(...parts);
    // Marks come when both texts are there.
    tokens.forEach((token, at) => {
      token.classList.toggle("nasviz-parted", given.parted !== null && at >= given.parted);
    });
    if (atEnd && shown !== null) text.scrollTop = text.scrollHeight;
    shown = given;
    showKey();
    hold();
  }

  function showKey() {
    const counts = new Map();
    for (const depth of shown.depths) counts.set(depth, (counts.get(depth) ?? 0) + 1);
    const total = Math.max(1, shown.depths.length);
    const swatches = Object.keys(shown.mixes).map(Number).filter((depth) => counts.has(depth))
      .sort((a, b) => a - b).map((depth) => {
        const swatch = element("i");
        swatch.style.setProperty("--mix", shown.mixes[depth]);
        const share = element("b", {}, `${Math.round((100 * counts.get(depth)) / total)}%`);
        return element("span", {}, swatch, ` ${depth} `, share);
      });
    key.replaceChildren(element("span", {}, "layers:"), ...swatches);
  }

  function hold() {
    const held = model.get("tapped");
    tokens.forEach((token, at) => token.classList.toggle("nasviz-heat-held", at === held));
  }

  function tap(token) {
    model.set("tapped", token);
    model.save_changes();
  }

  text.addEventListener("click", (event) => {
    const node = event.target instanceof Element && event.target.closest("[data-token]");
    if (node && model.get("taps")) tap(Number(node.dataset.token));
  });
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !tokens.length || !model.get("taps")) return;
    event.preventDefault();
    event.stopPropagation();
    const held = Math.min(tokens.length - 1, Math.max(0, (model.get("tapped") ?? -1) + step));
    tap(held);
    tokens[held].scrollIntoView({ block: "nearest" });
  });
  const names = ["text", "label", "taps"];
  for (const name of names) model.on(`change:${name}`, draw);
  model.on("change:tapped", hold);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, draw);
    model.off("change:tapped", hold);
  };
}

export default { render };
