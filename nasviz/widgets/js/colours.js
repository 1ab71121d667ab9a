// Colour scales of the density image, as 32-bit pixels (alpha, blue, green, red).

// Viridis (van der Walt and Smith, matplotlib) at eleven places.
export const VIRIDIS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
];
// One hue, from a breath to full: [red, green, blue, alpha] of few and of many candidates.
const FEW = { light: [0, 114, 178, 0.13], dark: [86, 180, 233, 0.16] };
const MANY = { light: [0, 68, 122, 0.92], dark: [168, 222, 255, 0.95] };
const CATEGORIES = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233],
  [213, 94, 0], [240, 228, 66], [120, 120, 120]];

export function mix(from, to, share) {
  return from.map((each, at) => each + (to[at] - each) * share);
}

function pixel([red, green, blue, alpha = 1]) {
  return ((Math.round(alpha * 255) << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8)
    | Math.round(red)) >>> 0;
}

export function alongViridis(share) {
  const place = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return mix(VIRIDIS[below], VIRIDIS[below + 1], place - below);
}

export function alongDensity(share, dark) {
  const kind = dark ? "dark" : "light";
  return mix(FEW[kind], MANY[kind], share);
}

export function categoryColour(code) {
  return CATEGORIES[code % CATEGORIES.length];
}

export function css([red, green, blue, alpha = 1]) {
  return `rgba(${Math.round(red)}, ${Math.round(green)}, ${Math.round(blue)}, ${alpha})`;
}

// Counts → pixels, by the logarithm: one candidate is visible, a thousand don't drown the rest.
export function densityPixels(counts, dark) {
  let most = 1;
  for (let cell = 0; cell < counts.length; cell++) if (counts[cell] > most) most = counts[cell];
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level++) table[level] = pixel(alongDensity(level / 255, dark));
  const scale = 255 / Math.log1p(Math.max(8, most));
  const pixels = new Uint32Array(counts.length);
  for (let cell = 0; cell < counts.length; cell++) {
    if (counts[cell] > 0) pixels[cell] = table[Math.round(Math.log1p(counts[cell]) * scale)];
  }
  return { pixels, most };
}

// Means → pixels between `low` and `high`; empty cells stay clear.
export function meanPixels(means, low, high, category) {
  const table = new Uint32Array(256);
  for (let level = 0; level < 256; level++) {
    table[level] = pixel([...alongViridis(level / 255), 0.92]);
  }
  const scale = high > low ? 255 / (high - low) : 0;
  const pixels = new Uint32Array(means.length);
  for (let cell = 0; cell < means.length; cell++) {
    const mean = means[cell];
    if (mean !== mean) continue;
    pixels[cell] = category
      ? pixel([...categoryColour(Math.round(mean)), 0.85])
      : table[Math.max(0, Math.min(255, Math.round((mean - low) * scale)))];
  }
  return pixels;
}
