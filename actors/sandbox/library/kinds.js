// What a value really is, whatever its prototype or its toStringTag says: `util.types`. Takes nothing.
// The engine's own methods are the test: they throw for a value that lacks the inner slot.
(function kinds() {
  const { apply } = Reflect;
  const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const answers = (method, ...values) => (value) => {
    if (value === null || typeof value !== 'object') return false;
    try {
      apply(method, value, values);
      return true;
    } catch {
      return false;
    }
  };
  const getter = (prototype, name) => getOwnPropertyDescriptor(prototype, name).get;
  const tagOf = getter(getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
  const typedName = (value) => value !== null && typeof value === 'object' ? apply(tagOf, value, []) : undefined;
  const isNumberObject = answers(Number.prototype.valueOf);
  const isStringObject = answers(String.prototype.valueOf);
  const isBooleanObject = answers(Boolean.prototype.valueOf);
  const isSymbolObject = answers(Symbol.prototype.valueOf);
  const isBigIntObject = answers(BigInt.prototype.valueOf);
  const asyncPrototypes = [getPrototypeOf(async function () {}), getPrototypeOf(async function* () {})];
  const generatorPrototypes = [getPrototypeOf(function* () {}), asyncPrototypes[1]];
  const made = (prototypes) => (value) => typeof value === 'function' && prototypes.includes(getPrototypeOf(value));
  const tagged = (prototype) => (value) => value !== null && typeof value === 'object'
    && getPrototypeOf(value) === prototype;
  const isArrayBuffer = answers(getter(ArrayBuffer.prototype, 'byteLength'));

  const types = {
    isAnyArrayBuffer: isArrayBuffer,
    isArrayBuffer,
    isArrayBufferView: (value) => ArrayBuffer.isView(value),
    isArgumentsObject: (value) => value !== null && typeof value === 'object' && !Object.hasOwn(value, Symbol.toStringTag)
      && !Array.isArray(value) && apply(Object.prototype.toString, value, []) === '[object Arguments]',
    isAsyncFunction: made(asyncPrototypes),
    isBigIntObject,
    isBooleanObject,
    isBoxedPrimitive: (value) => isNumberObject(value) || isStringObject(value) || isBooleanObject(value)
      || isSymbolObject(value) || isBigIntObject(value),
    isDataView: answers(getter(DataView.prototype, 'byteLength')),
    isDate: answers(Date.prototype.getTime),
    isGeneratorFunction: made(generatorPrototypes),
    isGeneratorObject: (value) => apply(Object.prototype.toString, value, []) === '[object Generator]',
    isMap: answers(getter(Map.prototype, 'size')),
    isMapIterator: tagged(getPrototypeOf(new Map().values())),
    isNativeError: (value) => Error.isError(value),
    isNumberObject,
    isPromise: (value) => value instanceof Promise,
    isProxy: () => false, // the engine does not tell
    isRegExp: (value) => isRegExp(value) && value !== RegExp.prototype,
    isSet: answers(getter(Set.prototype, 'size')),
    isSetIterator: tagged(getPrototypeOf(new Set().values())),
    isSharedArrayBuffer: () => false,
    isStringObject,
    isSymbolObject,
    isTypedArray: (value) => typedName(value) !== undefined,
    isWeakMap: answers(WeakMap.prototype.has, {}),
    isWeakSet: answers(WeakSet.prototype.has, {}),
  };
  const isRegExp = answers(getter(RegExp.prototype, 'source'));
  for (const name of ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float32', 'Float64',
    'BigInt64', 'BigUint64'])
    types[`is${name}Array`] = (value) => typedName(value) === `${name}Array`;
  // Most objects are plain, and each test above costs them an exception. One whose prototype is Object.prototype, or an
  // array, is taken to be what it looks like.
  const isPlain = (value) => getPrototypeOf(value) === Object.prototype || Array.isArray(value);
  return { types, typedName, isPlain };
})
