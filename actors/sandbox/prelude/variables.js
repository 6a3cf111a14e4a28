// `vars`: the captured path segments as a plain object, with methods to read and set them (nFlow manual). Changed by a
// script, they go on with the run.
//
// Invariant: the methods are not enumerable, and a name of the author's own may stand before them; what one run sets is on
// an object of that run.
(function variables(mend) {
  'use strict';
  const { apply } = Reflect;
  const { create, defineProperty, freeze, hasOwn, keys: keysOf, setPrototypeOf, prototype: ObjectPrototype } = Object;
  const { stringify } = JSON;
  const { charCodeAt, includes, replaceAll } = String.prototype;
  const MOST = 64 << 10; // bytes

  let methods;
  const define = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  // An assignment `vars.get = …` defines the name on the object: it would fail against a frozen data property.
  const madeMethods = () => {
    const made = {
      __proto__: ObjectPrototype,
      set(name, value) { define(this, '' + name, value); },
      get(name) { return hasOwn(this, '' + name) ? this['' + name] : undefined; },
      has(name) { return hasOwn(this, '' + name); },
      getAll() {
        const all = {};
        const names = keysOf(this);
        for (let i = 0; i < names.length; i++) define(all, names[i], this[names[i]]);
        return all;
      },
    };
    const names = keysOf(made);
    for (let i = 0; i < names.length; i++) {
      const method = freeze(made[names[i]]);
      defineProperty(made, names[i], {
        get() { return method; },
        set(value) { if (this !== made) define(this, names[i], value); },
        enumerable: false,
        configurable: false,
      });
    }
    return freeze(made);
  };

  let held, before; // of this run: the object, and its JSON when it began
  const of = (captured) => {
    if (held !== undefined) return held;
    held = captured ?? {};
    before = stringify(held);
    return setPrototypeOf(held, methods ??= madeMethods());
  };
  // For a text that only reads properties: texts cannot be changed, so nothing need be looked at afterwards.
  const read = (captured) => {
    const names = captured === undefined ? [] : keysOf(captured);
    for (let i = 0; i < names.length; i++) if (typeof captured[names[i]] === 'object') return of(captured);
    return captured ?? {};
  };
  const reset = () => { held = undefined; };

  const bytes = (text) => {
    let size = text.length;
    for (let i = 0; i < text.length; i++) {
      const unit = apply(charCodeAt, text, [i]);
      if (unit > 0x7f) size += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
    }
    return size;
  };
  // No store takes a NUL.
  const withoutNul = (text) => apply(includes, text, ['\\u0000'])
    ? apply(replaceAll, text, [/\\(?:u0000|.)/g, (escape) => escape === '\\u0000' ? '\\ufffd' : escape]) : text;
  // The field of the reply's head, with its comma, when the script changed them.
  const field = () => {
    if (held === undefined) return '';
    const after = stringify(held);
    if (after === before) return '';
    if (after === undefined || after[0] !== '{') throw new TypeError('vars is an object and remains one');
    const text = withoutNul(mend(after));
    if (text.length > MOST || (text.length * 3 > MOST && bytes(text) > MOST))
      throw new RangeError('vars may hold ' + MOST + ' bytes');
    return ',"vars":' + stringify(text);
  };
  return { of, read, reset, field };
})
