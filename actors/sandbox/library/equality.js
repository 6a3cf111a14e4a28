// util.isDeepStrictEqual: whether two values are the same in type, prototype and content. Takes kinds.
// Pairs already being compared are taken to be equal, so cycles end.
(function equality({ types, typedName, isPlain }) {
  const { getPrototypeOf, getOwnPropertyDescriptor, hasOwn, is } = Object;
  const { ownKeys } = Reflect;
  const brands = ['isDate', 'isRegExp', 'isNativeError', 'isMap', 'isSet', 'isBoxedPrimitive',
    'isArrayBuffer', 'isDataView'];
  const isThing = (value) => value !== null && typeof value === 'object';
  const enumerable = (value) => ownKeys(value).filter((key) => getOwnPropertyDescriptor(value, key)?.enumerable);
  const sameBytes = (a, b) => {
    const [left, right] = [a, b].map((view) => ArrayBuffer.isView(view)
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view));
    return left.length === right.length && left.every((byte, i) => byte === right[i]);
  };

  return (first, second) => {
    const pairs = new Map();
    const same = (a, b) => {
      if (is(a, b)) return true;
      if (!isThing(a) || !isThing(b) || getPrototypeOf(a) !== getPrototypeOf(b)) return false;
      if (Array.isArray(a) !== Array.isArray(b) || Array.isArray(a) && a.length !== b.length) return false;
      const plain = isPlain(a);
      if (!plain && (brands.some((brand) => types[brand](a) !== types[brand](b)) || typedName(a) !== typedName(b)))
        return false;
      const others = pairs.get(a);
      if (others?.has(b)) return true;
      if (others === undefined) pairs.set(a, new Set([b]));
      else others.add(b);
      const equal = (plain || sameInside(a, b)) && sameFields(a, b);
      pairs.get(a).delete(b);
      return equal;
    };
    const sameFields = (a, b) => {
      if (typedName(a) !== undefined) return true;
      const keys = enumerable(a);
      return keys.length === enumerable(b).length
        && keys.every((key) => hasOwn(b, key) && getOwnPropertyDescriptor(b, key).enumerable && same(a[key], b[key]));
    };
    const sameInside = (a, b) => {
      if (types.isDate(a)) return is(Date.prototype.getTime.call(a), Date.prototype.getTime.call(b));
      if (types.isRegExp(a)) return a.source === b.source && a.flags === b.flags && a.lastIndex === b.lastIndex;
      if (types.isNativeError(a)) return a.name === b.name && a.message === b.message && same(a.cause, b.cause);
      if (types.isBoxedPrimitive(a)) return is(a.valueOf(), b.valueOf());
      if (types.isArrayBuffer(a) || types.isDataView(a)) return sameBytes(a, b);
      if (typedName(a)?.startsWith('Float')) return a.length === b.length && a.every((number, i) => is(number, b[i]));
      if (typedName(a) !== undefined) return sameBytes(a, b);
      if (types.isSet(a)) return a.size === b.size && matched([...a], [...b], same, (item) => b.has(item));
      if (types.isMap(a)) return a.size === b.size && matched([...a], [...b],
        ([key, value], [other, held]) => same(key, other) && same(value, held),
        ([key, value]) => !isThing(key) && b.has(key) && same(value, b.get(key)));
      return !types.isPromise(a) && !types.isWeakMap(a) && !types.isWeakSet(a);
    };
    return same(first, second);
  };

  // Whether every item has a partner of its own: the quick look first, then one after another.
  function matched(items, others, equal, quick) {
    const free = new Set(others.keys());
    return items.every((item) => {
      if (quick(item)) return true;
      for (const i of free) {
        if (!equal(item, others[i])) continue;
        free.delete(i);
        return true;
      }
      return false;
    });
  }
})
