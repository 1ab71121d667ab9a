// Numbers as people write them, and round ticks; cost/units.py and plots/ticks.py say the same.

const SI = [[1e-12, "p"], [1e-9, "n"], [1e-6, "µ"], [1e-3, "m"], [1, ""], [1e3, "k"], [1e6, "M"],
  [1e9, "G"], [1e12, "T"], [1e15, "P"], [1e18, "E"], [1e21, "Z"], [1e24, "Y"]];
const COUNTS = [[1, ""], [1e3, "k"], [1e6, "M"], [1e9, "B"], [1e12, "T"], [1e15, "Q"]];
const TIMES = [[1e-9, "ns"], [1e-6, "µs"], [1e-3, "ms"], [1, "s"], [60, "min"], [3600, "h"],
  [86400, "days"], [31557600, "years"]];
const BYTES = [[1, "B"], [1e3, "kB"], [1e6, "MB"], [1e9, "GB"], [1e12, "TB"], [1e15, "PB"]];
const OWN_SCALES = { s: TIMES, B: BYTES, bytes: BYTES };
const PLAIN_BELOW = 1e4; // 8,192 is read more easily than 8.19 k
const PREFIXED = new Set(["J", "FLOP", "FLOP/s", "B/s", "W"]);
const UNSAID = new Set(["", "parameters", "weights"]); // what is counted stands beside the number
const SPACE = "\u00a0"; // a figure never leaves its unit at the end of a line

// The scale (a factor and its suffix) in which `value` has 1 to 999 before the point.
export function scaleOf(value, unit) {
  const size = Math.abs(value);
  if (unit === "%") return [0.01, "%"];
  if (OWN_SCALES[unit]) return pickScale(OWN_SCALES[unit], size);
  if (PREFIXED.has(unit)) {
    const [factor, prefix] = pickScale(SI, size);
    return [factor, prefix + unit];
  }
  const word = UNSAID.has(unit) ? "" : unit;
  if (size < PLAIN_BELOW) return [1, word];
  const [factor, prefix] = pickScale(COUNTS, size);
  return [factor, `${prefix} ${word}`.trim()];
}

function pickScale(scales, size) {
  let chosen = scales.find(([factor]) => factor === 1);
  if (size > 0) {
    chosen = scales[0];
    for (const scale of scales) if (size >= scale[0] * 0.9995) chosen = scale;
  }
  return chosen;
}

// "1.31 ms", "4.46 M", "17 MB", "2.31": three significant digits, thousands set apart.
export function formatValue(value, unit = "") {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const [factor, suffix] = scaleOf(value, unit);
  const number = value / factor;
  const whole = factor === 1 && Number.isInteger(value);
  const text = whole ? groupDigits(value) : shortest(number, 3);
  return suffix ? text + SPACE + suffix.replace(" ", SPACE) : text;
}

function shortest(number, digits) {
  if (Math.abs(number) >= 1000) return groupDigits(Math.round(number));
  return String(Number(number.toPrecision(digits)));
}

export function groupDigits(whole) {
  return String(whole).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

// Round ticks within [low, high], which are log10 of the values on a log axis.
// `unit` makes them round in the scale they are written in: whole minutes, not 100 s.
export function ticksWithin(low, high, log, wanted = 6, unit = "") {
  if (!(high > low)) return [];
  if (!log) {
    const [factor] = scaleOf(Math.max(Math.abs(low), Math.abs(high)), unit);
    return roundTicks(low / factor, high / factor, wanted).map((tick) => tick * factor);
  }
  if (high - low < 0.7) {
    return roundTicks(10 ** low, 10 ** high, wanted).filter((tick) => tick > 0).map(Math.log10);
  }
  const decades = high - low;
  const steps = decades <= 1.5 ? [1, 2, 3, 5] : decades <= wanted / 2 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / (wanted + 2)));
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power++) {
    if (steps.length === 1 && power % stride !== 0) continue;
    for (const step of steps) {
      const tick = power + Math.log10(step);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

function roundTicks(low, high, wanted) {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks.length > 1 ? ticks : roundTicks(low, high, 2 * wanted);
}

// The label of one tick among its fellows: on a linear axis they share scale and decimals.
export function tickLabel(tick, ticks, unit, log) {
  if (log) return logLabel(10 ** tick, ticks, unit);
  const largest = Math.max(...ticks.map(Math.abs));
  const [factor, suffix] = scaleOf(largest, unit);
  if (tick === 0 && unit === "" && suffix) return "0"; // no things are none in any scale
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) / factor : 1;
  const decimals = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const fine = Math.abs(step * 10 ** decimals - Math.round(step * 10 ** decimals)) > 1e-6 ? 1 : 0;
  const number = (tick / factor).toFixed(decimals + fine);
  const text = Math.abs(tick / factor) >= 1000 ? groupDigits(number) : number;
  return suffix ? text + SPACE + suffix.replace(" ", SPACE) : text;
}

// On a log axis all ticks share the middle one's scale where that reads well: 0.2 ms … 20 ms.
function logLabel(value, ticks, unit) {
  const [factor, suffix] = scaleOf(10 ** ticks[ticks.length >> 1], unit);
  const [least, most] = [10 ** ticks[0] / factor, 10 ** ticks[ticks.length - 1] / factor];
  if (least < 0.0999 || most > 999) return formatValue(value, unit);
  const text = shortest(value / factor, 3);
  return suffix ? text + SPACE + suffix.replace(" ", SPACE) : text;
}
