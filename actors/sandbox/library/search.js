// URLSearchParams (WHATWG URL). Takes errors and encodings; returns the class and `link`, which ties one to its URL.
// The pairs are in the instance; a change tells the URL, and the URL's change replaces the pairs.
(function search({ coded }, { percentDecoded, percentEncoded }) {
  const inspectCustom = Symbol.for('nodejs.util.inspect.custom');
  const encode = (text) => percentEncoded(text, /[^A-Za-z0-9*\-._ ]+/g).replaceAll(' ', '+');
  const decode = (text) => percentDecoded(text.replaceAll('+', ' '));
  const parsed = (text) => {
    const pairs = [];
    if (text === '') return pairs;
    for (const part of text.split('&')) {
      if (part === '') continue;
      const split = part.indexOf('=');
      pairs[pairs.length] = split < 0 ? [decode(part), '']
        : [decode(part.slice(0, split)), decode(part.slice(split + 1))];
    }
    return pairs;
  };
  const written = (value) => `${value}`.toWellFormed(); // a symbol throws
  const need = (count, wanted, names) => {
    if (count < wanted) throw coded(TypeError, 'ERR_MISSING_ARGS', `The ${names} must be specified`);
  };
  const NAME = '"name" argument', BOTH = '"name" and "value" arguments';
  const pairOf = (pair) => {
    const items = pair !== null && typeof pair === 'object' && pair[Symbol.iterator] ? [...pair] : [];
    if (items.length !== 2)
      throw coded(TypeError, 'ERR_INVALID_TUPLE', 'Each query pair must be an iterable [name, value] tuple');
    return [written(items[0]), written(items[1])];
  };
  const pairsOf = (init) => {
    const iterator = init[Symbol.iterator];
    if (iterator !== undefined && iterator !== null) {
      if (typeof iterator !== 'function')
        throw coded(TypeError, 'ERR_ARG_NOT_ITERABLE', 'Query pairs must be iterable');
      return Array.from(init, pairOf);
    }
    const byName = new Map(); // two keys may be the same once written
    for (const key of Reflect.ownKeys(init))
      if (Object.getOwnPropertyDescriptor(init, key)?.enumerable) byName.set(written(key), written(init[key]));
    return [...byName];
  };

  let link;
  class URLSearchParams {
    #pairs;
    #changed = null; // of the URL this belongs to

    static {
      link = (params, pairs, changed) => {
        params.#pairs = parsed(pairs);
        if (changed !== undefined) params.#changed = changed;
      };
    }
    constructor(init) {
      if (init === undefined || init === null) this.#pairs = [];
      else if (typeof init === 'object' || typeof init === 'function') this.#pairs = pairsOf(init);
      else {
        const text = written(init);
        this.#pairs = parsed(text[0] === '?' ? text.slice(1) : text);
      }
    }
    #tell() { this.#changed?.(this.toString()); }

    get size() { return this.#pairs.length; }
    append(name, value) {
      need(arguments.length, 2, BOTH);
      this.#pairs.push([written(name), written(value)]);
      this.#tell();
    }
    delete(name, value) {
      need(arguments.length, 1, NAME);
      const [key, only] = [written(name), value === undefined ? undefined : written(value)];
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== key || only !== undefined && pair[1] !== only);
      this.#tell();
    }
    get(name) {
      need(arguments.length, 1, NAME);
      const key = written(name);
      return this.#pairs.find((pair) => pair[0] === key)?.[1] ?? null;
    }
    getAll(name) {
      need(arguments.length, 1, NAME);
      const key = written(name);
      return this.#pairs.filter((pair) => pair[0] === key).map((pair) => pair[1]);
    }
    has(name, value) {
      need(arguments.length, 1, NAME);
      const [key, only] = [written(name), value === undefined ? undefined : written(value)];
      return this.#pairs.some((pair) => pair[0] === key && (only === undefined || pair[1] === only));
    }
    set(name, value) {
      need(arguments.length, 2, BOTH);
      const [key, text] = [written(name), written(value)];
      const at = this.#pairs.findIndex((pair) => pair[0] === key);
      if (at < 0) this.#pairs.push([key, text]);
      else {
        this.#pairs[at][1] = text;
        this.#pairs = this.#pairs.filter((pair, i) => i <= at || pair[0] !== key);
      }
      this.#tell();
    }
    sort() {
      this.#pairs.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
      this.#tell();
    }
    forEach(callback, thisArg) {
      if (typeof callback !== 'function')
        throw coded(TypeError, 'ERR_INVALID_ARG_TYPE', 'The "callback" argument must be of type function.');
      for (let i = 0; i < this.#pairs.length; i++) callback.call(thisArg, this.#pairs[i][1], this.#pairs[i][0], this);
    }
    *entries() { for (let i = 0; i < this.#pairs.length; i++) yield [this.#pairs[i][0], this.#pairs[i][1]]; }
    *keys() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][0]; }
    *values() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][1]; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
    toString() { return this.#pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&'); }
    [inspectCustom](depth, options, inspect) {
      const shown = this.#pairs.map(([name, value]) => `${inspect(name)} => ${inspect(value)}`).join(', ');
      return shown === '' ? 'URLSearchParams {}' : `URLSearchParams { ${shown} }`;
    }
  }
  return { URLSearchParams, link };
})
