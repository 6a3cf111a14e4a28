// The module `util`, as Node's documentation has it. Takes errors, kinds, inspector, formats, equality and
// the text coders.
// What `deprecate` has warned of is known to the function it made, and to nobody else.
(function util({ coded, wrongType }, { types }, inspect, { format, formatWithOptions }, isDeepStrictEqual, coders) {
  const { defineProperty, defineProperties, getOwnPropertyDescriptors, getPrototypeOf, setPrototypeOf } = Object;
  const custom = Symbol.for('nodejs.util.promisify.custom');
  const needFunction = (value, name) => {
    if (typeof value !== 'function') throw wrongType(name, 'of type function', value);
    return value;
  };
  const likeness = (made, original) => {
    setPrototypeOf(made, getPrototypeOf(original));
    return defineProperties(made, getOwnPropertyDescriptors(original));
  };

  const promisify = (original) => {
    const own = needFunction(original, 'original')[custom];
    if (own !== undefined) {
      needFunction(own, 'util.promisify.custom');
      return defineProperty(own, custom, { value: own, configurable: true });
    }
    const made = function (...values) {
      return new Promise((resolve, reject) => {
        Reflect.apply(original, this, [...values, (error, value) => error ? reject(error) : resolve(value)]);
      });
    };
    defineProperty(likeness(made, original), custom, { value: made, configurable: true });
    return made;
  };
  promisify.custom = custom;
  const callbackify = (original) => {
    needFunction(original, 'original');
    return defineProperty(function (...values) {
      const callback = needFunction(values.pop(), 'last argument');
      const reason = (error) => error || Object.assign(
        coded(Error, 'ERR_FALSY_VALUE_REJECTION', 'Promise was rejected with falsy value'), { reason: error });
      Reflect.apply(original, this, values).then(
        (value) => { callback(null, value); }, (error) => { callback(reason(error)); });
    }, 'name', { value: `${original.name}Callbackified`, configurable: true });
  };
  const inherits = (child, parent) => {
    needFunction(child, 'ctor');
    needFunction(parent, 'superCtor');
    if (parent.prototype === undefined) throw wrongType('superCtor.prototype', 'of type object', parent.prototype);
    defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
    setPrototypeOf(child.prototype, parent.prototype);
  };
  const deprecate = (original, message, code) => {
    needFunction(original, 'fn');
    let warned = false;
    const made = function (...values) {
      if (!warned) {
        warned = true;
        globalThis.console?.warn(`${code === undefined ? '' : `[${code}] `}DeprecationWarning: ${message}`);
      }
      return new.target ? Reflect.construct(original, values, new.target) : Reflect.apply(original, this, values);
    };
    return defineProperty(setPrototypeOf(made, original), 'name', { value: original.name, configurable: true });
  };
  const is = (type) => (value) => typeof value === type;

  return {
    ...coders, callbackify, deprecate, format, formatWithOptions, inherits, inspect, isDeepStrictEqual, promisify, types,
    debuglog: () => Object.assign(() => {}, { enabled: false }),
    stripVTControlCharacters: (text) => String(text).replace(
      /[\x1b\x9b][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]/g, ''),
    toUSVString: (text) => String(text).toWellFormed(),
    isArray: Array.isArray, isBoolean: is('boolean'), isBuffer: types.isUint8Array, isDate: types.isDate,
    isError: (value) => types.isNativeError(value) || value instanceof Error, isFunction: is('function'),
    isNull: (value) => value === null, isNullOrUndefined: (value) => value === null || value === undefined,
    isNumber: is('number'), isObject: (value) => value !== null && typeof value === 'object',
    isPrimitive: (value) => value === null || typeof value !== 'object' && typeof value !== 'function',
    isRegExp: types.isRegExp, isString: is('string'), isSymbol: is('symbol'), isUndefined: is('undefined'),
  };
})
