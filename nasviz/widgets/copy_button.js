// Copies a text. Browsers give the clipboard to secure pages only: elsewhere the text is selected
// in a small field and copied from there.

const SHOWN_MS = 1500;

async function copy(text) {
  if (navigator.clipboard?.writeText) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      console.info("nasviz: no clipboard for this page, copying from a field", error);
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button nv-quiet";
  button.setAttribute("aria-live", "polite");
  const show = () => {
    button.textContent = model.get("label");
    button.dataset.help = model.get("help");
  };
  button.addEventListener("click", async () => {
    const done = await copy(model.get("text"));
    button.textContent = done ? "copied" : "not copied";
    setTimeout(show, SHOWN_MS);
  });
  model.on("change:label", show);
  el.append(button);
  show();
}

export default { render };
