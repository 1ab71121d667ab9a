// The header's menu of studies: those of this folder as buttons, and a field for any other.
// The kernel opens them; what it says of one that can't be opened stands below the field.

import { element } from "./dom.js";
import { closesLikeAMenu } from "./menu.js";

export default {
  render({ model, el }) {
    const summary = element("summary", { class: "nv-pill" });
    const list = element("div", { class: "nv-study-list" });
    const field = element("input", {
      type: "text", class: "nv-field", spellcheck: "false", "aria-label": "Another study's address",
      placeholder: "file.db or postgresql://…",
    });
    const open = element("button", { type: "submit", class: "jupyter-button" }, "Open");
    const problem = element("div", { class: "nv-error", role: "alert" });
    const form = element("form", { class: "nv-study-form" }, field, open);
    const hint = element("div", { class: "nv-hint" }, "A file that is not there yet becomes a new study.");
    const group = element("div", { role: "group", "aria-label": "Studies" }, list, form, problem, hint);
    const menu = element("details", { class: "nv-menu nv-studies nv-needs-kernel" }, summary, group);

    const ask = (url, name) => {
      if (url && !model.get("busy")) model.send({ type: "open", url, name });
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      ask(field.value.trim(), null);
    });
    menu.addEventListener("toggle", () => {
      if (menu.open) model.send({ type: "look" });
    });
    // The notebook would take Enter away from the field.
    menu.addEventListener("keydown", (event) => event.stopPropagation());
    const letGo = closesLikeAMenu(menu, summary);

    const show = () => {
      summary.replaceChildren("study ", element("b", {}, model.get("title")));
      summary.dataset.help = model.get("help");
      summary.setAttribute("aria-label", `Study ${model.get("title")}; choose another`);
      list.replaceChildren(...model.get("found").map(({ url, name, label, note, current }) => {
        const row = element("button", {
          type: "button", class: "nv-study", "aria-pressed": current ? "true" : "false",
        }, element("b", {}, label), element("span", {}, note));
        row.addEventListener("click", () => ask(url, name));
        return row;
      }));
      problem.textContent = model.get("problem");
      for (const control of [field, open, ...list.children]) control.disabled = model.get("busy");
      open.textContent = model.get("busy") ? "Opening…" : "Open";
    };
    const opened = () => { // another study is on show: the menu has done its work
      field.value = "";
      menu.open = false;
    };
    for (const name of ["title", "help", "found", "problem", "busy"]) model.on(`change:${name}`, show);
    model.on("change:address", opened);
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // keys are the menu's here
    el.append(menu);
    show();
    return letGo;
  },
};
