// The measurements on their way to Python. While a cell runs, a message may wait behind it, and a later one may arrive
// before it. So each says to which run, and where in it, its rows belong. Python answers how many rows it has; those that
// it has not after a while are sent again.

import { COLUMNS, WIDTH } from "./rows.js";

const PATIENCE = 1000; // milliseconds until rows are sent again, the first time; each time twice as long
const LONGEST = 30000; // ... but no longer
const LARGEST = 2 ** 21; // bytes of rows in a message, or the server closes the connection

export class Mailbox {
  // send(content, buffers) posts a message.
  constructor(send) {
    this.send = send;
    this.view = String(Math.random());
    this.opening = this.sent = 0;
    this.kept = [];
    this.due = Infinity; // until the runs are opened
  }

  // The runs have started over, with these settings.
  open(opened, now) {
    this.opened = opened;
    this.opening += 1;
    this.counts = opened.map(() => 0);
    this.kept = []; // {run, start, values}: Python is not known to have these rows, the first of which has number `start`
    this.sent = 0; // how many of them have been sent
    this.pause = PATIENCE;
    this.due = now; // when to send again what is kept
    this.post(now);
  }

  add(run, values) {
    if (!values.length) return;
    this.kept.push({ run, start: this.counts[run], values });
    this.counts[run] += values.length / WIDTH;
  }

  post(now) {
    const again = now >= this.due;
    if (again) this.sent = 0;
    const rows = portion(this.kept.slice(this.sent));
    if (!again && !rows.length) return;
    this.sent += rows.length;
    if (again) {
      this.due = now + this.pause;
      this.pause = Math.min(2 * this.pause, LONGEST);
    } else this.due = Math.min(this.due, now + this.pause);
    const { view, opening, opened } = this;
    const content = { view, opening, opened, columns: COLUMNS, runs: rows.map(({ run }) => run), starts: rows.map(({ start }) => start) };
    this.send(content, rows.map(({ values }) => values.buffer));
  }

  // Python has this many rows of each run.
  heard({ view, opening, counts }, now) {
    if (view !== this.view || opening !== this.opening) return;
    const missing = this.kept.filter(({ run, start, values }) => start + values.length / WIDTH > counts[run]);
    const news = this.kept.length - missing.length;
    this.kept = missing;
    this.sent = Math.max(0, this.sent - news);
    if (!this.sent) this.due = Infinity;
    else if (news) this.due = now + PATIENCE;
    if (!this.sent || news) this.pause = PATIENCE;
  }
}

// The first rows, as many as a message may hold.
function portion(rows) {
  let bytes = 0;
  return rows.filter(({ values }, i) => (bytes += values.byteLength) <= LARGEST || !i);
}
