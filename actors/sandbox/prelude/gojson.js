// JSON text as Go's encoder writes it, of the value Go's JavaScript engine would hand to it.
// Takes `grow`, told the length of the text so far; returns { encode, indent, mend }.
//
// Keys sorted by code point; `<`, `>`, `&`, U+2028 and U+2029 escaped; undefined and holes null; dates RFC 3339; a Map an
// array of pairs, a Set an array, bytes base64; functions, symbols, NaN and infinities refused. `toJSON` is not asked.
// Only primitives are given to the engine's own JSON.stringify, so nothing a script defines can forge the text; methods
// of strings are looked up as ever, and a script that changed one, in a realm of its own, changed it for its own answer.
(function gojson(grow) {
  'use strict';
  const MAX_DEPTH = 500;
  const MAX_KNOWN_KEYS = 1000;
  const stringify = JSON.stringify;
  const { apply } = Reflect;
  const { getOwnPropertyDescriptor, getPrototypeOf, keys: keysOf, prototype: ObjectPrototype } = Object;
  const { isArray } = Array;
  const DatePrototype = Date.prototype, MapPrototype = Map.prototype, SetPrototype = Set.prototype;
  const { getTime, toISOString } = DatePrototype;
  const mapForEach = MapPrototype.forEach, setForEach = SetPrototype.forEach;
  const Bytes = Uint8Array, BytesPrototype = getPrototypeOf(Int8Array).prototype;
  const kindOfBytes = getOwnPropertyDescriptor(BytesPrototype, Symbol.toStringTag).get;
  const { toBase64 } = Uint8Array.prototype;
  const boxes = [Number, String, Boolean, BigInt, Symbol];
  for (let i = 0; i < boxes.length; i++) boxes[i] = boxes[i].prototype;
  const unbox = [boxes[0].valueOf, boxes[1].valueOf, boxes[2].valueOf, boxes[3].valueOf, boxes[4].valueOf];

  // Sorted by UTF-16 unit, keys with surrogates may stand wrong against U+E000…U+FFFF: those sort by code point.
  const known = { __proto__: null };
  let knownCount = 0;
  const isHigh = (key) => {
    for (let i = 0; i < key.length; i++) if (key.charCodeAt(i) >= 0xd800) return true;
    return false;
  };
  const byCodePoint = (a, b) => {
    for (let i = 0; ; i++) {
      const x = a.codePointAt(i), y = b.codePointAt(i);
      if (x !== y) return x === undefined ? -1 : y === undefined ? 1 : x - y;
      if (x === undefined) return 0;
      if (x > 0xffff) i++;
    }
  };
  const learn = (key) => {
    const quoted = stringify(key) + ':';
    if (isHigh(key)) return undefined;
    if (key.length <= 40 && knownCount < MAX_KNOWN_KEYS) {
      known[key] = quoted;
      knownCount++;
    }
    return quoted;
  };

  const refuse = (what) => { throw new TypeError('json: unsupported ' + what); };

  // The engine writes a few powers of two, such as 2 ** -24, with 17 digits where 16 read back as the same number.
  const shortest = (number) => {
    const text = '' + number;
    const end = text.length < 20 ? -1 : text.indexOf('e');
    if (end < (number < 0 ? 19 : 18)) return text;
    for (let digits = 12; digits <= 16; digits++) {
      const shorter = number.toPrecision(digits);
      if (+shorter === number) return shorter.replace(/0+e/, 'e');
    }
    const shorter = number.toPrecision(16).slice(0, end - 1); // rounded down, and only the next one up reads back
    const raised = shorter.slice(0, -1) + (+shorter[end - 2] + 1) + text.slice(end);
    return +raised === number ? raised : text;
  };

  const value = (v, depth) => {
    switch (typeof v) {
      case 'string': return stringify(v);
      case 'number':
        if (v === 0) return 1 / v < 0 ? '-0' : '0';
        if (v - v !== 0) refuse('value: ' + v);
        return shortest(v);
      case 'boolean': return v ? 'true' : 'false';
      case 'undefined': return 'null';
      case 'bigint': return '' + v;
      case 'object': break;
      default: refuse('type: ' + typeof v);
    }
    if (v === null) return 'null';
    if (depth === MAX_DEPTH) throw new RangeError('json: nested deeper than ' + MAX_DEPTH + ' levels, or cyclic');
    if (isArray(v)) {
      const n = v.length;
      if (n === 0) return '[]';
      let out = '[' + value(v[0], depth + 1);
      for (let i = 1; i < n; i++) out += ',' + value(v[i], depth + 1);
      grow(out.length);
      return out + ']';
    }
    const prototype = getPrototypeOf(v);
    if (prototype !== ObjectPrototype && prototype !== null) {
      const special = exotic(v, prototype, depth);
      if (special !== undefined) return special;
    }
    return members(v, depth);
  };

  const members = (object, depth) => {
    const keys = keysOf(object);
    const n = keys.length;
    if (n === 0) return '{}';
    let sorted = true, high = false, last = '';
    for (let i = 0; i < n; i++) {
      const key = keys[i];
      if (key < last) sorted = false;
      last = key;
      if (known[key] === undefined && learn(key) === undefined) high = true;
    }
    if (high) keys.sort(byCodePoint);
    else if (!sorted) keys.sort();
    let out = '{';
    for (let i = 0; i < n; i++) {
      const key = keys[i];
      if (i !== 0) out += ',';
      out += (known[key] ?? stringify(key) + ':') + value(object[key], depth + 1);
    }
    grow(out.length);
    return out + '}';
  };

  // The class is looked for on the prototype chain; that the object really is of it shows when its method is applied.
  const exotic = (object, prototype, depth) => {
    for (; prototype !== null && prototype !== ObjectPrototype; prototype = getPrototypeOf(prototype)) {
      if (prototype === DatePrototype) return date(object);
      if (prototype === MapPrototype) return listed(object, mapForEach, depth, (item, key) =>
        '[' + value(key, depth + 2) + ',' + value(item, depth + 2) + ']');
      if (prototype === SetPrototype) return listed(object, setForEach, depth, (item) => value(item, depth + 1));
      if (prototype === BytesPrototype) return bytes(object, depth);
      for (let i = 0; i < boxes.length; i++)
        if (prototype === boxes[i]) return value(apply(unbox[i], object, []), depth);
    }
    return undefined;
  };

  const listed = (object, forEach, depth, write) => {
    let out = '';
    apply(forEach, object, [(item, key) => {
      out += (out === '' ? '' : ',') + write(item, key);
      grow(out.length);
    }]);
    return '[' + out + ']';
  };

  const date = (object) => {
    const time = apply(getTime, object, []);
    if (time !== time) return '"0001-01-01T00:00:00Z"'; // Go's zero time
    const iso = apply(toISOString, object, []);
    if (iso.length !== 24) refuse('value: a date outside the years 0 to 9999');
    let end = 23; // of the milliseconds, which Go writes without their trailing zeros
    while (iso[end - 1] === '0') end--;
    if (end === 20) end = 19;
    return '"' + iso.slice(0, end) + 'Z"';
  };

  const bytes = (object, depth) => {
    const kind = apply(kindOfBytes, object, []);
    if (kind === undefined) return undefined;
    if (kind === 'Uint8Array') return '"' + apply(toBase64, object, []) + '"';
    if (kind === 'Uint8ClampedArray')
      return '"' + apply(toBase64, new Bytes(object.buffer, object.byteOffset, object.byteLength), []) + '"';
    let out = '';
    for (let i = 0; i < object.length; i++) out += (i === 0 ? '' : ',') + value(object[i], depth + 1);
    return '[' + out + ']';
  };

  // Lone surrogates are written by the engine as \udXXX, in small letters; a backslash of the text is written double.
  const escapes = /\\(?:u(d[89a-f][0-9a-f][0-9a-f])?|[^u])/g;
  const mend = (out) => out.includes('\\ud')
    ? out.replaceAll(escapes, (escape, surrogate) => surrogate === undefined ? escape : '\\ufffd') : out;

  const encode = (v) => {
    let out = mend(value(v, 0));
    if (out.includes('<')) out = out.replaceAll('<', '\\u003c');
    if (out.includes('>')) out = out.replaceAll('>', '\\u003e');
    if (out.includes('&')) out = out.replaceAll('&', '\\u0026');
    if (out.includes('\u2028')) out = out.replaceAll('\u2028', '\\u2028');
    if (out.includes('\u2029')) out = out.replaceAll('\u2029', '\\u2029');
    return out;
  };

  // The same text over several lines (Go: json.Indent with an empty prefix). `step` is one level's indentation.
  const indent = (compact, step) => {
    let out = '', depth = 0;
    const line = () => '\n' + step.repeat(depth);
    for (let i = 0; i < compact.length; i++) {
      const sign = compact[i];
      if (sign === '"') {
        const start = i;
        while (compact[++i] !== '"') if (compact[i] === '\\') i++;
        out += compact.slice(start, i + 1);
      } else if (sign === '{' || sign === '[') {
        const next = compact[i + 1];
        if (next === '}' || next === ']') {
          out += sign + next;
          i++;
        } else {
          depth++;
          out += sign + line();
        }
      } else if (sign === '}' || sign === ']') {
        depth--;
        out += line() + sign;
      } else if (sign === ',') out += sign + line();
      else out += sign === ':' ? ': ' : sign;
      grow(out.length);
    }
    return out;
  };
  return { encode, indent, mend };
})
