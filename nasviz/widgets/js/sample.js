// The candidates on the page: typed columns, the filters over them, and what is derived once.

import { ownBuffer } from "./bokeh_loader.js";
import { ascendingOrder } from "./front.js";

const ARRAYS = {
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, int32: Int32Array,
  float32: Float32Array, float64: Float64Array,
};

// The column that says whether the option of a setting is on: "early_exit" of "early_exit.first".
function switchOf(name) {
  return name.includes(".") ? name.slice(0, name.indexOf(".")) : undefined;
}

export function decodeColumn(wire) {
  return new ARRAYS[wire.dtype](ownBuffer(wire.data));
}

// Filters are kept one by one: `out[i]` counts those that candidate i fails, so that moving one
// slider looks at one column only.
export class Sample {
  constructor() {
    this.n = 0;
    this.out = new Uint8Array(0);
    this.left = 0;
    this.columns = new Map(); // name → { wire, values }
    this.filters = new Map(); // "range_n_layers" → { key, fails }
    this.derived = new Map(); // "log:name" and "order:log:name" → array
    this.revision = 0;
  }

  // Takes what changed in the model; returns whether anything did.
  update(model) {
    const specs = model.get("specs");
    const n = model.get("n");
    let changed = false;
    if (n !== this.n) {
      this.n = n;
      this.forget();
      changed = true;
    }
    for (const name of [...this.columns.keys()]) {
      if (name in specs) continue;
      this.dropFiltersOf(name);
      this.columns.delete(name);
      changed = true;
    }
    for (const name of Object.keys(specs)) {
      const wire = model.get(`column_${name}`);
      const held = this.columns.get(name);
      if (!wire || held?.wire === wire) continue;
      const values = decodeColumn(wire);
      if (values.length !== n) continue; // its fellows are still on their way
      this.columns.set(name, { wire, values });
      for (const key of [...this.derived.keys()]) {
        if (key.endsWith(`:${name}`)) this.derived.delete(key);
      }
      this.dropFiltersOf(name);
      changed = true;
    }
    const ids = model.get("ids");
    if (ids !== this.idsWire) {
      this.idsWire = ids;
      this.ids = ids ? decodeColumn(ids) : null;
      this.rows = null;
      changed = true;
    }
    for (const name of this.columns.keys()) {
      changed = this.filter(`range_${name}`, name, model.get(`range_${name}`), rangeTest) || changed;
      changed = this.filter(`limit_${name}`, name, model.get(`limit_${name}`), limitTest) || changed;
      changed = this.filter(`choice_${name}`, name, model.get(`choice_${name}`), choiceTest) || changed;
    }
    if (changed) this.revision++;
    return changed;
  }

  forget() {
    this.columns.clear();
    this.filters.clear();
    this.derived.clear();
    this.out = new Uint8Array(this.n);
    this.left = this.n;
  }

  dropFiltersOf(name) {
    for (const key of [...this.filters.keys()]) {
      const filtered = key.slice(key.indexOf("_") + 1);
      if (filtered === name || switchOf(filtered) === name) this.replaceFilter(key, null);
    }
  }

  filter(key, name, wanted, test) {
    const said = JSON.stringify(wanted ?? null);
    if ((this.filters.get(key)?.said ?? "null") === said) return false;
    const fails = wanted === null || wanted === undefined
      ? null
      : test(this.columns.get(name).values, wanted);
    if (fails) this.passWhereOff(name, fails);
    this.replaceFilter(key, fails, said);
    return true;
  }

  // A setting says nothing of candidates whose option is off: they pass.
  passWhereOff(name, fails) {
    const on = this.columns.get(switchOf(name))?.values;
    if (!on) return;
    for (let i = 0; i < fails.length; i++) if (!on[i]) fails[i] = 0;
  }

  replaceFilter(key, fails, said) {
    const before = this.filters.get(key)?.fails;
    const { out } = this;
    let left = 0;
    if (before && fails) {
      for (let i = 0; i < out.length; i++) {
        out[i] += fails[i] - before[i];
        if (out[i] === 0) left++;
      }
    } else if (before || fails) {
      const change = fails ?? before;
      const sign = fails ? 1 : -1;
      for (let i = 0; i < out.length; i++) {
        out[i] += sign * change[i];
        if (out[i] === 0) left++;
      }
    } else {
      left = this.left;
    }
    this.left = left;
    if (fails) this.filters.set(key, { fails, said });
    else this.filters.delete(key);
  }

  // Whether column `name` says something of a row: a setting doesn't where its option is off.
  speaks(name, row) {
    const on = this.columns.get(switchOf(name))?.values;
    return !on || on[row] !== 0;
  }

  has(name) {
    return this.columns.has(name);
  }

  values(name) {
    return this.columns.get(name).values;
  }

  // The column as float32 axis positions: log10 of it on a log axis.
  positions(name, log) {
    return this.derive(`${log ? "log" : "plain"}:${name}`, () => {
      const values = this.values(name);
      if (!log) return values instanceof Float32Array ? values : Float32Array.from(values);
      const logs = new Float32Array(values.length);
      for (let i = 0; i < logs.length; i++) logs[i] = values[i] > 0 ? Math.log10(values[i]) : NaN;
      return logs;
    });
  }

  // Rows by the column's value, the best first (not numbers last, either way).
  order(name, highFirst) {
    return this.derive(`order:${highFirst}:${name}`, () => {
      const values = this.values(name);
      return ascendingOrder(highFirst ? Float32Array.from(values, (value) => -value) : values);
    });
  }

  // [least, greatest, 99th per cent] of the positions that are numbers.
  extent(name, log) {
    return this.derive(`extent:${log}:${name}`, () => {
      const positions = this.positions(name, log);
      let low = Infinity;
      let high = -Infinity;
      for (let i = 0; i < positions.length; i++) {
        if (positions[i] < low) low = positions[i];
        if (positions[i] > high) high = positions[i];
      }
      const stride = Math.max(1, Math.floor(positions.length / 4096));
      const some = [];
      for (let i = 0; i < positions.length; i += stride) {
        if (Number.isFinite(positions[i])) some.push(positions[i]);
      }
      some.sort((a, b) => a - b);
      return [low, high, some[Math.floor(some.length * 0.99)], some[Math.floor(some.length * 0.01)]];
    });
  }

  derive(key, make) {
    if (!this.derived.has(key)) this.derived.set(key, make());
    return this.derived.get(key);
  }

  idOf(row) {
    return this.ids ? this.ids[row] : row;
  }

  rowOf(id) {
    if (typeof id !== "number") return -1;
    if (!this.ids) return id >= 0 && id < this.n ? id : -1;
    this.rows ??= new Map(Array.from(this.ids, (each, row) => [each, row]));
    return this.rows.get(id) ?? -1;
  }
}

function rangeTest(values, ends) {
  const [low, high] = ends.map(Math.fround); // rounded as the columns are, so that ends are inside
  const fails = new Uint8Array(values.length);
  for (let i = 0; i < fails.length; i++) fails[i] = values[i] >= low && values[i] <= high ? 0 : 1;
  return fails;
}

function limitTest(values, limit) {
  const fails = new Uint8Array(values.length);
  const most = Math.fround(limit);
  for (let i = 0; i < fails.length; i++) fails[i] = values[i] <= most ? 0 : 1;
  return fails;
}

function choiceTest(values, codes) {
  const allowed = new Uint8Array(256);
  for (const code of codes) allowed[code] = 1;
  const fails = new Uint8Array(values.length);
  for (let i = 0; i < fails.length; i++) fails[i] = allowed[values[i]] ? 0 : 1;
  return fails;
}
