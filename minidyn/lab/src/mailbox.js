// The measurements on their way to Python. While a cell runs, a message may wait behind it, and a later one may arrive
// before it. So each says which run it belongs to, one is under way at a time, and what Python does not confirm is sent
// again, after ever longer pauses; Python leaves out the rows that it has.

import { COLUMNS } from "./rows.js";

const PATIENCE = 1000; // milliseconds until a message is sent again, the first time
const LARGEST = 2 ** 21; // bytes of rows in a message, or the server closes the connection

export class Mailbox {
  // send(content, buffers) posts a message.
  constructor(send) {
    this.send = send;
    this.view = String(Math.random());
    this.opening = this.number = 0;
    this.rows = []; // {run, values}, not confirmed
  }

  // The runs have started over, with these settings.
  open(opened, now) {
    this.opened = opened;
    this.opening += 1;
    this.rows = [];
    this.news = true;
    this.underWay = null;
    this.post(now);
  }

  add(run, values) {
    this.rows.push({ run, values });
    this.news = true;
  }

  post(now) {
    const { underWay } = this;
    if (underWay ? now < underWay.due : !this.news) return;
    let bytes = 0;
    const rows = this.rows.filter(({ values }) => (bytes += values.byteLength) <= LARGEST || bytes === values.byteLength);
    const pause = underWay ? 2 * underWay.pause : PATIENCE;
    this.underWay = { number: ++this.number, count: rows.length, pause, due: now + pause };
    const { view, opening, opened, number } = this;
    const content = { number, view, opening, opened, columns: COLUMNS, runs: rows.map(({ run }) => run) };
    this.send(content, rows.map(({ values }) => values.buffer));
  }

  // Python has taken over a message.
  heard(number) {
    if (this.underWay?.number !== number) return;
    this.rows.splice(0, this.underWay.count);
    this.underWay = null;
    this.news = this.rows.length > 0;
  }
}
