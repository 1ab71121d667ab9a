// The header's export menu. The picture is made here from the map's canvas, kernel or no kernel;
// the other files come from the kernel as bytes.

import { ownBuffer } from "./bokeh_loader.js";
import { element } from "./dom.js";
import { closesLikeAMenu } from "./menu.js";
import { saveFile } from "./save_file.js";

const FILES = [
  ["png", "Map as picture", "PNG, as it is on the page"],
  ["html", "Map as page", "HTML with sliders, works offline"],
  ["candidates", "Candidates left", "CSV"],
  ["trials", "Trials", "CSV"],
];

export default {
  render({ model, el }) {
    const summary = element("summary", { class: "nv-pill", "aria-label": "Export" }, "export");
    const said = element("div", { class: "nv-hint", role: "status" });
    const rows = FILES.map(([kind, label, note]) => element("button", {
      type: "button", class: kind === "png" ? "nv-study" : "nv-study nv-needs-kernel",
      "data-export": kind, onclick: () => ask(kind),
    }, element("b", {}, label), element("span", {}, note)));
    const group = element("div", { role: "group", "aria-label": "Export" }, ...rows, said);
    const menu = element("details", { class: "nv-menu nv-exports" }, summary, group);
    const say = (text) => { said.textContent = text; };

    async function ask(kind) {
      if (kind !== "png") {
        say("making the file …");
        model.send({ type: "make", kind });
        return;
      }
      const map = await model.widget_manager.get_model(model.get("_map"));
      let taken = false; // the first view that answers is the one
      map.trigger("nasviz:picture", async (picture) => {
        if (taken) return;
        taken = true;
        saveFile(await picture, "nasviz-map.png");
        say("nasviz-map.png is saved");
      });
      if (!taken) say("the map is not drawn yet");
    }

    const received = (content, buffers) => {
      if (content.type === "file") {
        saveFile(new Blob([ownBuffer(buffers[0])], { type: content.mime }), content.name);
        say(`${content.name} is saved`);
      } else if (content.type === "problem") {
        say(content.text);
      }
    };
    model.on("msg:custom", received);
    const letGo = closesLikeAMenu(menu, summary);
    el.setAttribute("data-lm-suppress-shortcuts", "true"); // keys are the menu's here
    el.append(menu);
    return () => {
      model.off("msg:custom", received);
      letGo();
    };
  },
};
