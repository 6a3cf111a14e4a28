// Headers (WHATWG Fetch). Takes nothing. Names are kept in lower case; values of one name are joined as they are read,
// but for set-cookie, whose values never are.
(function headers() {
  const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const nameOf = (name) => {
    const text = String(name);
    if (!NAME.test(text)) throw new TypeError(`Invalid header name: ${JSON.stringify(text.slice(0, 60))}`);
    return text.toLowerCase();
  };
  const valueOf = (value) => {
    const text = String(value).replace(/^[\t\n\r ]+/, '').replace(/(?<![\t\n\r ])[\t\n\r ]+$/, '');
    if (/[\0\n\r]|[^\0-\xff]/.test(text)) throw new TypeError('Invalid header value');
    return text;
  };
  const pairOf = (pair) => {
    const items = pair !== null && typeof pair === 'object' ? [...pair] : [];
    if (items.length !== 2) throw new TypeError('Headers: each pair must be a [name, value]');
    return items;
  };

  class Headers {
    #values = new Map(); // lower-case name: values

    constructor(init) {
      if (init === undefined) return;
      if (init === null || typeof init !== 'object')
        throw new TypeError('Headers: an object or an iterable of pairs is wanted');
      if (init[Symbol.iterator] !== undefined) for (const pair of init) this.append(...pairOf(pair));
      else for (const name of Object.keys(init)) for (const value of [init[name]].flat()) this.append(name, value);
    }
    append(name, value) {
      const key = nameOf(name), text = valueOf(value);
      if (this.#values.has(key)) this.#values.get(key).push(text);
      else this.#values.set(key, [text]);
    }
    set(name, value) { this.#values.set(nameOf(name), [valueOf(value)]); }
    delete(name) { this.#values.delete(nameOf(name)); }
    get(name) { return this.#values.get(nameOf(name))?.join(', ') ?? null; }
    has(name) { return this.#values.has(nameOf(name)); }
    getSetCookie() { return [...(this.#values.get('set-cookie') ?? [])]; }
    forEach(callback, thisArg) {
      if (typeof callback !== 'function') throw new TypeError('Headers.forEach: a function is wanted');
      for (const [name, value] of this) callback.call(thisArg, value, name, this);
    }
    *entries() {
      for (const name of [...this.#values.keys()].sort()) {
        const values = this.#values.get(name);
        if (name !== 'set-cookie') yield [name, values.join(', ')];
        else for (const value of [...values]) yield [name, value];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
    [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
      return `Headers ${inspect(Object.fromEntries(this), options)}`;
    }
  }
  return Headers;
})
