// A short tour through points: from each to the nearest that is left. Few lines cross it often.

export function tour({ x0, x1 }) {
  const order = Uint32Array.from(x0, (_, j) => j);
  for (let k = 1; k < order.length; k++) {
    const last = order[k - 1];
    let nearest = k, least = Infinity;
    for (let l = k; l < order.length; l++) {
      const d0 = x0[order[l]] - x0[last], d1 = x1[order[l]] - x1[last];
      const square = d0 * d0 + d1 * d1;
      if (square < least) [least, nearest] = [square, l];
    }
    [order[k], order[nearest]] = [order[nearest], order[k]];
  }
  return order;
}
