// What activation.js does, two numbers at a time: AssemblyScript, which build.mjs compiles to WebAssembly.
//
// Every sum has the order that it has there, so both give the same bits. An instance holds one pattern in its memory,
// which compiled.js reads and writes where `arrange` has put the arrays. A row of the table, of the factors and of the sums
// has nine numbers: four pairs and one.
//
// `update` first tests circles around blocks of 16 points. Only of the blocks that a unit's line may cut are the points
// looked at.

const ENTRIES: usize = 9;
const ROW: usize = 8 * ENTRIES; // bytes
const BLOCK: usize = 16;
const WORD: usize = 32; // two blocks, a bit for each point
const CIRCLES: usize = 48; // bytes: c0, c1 and the radius of the two blocks of a word
const WORDS: usize = 32; // whose blocks have a bit each in 64

let points: usize = 0;
let width: usize = 0;
let words: usize = 0;
let ends: usize = 0; // of unit h from ends + stride * h on: where it comes on, goes off, ..., as addresses in the table
let stride: usize = 0;
let last: usize = 0; // where the ends of each unit stop
let on: usize = 0; // the words of the unit that is looked at
let table: usize = 0;

export let x0: usize = 0;
export let x1: usize = 0;
export let circles: usize = 0;
export let weights: usize = 0; // w0 of each unit, w1 of each, b of each
export let rows: usize = 0; // the factors or the sums
export let values: usize = 0; // f or g

export function arrange(numberOfPoints: i32, numberOfUnits: i32): void {
  points = numberOfPoints;
  width = numberOfUnits;
  words = (points + WORD - 1) / WORD;
  stride = 4 * (points + 2);
  let at: usize = 0;
  x0 = at, at += 8 * WORD * words;
  x1 = at, at += 8 * WORD * words;
  circles = at, at += CIRCLES * words;
  weights = at, at += 24 * width;
  rows = at, at += ROW * (width + 1);
  values = at, at += 24 * points;
  table = at, at += ROW * (points + 1);
  on = at, at += 4 * words;
  last = at, at += 4 * (width + 1);
  ends = at, at += stride * (width + 1);
  memory.grow(<i32>(at >> 16) + 1);
  // The last "unit", which stands for b2, is on everywhere.
  const all = ends + stride * width;
  store<u32>(all, <u32>table);
  store<u32>(all, <u32>(table + ROW * points), 4);
  store<u32>(last + 4 * width, <u32>(all + 8));
}

// Determines the pattern of a network with these weights.
export function update(): void {
  for (let h: usize = 0; h < width; h++) {
    const at = weights + 8 * h;
    const w0 = load<f64>(at), w1 = load<f64>(at + 8 * width), b = load<f64>(at + 16 * width);
    for (let word: usize = 0; word < words; word += WORDS) {
      let cut = testCircles(word, min(word + WORDS, words), w0, w1, b);
      for (; cut; cut &= cut - 1) look(2 * word + <usize>ctz(cut), f64x2.splat(w0), f64x2.splat(w1), f64x2.splat(b));
    }
    setEnds(h);
  }
}

// Sets the bits of whole blocks of some words; returns a bit for each block that the line may cut.
// @ts-ignore: decorator
@inline function testCircles(word: usize, end: usize, w0: f64, w1: f64, b: f64): u64 {
  const length = f64x2.splat(sqrt(w0 * w0 + w1 * w1));
  let cut: u64 = 0, place: u64 = 0;
  for (; word < end; word++, place += 2) {
    const at = circles + CIRCLES * word;
    const z = height(v128.load(at), v128.load(at, 16), f64x2.splat(w0), f64x2.splat(w1), f64x2.splat(b));
    const clear = f64x2.gt(f64x2.abs(z), f64x2.mul(v128.load(at, 32), length));
    cut |= <u64>(i64x2.bitmask(clear) ^ 3) << place;
    const above = f64x2.gt(z, f64x2.splat(0));
    store<u32>(on + 4 * word, (<u32>i64x2.extract_lane(above, 0) & 0xffff) | (<u32>i64x2.extract_lane(above, 1) & 0xffff0000));
  }
  return cut;
}

// Sets the bits of the points of a block.
// @ts-ignore: decorator
@inline function look(block: usize, w0: v128, w1: v128, b: v128): void {
  const at = 8 * BLOCK * block;
  const low = four(at, w0, w1, b) | four(at + 32, w0, w1, b) << 4;
  const high = four(at + 64, w0, w1, b) | four(at + 96, w0, w1, b) << 4;
  store<u16>(on + 2 * block, <u16>(low | high << 8));
}

// @ts-ignore: decorator
@inline function four(at: usize, w0: v128, w1: v128, b: v128): i32 {
  return two(at, w0, w1, b) | two(at + 16, w0, w1, b) << 2;
}

// @ts-ignore: decorator
@inline function two(at: usize, w0: v128, w1: v128, b: v128): i32 {
  return i64x2.bitmask(f64x2.gt(height(v128.load(x0 + at), v128.load(x1 + at), w0, w1, b), f64x2.splat(0)));
}

// @ts-ignore: decorator
@inline function height(x0: v128, x1: v128, w0: v128, w1: v128, b: v128): v128 {
  return f64x2.add(f64x2.add(f64x2.mul(x0, w0), f64x2.mul(x1, w1)), b);
}

// @ts-ignore: decorator
@inline function setEnds(h: usize): void {
  const first = ends + stride * h;
  let end = first, before: u32 = 0;
  for (let k: usize = 0; k < words; k++) {
    let word = load<u32>(on + 4 * k);
    if (k == words - 1) word &= u32.MAX_VALUE >> <u32>(WORD * words - points); // the rest of the last word is no point
    let turns = word ^ (word << 1 | before); // the points that are not as the one before
    before = word >> 31;
    for (; turns; turns &= turns - 1, end += 4) store<u32>(end, <u32>(table + ROW * (WORD * k + <usize>ctz(turns))));
  }
  if ((end - first) & 4) store<u32>(end, <u32>(table + ROW * points)), end += 4;
  store<u32>(last + 4 * h, <u32>end);
}

// Fills f (class after class) with Σ over the units that are on of the factors (rows) · (x0, x1, 1).
export function sumOverUnits(): void {
  memory.fill(table, 0, ROW * (points + 1));
  for (let h: usize = 0; h <= width; h++) {
    const row = rows + ROW * h;
    const f0 = v128.load(row), f1 = v128.load(row, 16), f2 = v128.load(row, 32), f3 = v128.load(row, 48), f4 = load<f64>(row, 64);
    const stop = <usize>load<u32>(last + 4 * h);
    for (let k = ends + stride * h; k < stop; k += 8) {
      const comes = <usize>load<u32>(k), goes = <usize>load<u32>(k, 4);
      v128.store(comes, f64x2.add(v128.load(comes), f0));
      v128.store(comes, f64x2.add(v128.load(comes, 16), f1), 16);
      v128.store(comes, f64x2.add(v128.load(comes, 32), f2), 32);
      v128.store(comes, f64x2.add(v128.load(comes, 48), f3), 48);
      store<f64>(comes, load<f64>(comes, 64) + f4, 64);
      v128.store(goes, f64x2.sub(v128.load(goes), f0));
      v128.store(goes, f64x2.sub(v128.load(goes, 16), f1), 16);
      v128.store(goes, f64x2.sub(v128.load(goes, 32), f2), 32);
      v128.store(goes, f64x2.sub(v128.load(goes, 48), f3), 48);
      store<f64>(goes, load<f64>(goes, 64) - f4, 64);
    }
  }
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0, s4: f64 = 0;
  for (let j: usize = 0; j < points; j++) {
    const row = table + ROW * j;
    s0 = f64x2.add(s0, v128.load(row));
    s1 = f64x2.add(s1, v128.load(row, 16));
    s2 = f64x2.add(s2, v128.load(row, 32));
    s3 = f64x2.add(s3, v128.load(row, 48));
    s4 += load<f64>(row, 64);
    const a = load<f64>(x0 + 8 * j), b = load<f64>(x1 + 8 * j), f = values + 8 * j;
    store<f64>(f, a * f64x2.extract_lane(s0, 0) + b * f64x2.extract_lane(s0, 1) + f64x2.extract_lane(s1, 0));
    store<f64>(f + 8 * points, a * f64x2.extract_lane(s1, 1) + b * f64x2.extract_lane(s2, 0) + f64x2.extract_lane(s2, 1));
    store<f64>(f + 16 * points, a * f64x2.extract_lane(s3, 0) + b * f64x2.extract_lane(s3, 1) + s4);
  }
}

// Fills the sums (rows) with Σ over the points at which a unit is on of g (x0, x1, 1), for each class.
export function sumOverPoints(): void {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0, s4: f64 = 0;
  for (let j: usize = 0; j <= points; j++) {
    const row = table + ROW * j;
    v128.store(row, s0);
    v128.store(row, s1, 16);
    v128.store(row, s2, 32);
    v128.store(row, s3, 48);
    store<f64>(row, s4, 64);
    if (j == points) break;
    const at = values + 8 * j;
    const g0 = load<f64>(at), g1 = load<f64>(at + 8 * points), g2 = load<f64>(at + 16 * points);
    const a = load<f64>(x0 + 8 * j), b = load<f64>(x1 + 8 * j), x = pair(a, b);
    s0 = f64x2.add(s0, f64x2.mul(f64x2.splat(g0), x));
    s1 = f64x2.add(s1, pair(g0, g1 * a));
    s2 = f64x2.add(s2, pair(g1 * b, g1));
    s3 = f64x2.add(s3, f64x2.mul(f64x2.splat(g2), x));
    s4 += g2;
  }
  for (let h: usize = 0; h <= width; h++) {
    const stop = <usize>load<u32>(last + 4 * h);
    let t0 = f64x2.splat(0), t1 = t0, t2 = t0, t3 = t0, t4: f64 = 0;
    for (let k = ends + stride * h; k < stop; k += 8) {
      const comes = <usize>load<u32>(k), goes = <usize>load<u32>(k, 4);
      t0 = f64x2.add(t0, f64x2.sub(v128.load(goes), v128.load(comes)));
      t1 = f64x2.add(t1, f64x2.sub(v128.load(goes, 16), v128.load(comes, 16)));
      t2 = f64x2.add(t2, f64x2.sub(v128.load(goes, 32), v128.load(comes, 32)));
      t3 = f64x2.add(t3, f64x2.sub(v128.load(goes, 48), v128.load(comes, 48)));
      t4 += load<f64>(goes, 64) - load<f64>(comes, 64);
    }
    const row = rows + ROW * h;
    v128.store(row, t0);
    v128.store(row, t1, 16);
    v128.store(row, t2, 32);
    v128.store(row, t3, 48);
    store<f64>(row, t4, 64);
  }
}

// @ts-ignore: decorator
@inline function pair(first: f64, second: f64): v128 {
  return f64x2.replace_lane(f64x2.splat(first), 1, second);
}
