// AbortController and AbortSignal (WHATWG DOM). Takes errors and `send`.
//
// A signal's listeners and reason are its own. A signal with a time limit does not keep a run waiting: its end is a time,
// and only one who listens makes it sleep.
(function abort({ wrongType, domFailure }, send) {
  const NONE = Symbol('not aborted');
  let make, trip, limitOf, follow;

  class AbortSignal {
    #reason = NONE;
    #deadline = Infinity;
    #sleeps = false;
    #listeners = [];
    #sources = [];
    #handler = null;

    constructor(key) {
      if (key !== NONE) throw new TypeError('Illegal constructor');
    }
    static {
      make = (deadline = Infinity, sources = []) => {
        const signal = new AbortSignal(NONE);
        signal.#deadline = deadline;
        signal.#sources = sources;
        return signal;
      };
      trip = (signal, reason) => { signal.#abort(reason); };
      follow = (signal, call) => {
        const listener = { call };
        signal.#listeners.push(listener);
        const ends = signal.#sources.map((source) => follow(source, () => { signal.#settle(); }));
        return () => {
          signal.#listeners = signal.#listeners.filter((other) => other !== listener);
          for (const end of ends) end();
        };
      };
      limitOf = (signal) => Math.min(signal.#deadline, ...signal.#sources.map(limitOf));
    }
    static abort(reason = domFailure('This operation was aborted', 'AbortError')) {
      const signal = make();
      signal.#reason = reason;
      return signal;
    }
    static timeout(milliseconds) {
      const wait = Number(milliseconds);
      if (!(wait >= 0 && wait <= Number.MAX_SAFE_INTEGER))
        throw wrongType('delay', 'a number of milliseconds', milliseconds);
      return make(Date.now() + wait);
    }
    static any(signals) {
      const sources = Array.from(signals, (signal) => {
        if (!(signal instanceof AbortSignal)) throw wrongType('signals', 'an iterable of AbortSignal', signal);
        return signal;
      });
      return make(Infinity, sources);
    }

    #abort(reason) {
      if (this.#reason !== NONE) return;
      this.#reason = reason;
      const listeners = this.#listeners.splice(0);
      const event = Object.freeze({ type: 'abort', target: this, currentTarget: this });
      if (this.#handler !== null) listeners.unshift({ call: this.#handler });
      let failure = NONE; // the first thrown is thrown again, when all have been told
      for (const { call } of listeners)
        try {
          if (typeof call === 'function') call.call(this, event);
          else call.handleEvent(event);
        } catch (error) {
          if (failure === NONE) failure = error;
        }
      if (failure !== NONE) throw failure;
    }
    // Look at the clock, and at the signals this one follows.
    #settle() {
      if (this.#reason !== NONE) return;
      for (const source of this.#sources) if (source.aborted) return this.#abort(source.reason);
      if (Date.now() >= this.#deadline) this.#abort(domFailure('The operation was aborted due to timeout', 'TimeoutError'));
    }
    // Someone wants to be told: follow the sources, and sleep until the time is up.
    #watch() {
      if (this.#sleeps || this.#reason !== NONE) return;
      this.#sleeps = true;
      for (const source of this.#sources) source.addEventListener('abort', () => { this.#settle(); });
      if (this.#deadline < Infinity)
        send('sleep', [Math.max(0, this.#deadline - Date.now() + 1)]).then(() => { this.#settle(); }, () => {});
    }

    get aborted() {
      this.#settle();
      return this.#reason !== NONE;
    }
    get reason() { return this.aborted ? this.#reason : undefined; }
    get onabort() { return this.#handler; }
    set onabort(handler) {
      this.#handler = typeof handler === 'function' ? handler : null;
      if (this.#handler !== null) this.#watch();
    }
    throwIfAborted() {
      if (this.aborted) throw this.#reason;
    }
    addEventListener(type, call, options) {
      if (type !== 'abort' || call === null || typeof call !== 'function' && typeof call?.handleEvent !== 'function') return;
      if (this.aborted || options?.signal?.aborted || this.#listeners.some((listener) => listener.call === call)) return;
      this.#listeners.push({ call });
      this.#watch();
    }
    removeEventListener(type, call) {
      if (type === 'abort') this.#listeners = this.#listeners.filter((listener) => listener.call !== call);
    }
    get [Symbol.toStringTag]() { return 'AbortSignal'; }
    [Symbol.for('nodejs.util.inspect.custom')]() { return `AbortSignal { aborted: ${this.aborted} }`; }
  }

  class AbortController {
    #signal = make();
    get signal() { return this.#signal; }
    abort(reason = domFailure('This operation was aborted', 'AbortError')) { trip(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
  }
  // `limitOf(signal)`: when it ends by itself, in milliseconds of Date.now(), or Infinity. `follow(signal, call)`: to be
  // told when it is aborted by someone; returns how to stop that.
  return { AbortController, AbortSignal, limitOf, follow };
})
