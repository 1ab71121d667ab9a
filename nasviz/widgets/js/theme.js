// The page's colours, read from JupyterLab's --jp-* variables and followed when they change.

const FALLBACK = {
  light: { page: "#ffffff", ink: "#1c2127", soft: "#5b6570", line: "#e3e6ea" },
  dark: { page: "#111111", ink: "#eceff1", soft: "#a7b0b9", line: "#33383e" },
};

// Okabe and Ito's palette (jfly.uni-koeln.de/color), with a lighter blue for dark pages.
export const OKABE_ITO = {
  blue: "#0072b2", sky: "#56b4e9", green: "#009e73", orange: "#e69f00", vermillion: "#d55e00",
  violet: "#cc79a7", gold: "#b07d00", yellow: "#f0e442",
};

export function readTheme(el) {
  const style = getComputedStyle(el);
  const page = parseColour(style.getPropertyValue("--jp-layout-color0")) ?? pageColour(el);
  const dark = page ? luminance(page) < 0.4 : matchMedia("(prefers-color-scheme: dark)").matches;
  const base = dark ? FALLBACK.dark : FALLBACK.light;
  return {
    dark,
    page: page ? rgb(page) : base.page,
    ink: base.ink,
    soft: base.soft,
    line: base.line,
    accent: dark ? "#4ba6e0" : OKABE_ITO.blue,
    trained: dark ? "#ff7f2a" : OKABE_ITO.vermillion,
    landmark: dark ? "#e0b040" : OKABE_ITO.gold,
    green: dark ? "#2fc79a" : OKABE_ITO.green,
    font: style.getPropertyValue("--jp-ui-font-family").trim() || "system-ui, sans-serif",
  };
}

// Calls back at every change of the page's theme; returns the function that ends it.
export function watchTheme(el, callback) {
  let last = JSON.stringify(readTheme(el));
  const check = () => {
    const theme = readTheme(el);
    const now = JSON.stringify(theme);
    if (now !== last) {
      last = now;
      callback(theme);
    }
  };
  // The attribute changes first and the theme's sheet arrives a moment later: look at both.
  const observer = new MutationObserver(check);
  observer.observe(document.body, { attributes: true });
  observer.observe(document.documentElement, { attributes: true });
  observer.observe(document.head, { childList: true });
  document.addEventListener("load", check, true);
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", check);
  return () => {
    observer.disconnect();
    document.removeEventListener("load", check, true);
    media.removeEventListener("change", check);
  };
}

function pageColour(el) {
  for (let each = el; each; each = each.parentElement) {
    const colour = parseColour(getComputedStyle(each).backgroundColor);
    if (colour) return colour;
  }
  return null;
}

function parseColour(text) {
  const probe = text?.trim();
  if (!probe) return null;
  const hex = probe.match(/^#([0-9a-f]{3}|[0-9a-f]{6})$/i);
  if (hex) {
    const full = hex[1].length === 3 ? hex[1].replace(/./g, "$&$&") : hex[1];
    return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
  }
  if (/^white$/i.test(probe)) return [255, 255, 255];
  if (/^black$/i.test(probe)) return [0, 0, 0];
  const parts = probe.match(/^rgba?\(([^)]+)\)$/)?.[1].split(/[,\s/]+/).map(Number);
  if (!parts || parts[3] === 0) return null;
  return parts.slice(0, 3);
}

function luminance([red, green, blue]) {
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}

function rgb(parts) {
  return `rgb(${parts.join(", ")})`;
}

// Gives the parts of a Bokeh figure that aren't data the page's colours.
export function dressModels(models, theme) {
  for (const model of models) {
    const look = LOOKS[partOf(model)]?.(theme, model) ?? {};
    const known = Object.entries(look).filter(([name]) => name in model.properties);
    if (known.length) model.setv(Object.fromEntries(known), { sync: false });
  }
}

function partOf({ type: name }) {
  if (name === "Figure" || name === "Plot") return "plot";
  if (name.endsWith("Axis")) return "axis";
  return name;
}

const LOOKS = {
  plot: () => ({
    background_fill_color: null, border_fill_color: null, outline_line_color: null,
  }),
  axis: ({ soft, line, font }) => ({
    axis_line_color: null, major_tick_line_color: null, minor_tick_line_color: null,
    major_label_text_color: soft, major_label_text_font: font, major_label_text_font_size: "11px",
    axis_label_text_color: soft, axis_label_text_font: font, axis_label_text_font_size: "12px",
    axis_label_text_font_style: "normal", group_text_color: soft, separator_line_color: line,
  }),
  Grid: ({ line }) => ({ grid_line_color: line, minor_grid_line_color: null }),
  Title: ({ ink, font }) => ({ text_color: ink, text_font: font, text_font_size: "13px" }),
  Legend: ({ ink, page, line, font }, { background_fill_alpha: opaque }) => ({
    label_text_color: ink, label_text_font: font, label_text_font_size: "11px",
    // A legend beside the figure has no ground of its own.
    ...(opaque > 0 && {
      background_fill_color: page, background_fill_alpha: 0.85, border_line_color: line,
    }),
  }),
  Text: (theme, model) => ({ text_font: { value: theme.font }, ...inkOf(model, theme) }),
  LabelSet: ({ soft, font }) => ({ text_color: soft, text_font: font }),
  Label: ({ soft, font }) => ({ text_color: soft, text_font: font }),
};

// Text that plots/theme.py writes in its INK or SOFT follows the page; other colours are data.
const TOKENS = { "#1c2127": "ink", "#5b6570": "soft" };
const tokenOf = new WeakMap();

function inkOf(model, theme) {
  if (!tokenOf.has(model)) tokenOf.set(model, TOKENS[model.text_color?.value]);
  const token = tokenOf.get(model);
  return token ? { text_color: { value: theme[token] } } : {};
}
