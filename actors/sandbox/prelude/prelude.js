// Hardening of one realm, run once before any script. Takes the realm's mode, returns what hardens values made later.
//
// Invariants: no script can compile text (the constructors are unreachable, not only unnamed); in a shared realm every
// built-in object is frozen and none is on the global object, so what one run leaves can be seen and swept. A realm of
// one run keeps its built-ins as they were: scripts may extend prototypes there.
(function harden(shared) {
  'use strict';
  const G = globalThis;
  const { create, defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf, isExtensible, setPrototypeOf } = Object;
  const { ownKeys, defineProperty: tryDefine } = Reflect;

  // 1. No code from text. `constructor` is the only way to the four function constructors once their names are gone.
  const blocked = function Function() {
    throw new TypeError('code generation from strings is disabled');
  };
  defineProperty(blocked, 'prototype', { value: Function.prototype, writable: false });
  const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (let i = 0; i < kinds.length; i++)
    defineProperty(getPrototypeOf(kinds[i]), 'constructor',
      { value: blocked, writable: false, configurable: false, enumerable: false });
  G.Function = blocked;
  delete G.eval;
  // Accessors that hand out call sites, and with them the functions of this file.
  delete Error.prepareStackTrace;
  delete Error.stackTraceLimit;
  delete Error.captureStackTrace;

  // 2. What scripts have no use for, or what would show them the collector, the clock's grain or other threads.
  const errorKinds = [Error, AggregateError, EvalError, InternalError, RangeError, ReferenceError, SyntaxError,
    TypeError, URIError];
  const unnamed = [InternalError, DOMException]; // still reachable: from errors the engine throws
  const surplus = ['Atomics', 'AsyncDisposableStack', 'DOMException', 'DisposableStack', 'FinalizationRegistry',
    'Float16Array', 'InternalError', 'SharedArrayBuffer', 'SuppressedError', 'WeakRef', 'performance',
    'queueMicrotask'];
  for (let i = 0; i < surplus.length; i++) delete G[surplus[i]];
  if (!shared) return (value) => value;

  // 3. An object that inherits a frozen property cannot be assigned one of that name: `err.name = …` would be ignored,
  // or throw. So the names scripts do assign become accessors that define the property on the assigned object.
  const assignable = (object, keys) => {
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      const found = getOwnPropertyDescriptor(object, key);
      if (found === undefined || !found.configurable || !('value' in found)) continue;
      const value = found.value;
      defineProperty(object, key, {
        get() { return value; },
        set(wanted) {
          if (this === object) throw new TypeError('a built-in object cannot be changed here');
          if (this === null || (typeof this !== 'object' && typeof this !== 'function')) return;
          tryDefine(this, key, getOwnPropertyDescriptor(this, key) === undefined
            ? { value: wanted, writable: true, enumerable: true, configurable: true } : { value: wanted });
        },
        enumerable: false,
        configurable: false,
      });
    }
  };
  const conversions = ['toString', 'toLocaleString', 'valueOf', 'toJSON'];
  const classes = [Array, Boolean, Date, Map, Number, Promise, RegExp, Set, String];
  assignable(Object.prototype, ownKeys(Object.prototype));
  assignable(Function.prototype, ['toString', 'call', 'apply', 'bind']);
  for (let i = 0; i < errorKinds.length; i++) assignable(errorKinds[i].prototype, ownKeys(errorKinds[i].prototype));
  for (let i = 0; i < classes.length; i++) assignable(classes[i].prototype, conversions);

  // 4. Freeze every object reachable from the global object, or from syntax alone.
  const seen = new Set();
  const list = [];
  let count = 0;
  const visit = (value) => {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || value === G) return;
    if (seen.has(value)) return;
    seen.add(value);
    list[count++] = value;
  };
  const syntax = [...kinds, [].values(), new Map().values(), new Set().values(), ''[Symbol.iterator](),
    /a/[Symbol.matchAll](''), Iterator.from({ next: null }), [].values().map(isNaN), Iterator.concat([]),
    Int8Array, kinds[2](), kinds[3]()];
  for (let i = 0; i < syntax.length; i++) visit(getPrototypeOf(syntax[i]));
  for (let i = 0; i < unnamed.length; i++) visit(unnamed[i]);
  visit(getOwnPropertyDescriptor(function () { return arguments; }(), 'callee').get); // thrower of strict functions
  // The built-ins move to the global object's prototype: what is on the global object itself is then the run's.
  const builtins = create(getPrototypeOf(G));
  const names = ownKeys(G);
  for (let i = 0; i < names.length; i++) {
    const found = getOwnPropertyDescriptor(G, names[i]);
    visit(found.value);
    if (!found.configurable) continue; // undefined, NaN, Infinity: nobody can change them
    defineProperty(builtins, names[i], found);
    delete G[names[i]];
  }
  assignable(builtins, ['atob']); // nFlow's own stands before it
  setPrototypeOf(G, builtins);
  visit(builtins);
  const walk = (from) => {
    for (let i = from; i < count; i++) {
      const object = list[i];
      visit(getPrototypeOf(object));
      const keys = ownKeys(object);
      if (keys.length === 2 && typeof object === 'function') continue; // only length and name
      for (let j = 0; j < keys.length; j++) {
        const found = getOwnPropertyDescriptor(object, keys[j]);
        if ('value' in found) visit(found.value);
        else {
          visit(found.get);
          visit(found.set);
        }
      }
    }
    for (let i = from; i < count; i++) freeze(list[i]);
  };
  walk(0);
  // 5. What is linked later, and all it reaches, is frozen then; classes of it can be extended as those of the engine.
  const inherited = [...conversions, 'constructor'];
  return (value) => {
    const from = count;
    visit(value);
    for (let i = from; i < count; i++) {
      const keys = ownKeys(list[i]);
      for (let j = 0; j < keys.length; j++) visit(getOwnPropertyDescriptor(list[i], keys[j]).value);
      const prototype = typeof list[i] === 'function' ? getOwnPropertyDescriptor(list[i], 'prototype')?.value : undefined;
      if (typeof prototype === 'object' && prototype !== null && isExtensible(prototype)) assignable(prototype, inherited);
    }
    walk(from);
    return value;
  };
})
