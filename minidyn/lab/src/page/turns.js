// The runs at full speed on a page take turns: only one of them computes at a time, a request each.

class Turns {
  holder = null;
  queue = [];

  // Whether it is the session's turn. If not, its proceed() is called when it is.
  take(session) {
    this.holder ??= session;
    if (this.holder !== session && !this.queue.includes(session)) this.queue.push(session);
    return this.holder === session;
  }

  // The session's request has been answered; those that wait proceed, in order, until one of them takes the turn.
  pass(session) {
    this.queue = this.queue.filter((other) => other !== session);
    if (this.holder !== session) return;
    this.holder = null;
    while (!this.holder && this.queue.length) this.queue.shift().proceed();
  }
}

// One for the page: in a notebook each lab is a module of its own.
export const turns = (globalThis[Symbol.for("minidyn lab turns")] ??= new Turns());
