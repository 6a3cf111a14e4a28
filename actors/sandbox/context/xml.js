// XML of a script's value (c.XML, c.XMLPretty). Takes the Go JSON writer, for dates, and `grow`; returns encode(value, step).
//
// Strings, numbers, booleans, dates and arrays of them are written as Go's encoder writes what its JavaScript engine hands
// to it: `<string>x</string>`, `<int64>1</int64>`, `<float64>1.5</float64>`, `<bool>true</bool>`, null as nothing, an array
// as its items without an element around them. Go's encoder refuses objects; here one becomes elements, in its own order:
// an element per key, an array as one element per item, null as an empty one, `@name` as an attribute, `#text` as text. The
// root is the key of an object that has just one (and that no array), else `xml`.
(function xml(encodeJson, grow) {
  'use strict';
  const MAX_DEPTH = 500;
  const HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n';
  const { keys: keysOf } = Object;
  const { isArray } = Array;
  const { isView } = ArrayBuffer;
  const Bytes = Uint8Array;
  const NAME = /^[A-Za-z_\x80-\uffff][\w.\-\x80-\uffff]*(?::[A-Za-z_\x80-\uffff][\w.\-\x80-\uffff]*)?$/;

  const ESCAPES = { '"': '&#34;', "'": '&#39;', '&': '&amp;', '<': '&lt;', '>': '&gt;', '\t': '&#x9;', '\n': '&#xA;',
    '\r': '&#xD;' };
  const escape = (text) => text.toWellFormed()
    .replace(/["'&<>\t\n\r]/g, (sign) => ESCAPES[sign]).replace(/[\x00-\x1f\ufffe\uffff]/g, '\ufffd');

  const isInteger = (number) => number % 1 === 0 && number <= 2 ** 53 && number >= -(2 ** 53) && !Object.is(number, -0);
  // Go: strconv.FormatFloat(number, 'g', -1, 64).
  const float = (number) => {
    if (number !== number) return 'NaN';
    if (number - number !== 0) return number > 0 ? '+Inf' : '-Inf';
    if (number === 0) return '-0';
    const [digits, exponent] = number.toExponential().split('e');
    if (+exponent >= -4 && +exponent < 6) return '' + number;
    return digits + 'e' + exponent[0] + exponent.slice(1).padStart(2, '0');
  };
  // [name of Go's type, text], or undefined for a value that is no single one.
  const scalar = (v) => {
    switch (typeof v) {
      case 'string': return ['string', v];
      case 'number': return isInteger(v) ? ['int64', '' + v] : ['float64', float(v)];
      case 'boolean': return ['bool', '' + v];
      case 'bigint': return ['int64', '' + v];
      case 'object': break;
      default: throw new TypeError('xml: unsupported type: ' + typeof v);
    }
    if (v instanceof Date) return ['Time', encodeJson(v).slice(1, -1)];
    if (isView(v)) return ['string', new Bytes(v.buffer, v.byteOffset, v.byteLength).toBase64()];
    return undefined;
  };
  const named = (name) => {
    if (!NAME.test(name)) throw new TypeError('xml: ' + JSON.stringify(name.slice(0, 80)) + ' cannot name an element');
    return name;
  };

  const encode = (value, step) => {
    let begun = false;
    const line = (depth) => {
      if (step === '') return '';
      const start = begun ? '\n' : '';
      begun = true;
      return start + step.repeat(depth);
    };
    const element = (name, v, depth) => {
      if (depth > MAX_DEPTH) throw new RangeError('xml: nested deeper than ' + MAX_DEPTH + ' levels, or cyclic');
      let out = '';
      if (isArray(v)) {
        for (let i = 0; i < v.length; i++) out += element(name, v[i], isArray(v[i]) ? depth + 1 : depth);
        return out;
      }
      out = line(depth) + '<' + named(name);
      const single = v === null || v === undefined ? ['', ''] : scalar(v);
      if (single !== undefined) return out + '>' + escape(single[1]) + '</' + name + '>';
      const keys = keysOf(v);
      let inner = '', nested = false;
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i];
        if (key[0] === '@') out += ' ' + named(key.slice(1)) + '="' + escape(attribute(v[key])) + '"';
      }
      for (let i = 0; i < keys.length; i++) {
        const key = keys[i];
        if (key === '#text') inner += escape(attribute(v[key]));
        else if (key[0] !== '@') {
          const before = inner.length;
          inner += element(key, v[key], depth + 1);
          nested ||= inner.length > before;
        }
        grow(inner.length);
      }
      return out + '>' + inner + (nested ? line(depth) : '') + '</' + name + '>';
    };
    const attribute = (v) => {
      const single = v === null || v === undefined ? ['', ''] : scalar(v);
      if (single === undefined) throw new TypeError('xml: an attribute or text must be a single value');
      return single[1];
    };
    const root = (v, depth) => {
      if (v === null || v === undefined) return '';
      if (isArray(v)) {
        if (depth > MAX_DEPTH) throw new RangeError('xml: nested deeper than ' + MAX_DEPTH + ' levels, or cyclic');
        let out = '';
        for (let i = 0; i < v.length; i++) {
          out += root(v[i], depth + 1);
          grow(out.length);
        }
        return out;
      }
      const single = scalar(v);
      if (single !== undefined) return element(single[0], v, 0);
      const keys = keysOf(v);
      const only = keys.length === 1 && keys[0][0] !== '@' && keys[0] !== '#text' && !isArray(v[keys[0]]);
      return only ? element(keys[0], v[keys[0]], 0) : element('xml', v, 0);
    };
    return HEADER + root(value, 0);
  };
  return { encode, HEADER };
})
