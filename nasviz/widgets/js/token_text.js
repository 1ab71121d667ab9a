// Text whose tokens are coloured by depth; what each exit would have said stands beside it.

import { ownBuffer } from "./bokeh_loader.js";
import { element } from "./dom.js";

const HINT = "Point at a token, or click it: what each exit would have said, and how sure it was.";

function render({ model, el }) {
  const key = element("div", { class: "nasviz-heat-key" });
  const text = element("div", { class: "nasviz-heat-text", tabindex: 0, role: "document" });
  const exits = element("div", { class: "nasviz-heat-exits", "aria-live": "polite" });
  const body = element("div", { class: "nasviz-heat-page" }, text, exits);
  el.classList.add("nasviz-heat");
  el.append(key, body);
  let page = null;
  let tokens = [];
  let held = -1; // the token that was clicked
  let pointed = -1; // the one that stands in the list of exits

  function build() {
    const given = model.get("page");
    text.setAttribute("aria-label", model.get("label"));
    held = pointed = -1;
    if (!given.words) {
      [page, tokens] = [null, []];
      for (const part of [key, text, exits]) part.replaceChildren();
      return;
    }
    page = {
      ...given,
      pieces: new Uint32Array(ownBuffer(given.pieces)),
      said: new Uint32Array(ownBuffer(given.said)),
      sure: new Float32Array(ownBuffer(given.sure)),
    };
    const parts = [];
    tokens = Array.from(page.pieces, (piece, at) => {
      const word = page.words[piece];
      // A line that ends inside the element would draw its edge at the next one's beginning.
      const ends = word.endsWith("\n");
      const token = element("span", { "data-token": page.first + at }, ends ? word.slice(0, -1) : word);
      parts.push(token, ...(ends ? ["\n"] : []));
      return token;
    });
    text.replaceChildren(...parts);
    text.scrollTop = 0;
    colour();
  }

  function colour() {
    const left = lefts();
    if (!page || left.length !== tokens.length) return; // the page is still on its way
    const counts = new Array(page.layers.length).fill(0);
    left.forEach((at, token) => {
      counts[at]++;
      const mix = page.mixes[at];
      if (tokens[token].mix === mix) return;
      tokens[token].mix = mix;
      tokens[token].style.setProperty("--mix", mix);
    });
    showKey(counts);
    say(pointed);
  }

  function lefts() {
    return new Uint8Array(ownBuffer(model.get("left")));
  }

  function showKey(counts) {
    const total = Math.max(1, tokens.length);
    const mean = counts.reduce((sum, count, at) => sum + count * page.layers[at], 0) / total;
    const swatches = page.layers.map((layer, at) => {
      const swatch = element("i");
      swatch.style.setProperty("--mix", page.mixes[at]);
      const share = element("b", {}, `${Math.round((100 * counts[at]) / total)}%`);
      return element("span", {}, swatch, ` ${layer} `, share);
    });
    const said = element("span", {}, "layers gone through: mean ", element("b", {}, mean.toFixed(2)));
    key.replaceChildren(said, ...swatches);
  }

  // What each exit would have said in the place of a token, how sure it was, and where it left.
  function say(token) {
    pointed = token;
    if (token < 0 || !page) {
      exits.replaceChildren(element("div", { class: "nasviz-heat-hint" }, HINT));
      return;
    }
    const whole = page.layers.length - 1;
    const at = lefts()[token];
    const word = page.pieces[token];
    const lines = page.layers.map((layer, exit) => {
      const said = page.said[token * (whole + 1) + exit];
      const sure = exit < whole ? `${percent(page.sure[token * whole + exit])}%` : "";
      const kind = exit === at ? "here" : exit > at ? "later" : "";
      return element(
        "span", { class: kind }, element("i", {}, `${layer}`),
        element("bdi", {}, page.spelled[said] + (said === word ? " ✓" : "")), element("em", {}, sure),
      );
    });
    const title = `${page.spelled[word]} · ${page.layers[at]} of ${page.layers[whole]} layers`;
    const head = element("span", { class: "nasviz-heat-head" }, element("i", {}, "after"),
      element("bdi", {}, "would have said"), element("em", {}, "sure"));
    exits.replaceChildren(element("b", {}, title), head, ...lines,
      element("small", {}, `sure: ${page.criterion}; ✓ is what the text says`));
  }

  const tokenAt = (event) => {
    const node = event.target instanceof Element && event.target.closest("[data-token]");
    return node ? Number(node.dataset.token) - page.first : -1;
  };
  const hold = (token) => {
    tokens[held]?.classList.remove("nasviz-heat-held");
    held = token;
    tokens[held]?.classList.add("nasviz-heat-held");
    say(held);
  };
  text.addEventListener("pointerover", (event) => {
    const token = page ? tokenAt(event) : -1;
    if (token >= 0) say(token);
  });
  text.addEventListener("pointerleave", () => say(held));
  text.addEventListener("click", (event) => {
    if (!page) return;
    hold(tokenAt(event));
    model.set("tapped", held < 0 ? null : held + page.first);
    model.save_changes();
  });
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !page) return;
    event.preventDefault();
    event.stopPropagation();
    hold(Math.min(tokens.length - 1, Math.max(0, held + step)));
    tokens[held]?.scrollIntoView({ block: "nearest" });
  });
  model.on("change:page", build);
  model.on("change:left", colour);
  build();
  return () => {
    model.off("change:page", build);
    model.off("change:left", colour);
  };
}

function percent(share) {
  const hundred = 100 * share;
  return hundred >= 99.5 && hundred < 100 ? hundred.toFixed(1) : hundred.toFixed(0);
}

export default { render };
