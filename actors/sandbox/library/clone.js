// structuredClone (WHATWG HTML): data of any shape, with its cycles; functions, symbols and what lives are refused.
// Takes errors and kinds. The copies already made are in a map of the call.
(function clone({ coded, domFailure }, { types, typedName, isPlain }) {
  const { defineProperty, keys: keysOf, hasOwn, getOwnPropertyDescriptor } = Object;
  const ERRORS = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, __proto__: null };
  const views = { DataView, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float32Array, Float64Array, BigInt64Array, BigUint64Array, __proto__: null };
  const describe = (value) => {
    if (typeof value === 'symbol') return String(value);
    if (typeof value === 'function') return `function ${value.name}`;
    return `#<${value.constructor?.name || 'Object'}>`;
  };
  const refusal = (value) => domFailure(`${describe(value)} could not be cloned.`, 'DataCloneError');
  const put = (target, key, value) =>
    defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  const fields = (from, to, copy) => {
    const names = keysOf(from);
    for (let i = 0; i < names.length; i++) if (hasOwn(from, names[i])) put(to, names[i], copy(from[names[i]]));
    return to;
  };
  const errorOf = (error, copy) => {
    const name = String(error.name);
    const made = new (ERRORS[name] ?? Error)();
    for (const key of ['message', 'stack', 'cause']) {
      const found = getOwnPropertyDescriptor(error, key);
      if (found === undefined || !('value' in found)) continue;
      const value = key === 'cause' ? copy(found.value) : String(found.value);
      defineProperty(made, key, { value, writable: true, configurable: true });
    }
    return made;
  };

  return function structuredClone(value, options) {
    if (arguments.length === 0)
      throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "value" argument must be specified');
    const done = new Map();
    const transfer = [...(options?.transfer ?? [])];
    for (const given of transfer) {
      if (!types.isArrayBuffer(given)) throw domFailure('Found invalid object in transferList', 'DataCloneError');
      if (given.detached) throw domFailure('An ArrayBuffer is detached and could not be cloned.', 'DataCloneError');
    }
    const remember = (from, to) => {
      done.set(from, to);
      return to;
    };
    const copy = (from) => {
      if (typeof from === 'symbol' || typeof from === 'function') throw refusal(from);
      if (from === null || typeof from !== 'object') return from;
      if (done.has(from)) return done.get(from);
      if (Array.isArray(from)) {
        const to = remember(from, []);
        to.length = from.length;
        return fields(from, to, copy);
      }
      if (isPlain(from)) return fields(from, remember(from, {}), copy);
      if (types.isDate(from)) return remember(from, new Date(Date.prototype.getTime.call(from)));
      if (types.isRegExp(from)) return remember(from, new RegExp(from.source, from.flags));
      if (types.isBoxedPrimitive(from)) {
        if (types.isSymbolObject(from)) throw refusal(from);
        return remember(from, Object(from.valueOf()));
      }
      if (types.isArrayBuffer(from)) {
        if (from.detached) throw domFailure('An ArrayBuffer is detached and could not be cloned.', 'DataCloneError');
        return remember(from, ArrayBuffer.prototype.slice.call(from, 0));
      }
      if (ArrayBuffer.isView(from)) {
        const View = views[typedName(from) ?? 'DataView'];
        if (View === undefined) throw refusal(from);
        return remember(from, new View(copy(from.buffer), from.byteOffset, from.length ?? from.byteLength));
      }
      if (types.isMap(from)) {
        const to = remember(from, new Map());
        for (const [key, item] of [...Map.prototype.entries.call(from)]) to.set(copy(key), copy(item));
        return to;
      }
      if (types.isSet(from)) {
        const to = remember(from, new Set());
        for (const item of [...Set.prototype.values.call(from)]) to.add(copy(item));
        return to;
      }
      if (types.isNativeError(from)) return remember(from, errorOf(from, copy));
      if (types.isPromise(from) || types.isWeakMap(from) || types.isWeakSet(from)) throw refusal(from);
      return fields(from, remember(from, {}), copy);
    };
    const result = copy(value);
    for (const given of transfer) given.transfer();
    return result;
  };
})
