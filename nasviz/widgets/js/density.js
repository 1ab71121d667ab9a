// Many points as one small image: counts, or a column's mean, per cell. plots/density.py is its twin.

// The grid of about `nx` × `ny` cells that covers the view, its edges at multiples of the cell's
// size, so that panning doesn't make the cells shimmer.
export function gridOver({ x0, x1, y0, y1 }, nx, ny) {
  const width = (x1 - x0) / nx;
  const height = (y1 - y0) / ny;
  const left = Math.floor(x0 / width);
  const bottom = Math.floor(y0 / height);
  return {
    x0: left * width,
    y0: bottom * height,
    width,
    height,
    nx: Math.ceil(x1 / width) - left,
    ny: Math.ceil(y1 / height) - bottom,
  };
}

// Counts of the points that pass (out[i] is 0), row by row from the bottom; and how many are shown.
export function countCells(xs, ys, out, grid) {
  const { x0, y0, nx, ny } = grid;
  const perX = 1 / grid.width;
  const perY = 1 / grid.height;
  const counts = new Uint32Array(nx * ny);
  let shown = 0;
  for (let i = 0; i < xs.length; i++) {
    if (out[i] !== 0) continue;
    const column = (xs[i] - x0) * perX;
    const row = (ys[i] - y0) * perY;
    if (column >= 0 && column < nx && row >= 0 && row < ny) {
      counts[(row | 0) * nx + (column | 0)]++;
      shown++;
    }
  }
  return { counts, shown };
}

// As countCells, with the mean of `values` in each cell (NaN where it is empty).
export function meanCells(xs, ys, out, grid, values) {
  const { x0, y0, nx, ny } = grid;
  const perX = 1 / grid.width;
  const perY = 1 / grid.height;
  const counts = new Uint32Array(nx * ny);
  const means = new Float64Array(nx * ny);
  let shown = 0;
  for (let i = 0; i < xs.length; i++) {
    if (out[i] !== 0) continue;
    const column = (xs[i] - x0) * perX;
    const row = (ys[i] - y0) * perY;
    if (column >= 0 && column < nx && row >= 0 && row < ny) {
      const cell = (row | 0) * nx + (column | 0);
      counts[cell]++;
      means[cell] += values[i];
      shown++;
    }
  }
  for (let cell = 0; cell < means.length; cell++) {
    means[cell] = counts[cell] === 0 ? NaN : means[cell] / counts[cell];
  }
  return { counts, means, shown };
}
