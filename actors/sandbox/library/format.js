// util.format: a text with its %s, %d, %i, %f, %j, %o, %O and %c filled in, as Node's documentation has it.
// Takes the inspector.
(function format({ inspect, numberText, hasOwnText }) {
  const stringOf = (value, options) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'number') return numberText(value);
    if (typeof value !== 'object' || value === null || hasOwnText(value)) return String(value);
    return inspect(value, { ...options, depth: 0, colors: false, compact: 3 });
  };
  const numeric = (value, parse) => {
    if (typeof value === 'symbol') return 'NaN';
    if (typeof value === 'bigint' && parse !== parseFloat) return `${value}n`;
    return numberText(parse(value));
  };
  const jsonOf = (value) => {
    try {
      return JSON.stringify(value);
    } catch (error) {
      if (error instanceof TypeError && error.message.includes('circular')) return '[Circular]';
      throw error;
    }
  };
  const directives = {
    __proto__: null, s: stringOf, j: jsonOf, c: () => '',
    d: (value) => numeric(value, Number),
    i: (value) => numeric(value, parseInt),
    f: (value) => numeric(value, parseFloat),
    o: (value, options) => inspect(value, { ...options, showHidden: true, showProxy: true, depth: 4 }),
    O: (value, options) => inspect(value, options),
  };
  const formatWithOptions = (options, ...values) => {
    if (typeof options !== 'object' || options === null)
      throw Object.assign(new TypeError('The "inspectOptions" argument must be of type object.'), { code: 'ERR_INVALID_ARG_TYPE' });
    let used = 0;
    let out = '';
    if (typeof values[0] === 'string') {
      used = 1;
      if (values.length === 1) return values[0];
      out = values[0].replace(/%([sjdifoOc%])/g, (whole, letter) => {
        if (letter === '%') return '%';
        return used < values.length ? directives[letter](values[used++], options) : whole;
      });
    }
    for (; used < values.length; used++)
      out += (used === 0 ? '' : ' ') + (typeof values[used] === 'string' ? values[used] : inspect(values[used], options));
    return out;
  };
  return { format: (...values) => formatWithOptions({}, ...values), formatWithOptions };
})
