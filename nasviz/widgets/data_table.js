// A sortable table of text. Rows keep their identity, so that order, pick and ticks survive updates.

function render({ model, el }) {
  el.classList.add("nv-table-scroll");
  let sorted = { name: null, direction: 1 };

  const compare = (a, b) => {
    const [x, y] = [a, b].map((row) => row.cells[sorted.name]?.[1] ?? null);
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" && typeof y === "number"
      ? x - y
      : String(x).localeCompare(String(y));
    return order * sorted.direction;
  };

  const pick = (id) => {
    model.set("picked", id);
    model.save_changes();
  };

  const tick = (id, on) => {
    const others = model.get("compared").filter((each) => each !== id);
    model.set("compared", on ? [...others.slice(-1), id] : others);
    model.save_changes();
  };

  function head(column) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column.label;
    cell.tabIndex = 0;
    cell.dataset.help = column.help;
    cell.dataset.lmSuppressShortcuts = "true";
    cell.classList.add(`nv-col-${column.name}`);
    cell.classList.toggle("nv-words", column.words);
    const mine = sorted.name === column.name;
    const names = { 1: "ascending", [-1]: "descending" };
    cell.setAttribute("aria-sort", mine ? names[sorted.direction] : "none");
    const sort = () => {
      sorted = { name: column.name, direction: mine ? -sorted.direction : 1 };
      draw();
    };
    cell.addEventListener("click", sort);
    cell.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
    return cell;
  }

  function line(row, columns) {
    const node = document.createElement("tr");
    node.dataset.row = row.id;
    node.dataset.lmSuppressShortcuts = "true";
    node.setAttribute("aria-selected", model.get("picked") === row.id);
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = model.get("compared").includes(row.id);
    box.setAttribute("aria-label", `Compare row ${row.id}`);
    box.addEventListener("click", (event) => event.stopPropagation());
    box.addEventListener("change", () => tick(row.id, box.checked));
    node.insertCell().append(box);
    for (const column of columns) {
      const [text, , kind] = row.cells[column.name] ?? ["", null, ""];
      const cell = node.insertCell();
      cell.classList.add(`nv-col-${column.name}`);
      cell.classList.toggle("nv-words", column.words);
      if (column.words && text) {
        const clamped = document.createElement("div");
        clamped.className = "nv-clamp";
        clamped.textContent = text;
        clamped.dataset.help = text;
        cell.append(clamped);
      } else if (kind) {
        const tag = document.createElement("span");
        tag.className = `nv-tag nv-tag-${kind}`;
        tag.textContent = text;
        cell.append(tag);
      } else cell.textContent = text;
    }
    node.addEventListener("focusin", () => reach(node));
    node.addEventListener("click", () => pick(row.id));
    node.addEventListener("keydown", (event) => {
      if (event.target !== node) return;
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(row.id); }
      if (event.key === "ArrowDown") { event.preventDefault(); node.nextElementSibling?.focus(); }
      if (event.key === "ArrowUp") { event.preventDefault(); node.previousElementSibling?.focus(); }
    });
    return node;
  }

  // Where the focus is, as a selector that finds the same part in a table drawn anew.
  function focusedPart() {
    const active = document.activeElement;
    if (!el.contains(active)) return null;
    const row = active.closest("tr[data-row]")?.dataset.row;
    if (!row) return `th:nth-child(${active.cellIndex + 1})`;
    return `tr[data-row="${row}"]${active.type === "checkbox" ? " input" : ""}`;
  }

  // One row and its box are in the Tab key's way, however long the table; arrows go up and down.
  function reach(node) {
    for (const row of el.querySelectorAll("tbody tr")) {
      row.tabIndex = row.querySelector("input").tabIndex = row === node ? 0 : -1;
    }
  }

  function draw() {
    const rows = [...model.get("rows")];
    if (!rows.length) {
      const words = document.createElement("p");
      words.className = "nv-hint";
      words.textContent = model.get("empty");
      el.replaceChildren(words);
      return;
    }
    const focused = focusedPart();
    const columns = model.get("columns");
    if (sorted.name) rows.sort(compare);
    const table = document.createElement("table");
    table.className = "nv-table";
    table.setAttribute("aria-label", model.get("title"));
    const top = table.createTHead().insertRow();
    const first = document.createElement("th");
    first.textContent = "⇄";
    first.dataset.help = "Tick two rows to compare them.";
    top.append(first, ...columns.map(head));
    table.createTBody().append(...rows.map((row) => line(row, columns)));
    const place = el.scrollTop;
    el.replaceChildren(table);
    el.scrollTop = place;
    reach(el.querySelector('tr[aria-selected="true"]') ?? el.querySelector("tbody tr"));
    if (focused) el.querySelector(focused)?.focus();
  }

  for (const name of ["columns", "rows", "picked", "compared", "empty"]) {
    model.on(`change:${name}`, draw);
  }
  draw();
}

export default { render };
