// The module `querystring`, as Node's documentation has it. Takes the encodings.
(function querystring({ percentDecoded, percentEncoded }) {
  const { create, keys: keysOf } = Object;
  const { isArray } = Array;
  const MAX_KEYS = 1000; // Node's: a query of a million keys is not a query

  const escape = (value) => {
    const text = typeof value === 'string' ? value : typeof value === 'object' ? String(value) : value + '';
    if (!text.isWellFormed()) throw Object.assign(new URIError('URI malformed'), { code: 'ERR_INVALID_URI' });
    return percentEncoded(text, /[^A-Za-z0-9\-_.!~*'()]+/g);
  };
  const unescape = (text) => percentDecoded(String(text));
  const plain = (value) => {
    switch (typeof value) {
      case 'string': return value;
      case 'number': return Number.isFinite(value) ? '' + value : '';
      case 'bigint': return '' + value;
      case 'boolean': return value ? 'true' : 'false';
      default: return '';
    }
  };
  const stringify = (values, separator, equals, options) => {
    if (values === null || typeof values !== 'object') return '';
    const between = separator || '&', is = equals || '=';
    const encode = typeof options?.encodeURIComponent === 'function' ? options.encodeURIComponent : module.escape;
    const out = [];
    for (const name of keysOf(values)) {
      const value = values[name];
      const head = encode(plain(name)) + is;
      if (!isArray(value)) out[out.length] = head + encode(plain(value));
      else for (let i = 0; i < value.length; i++) out[out.length] = head + encode(plain(value[i]));
    }
    return out.join(between);
  };
  const parse = (text, separator, equals, options) => {
    const found = create(null);
    if (typeof text !== 'string' || text === '') return found;
    const between = separator ? String(separator) : '&', is = equals ? String(equals) : '=';
    const most = typeof options?.maxKeys === 'number' ? options.maxKeys : MAX_KEYS;
    const own = options?.decodeURIComponent;
    const decode = (part) => {
      const spaced = part.replaceAll('+', ' ');
      if (typeof own !== 'function') return unescape(spaced);
      try {
        return own(spaced);
      } catch {
        return unescape(spaced);
      }
    };
    let count = 0;
    for (let at = 0; at <= text.length && !(most > 0 && count >= most);) {
      let end = text.indexOf(between, at);
      if (end < 0) end = text.length;
      const part = text.slice(at, end);
      at = end + between.length;
      if (part === '') continue;
      count++;
      const split = part.indexOf(is);
      const name = decode(split < 0 ? part : part.slice(0, split));
      const value = split < 0 ? '' : decode(part.slice(split + is.length));
      if (found[name] === undefined) found[name] = value;
      else if (isArray(found[name])) found[name].push(value);
      else found[name] = [found[name], value];
    }
    return found;
  };
  const module = { parse, stringify, escape, unescape, decode: parse, encode: stringify };
  return module;
})
