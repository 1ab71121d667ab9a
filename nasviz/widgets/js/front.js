// The Pareto front of the points that pass: order once by cost, then one look at each point.

// Indices that sort float32 `values` ascending (NaN last): radix sort, 16 bits at a time.
export function ascendingOrder(values) {
  const n = values.length;
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  for (let i = 0; i < n; i++) {
    bits[i] ^= bits[i] & 0x80000000 ? 0xffffffff : 0x80000000; // unsigned order = float order
  }
  let order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (const shift of [0, 16]) {
    const starts = new Uint32Array(65537);
    for (let i = 0; i < n; i++) starts[((bits[i] >>> shift) & 0xffff) + 1]++;
    for (let digit = 0; digit < 65536; digit++) starts[digit + 1] += starts[digit];
    const next = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      const at = order[i];
      next[starts[(bits[at] >>> shift) & 0xffff]++] = at;
    }
    order = next;
  }
  return order;
}

// Indices of the points that no passing point beats: least x first, y strictly better each time.
// `order` sorts xs ascending; `down` says that less y is better.
export function paretoFront(xs, ys, out, order, down = true) {
  const front = [];
  let best = down ? Infinity : -Infinity;
  for (let k = 0; k < order.length; k++) {
    const i = order[k];
    const y = ys[i];
    if (out[i] !== 0 || !(down ? y < best : y > best) || !(xs[i] === xs[i])) continue;
    if (front.length > 0 && xs[front[front.length - 1]] === xs[i]) front.pop();
    front.push(i);
    best = y;
  }
  return front;
}
