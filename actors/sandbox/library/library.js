// The web library of one realm: the globals and the modules of `require`, linked from their parts.
//
// Takes `runtime`, how the library reaches out: `send(name, values)`, a promise of the runtime's answer, `local(name,
// values)`, a function of this process, and `settle(value)`, told every object a script can come by before one does, to
// freeze it in a realm that several runs share; and `parts`, the files beside this one.
// Returns { globals, modules }, objects by name. A group is linked when one of its names is first read: all of them take
// a third of a millisecond. Invariant: no state here but which groups are linked; what changes is in objects that scripts
// make, so one realm's library serves one run after another.
(function library(runtime, parts) {
  'use strict';
  const { send, local, settle = (value) => value } = runtime;
  const { defineProperty } = Object;
  const failures = parts.failures();
  const encodings = parts.encodings(failures);

  const once = (make) => {
    let made;
    return () => {
      if (made === undefined) {
        made = make();
        settle(made);
      }
      return made;
    };
  };
  const kinds = once(() => parts.kinds());
  const bytes = once(() => parts.buffer(failures, encodings, parts.numbers));
  const coders = once(() => parts.text(failures, encodings));
  const hosts = once(() => parts.host(encodings));
  const search = once(() => parts.search(failures, encodings));
  const addresses = once(() => parts.url(failures, encodings, hosts(), search()));
  const querystring = once(() => parts.querystring(encodings));
  const crypto = once(() => parts.crypto(failures, bytes().Buffer, local));
  const aborts = once(() => parts.abort(failures, send));
  const headers = once(() => parts.headers());
  const clone = once(() => parts.clone(failures, kinds()));
  const fetching = once(() => {
    const { URLSearchParams } = search();
    const classes = { Buffer: bytes().Buffer, Headers: headers(), URL: addresses().URL, URLSearchParams };
    return parts.fetch(encodings, classes, aborts(), send);
  });
  const util = once(() => {
    const { inspect, ...inspector } = parts.inspect(kinds());
    const formats = parts.format({ inspect, ...inspector });
    return parts.util(failures, kinds(), inspect, formats, parts.equality(kinds()), coders());
  });

  // Objects whose properties are made when they are read.
  const lazily = (makers) => {
    const object = {};
    for (const name of Object.keys(makers)) defineProperty(object, name, { get: makers[name], enumerable: true });
    return object;
  };
  return {
    globals: lazily({
      AbortController: () => aborts().AbortController,
      AbortSignal: () => aborts().AbortSignal,
      Buffer: () => bytes().Buffer,
      Headers: headers,
      Request: () => fetching().Request,
      Response: () => fetching().Response,
      TextDecoder: () => coders().TextDecoder,
      TextEncoder: () => coders().TextEncoder,
      URL: () => addresses().URL,
      URLSearchParams: () => search().URLSearchParams,
      crypto,
      fetch: () => fetching().fetch,
      structuredClone: clone,
    }),
    modules: lazily({
      buffer: () => bytes().module,
      crypto,
      path: once(() => parts.path(failures)),
      querystring,
      url: once(() => parts.locator(failures, hosts(), addresses(), search().URLSearchParams, querystring())),
      util,
    }),
  };
})
