// The web library of one realm: the globals and the modules of `require`, linked from their parts.
//
// Takes `runtime`, how the library reaches out: `send(name, values)`, a promise of the runtime's answer, `call`, the same
// but waiting, and `local(name, values)`, a function of this process; and `parts`, the files beside this one.
// Returns { globals, modules }, objects by name. Invariant: no state here; what changes is in objects that scripts make,
// so all of it may be frozen, and one realm's library serves one run after another.
(function library(runtime, parts) {
  'use strict';
  const failures = parts.failures();
  const encodings = parts.encodings(failures);
  const kinds = parts.kinds();
  const { Buffer, module: buffer } = parts.buffer(failures, encodings, parts.numbers);
  const { TextEncoder, TextDecoder } = parts.text(failures, encodings);
  const structuredClone = parts.clone(failures, kinds);
  const hosts = parts.host(encodings);
  const search = parts.search(failures, encodings);
  const { URLSearchParams } = search;
  const addresses = parts.url(failures, encodings, hosts, search);
  const { URL } = addresses;
  const querystring = parts.querystring(encodings);
  const path = parts.path(failures);
  const inspector = parts.inspect(kinds);
  const formats = parts.format(inspector);
  const equality = parts.equality(kinds);
  const util = parts.util(failures, kinds, inspector.inspect, formats, equality, { TextEncoder, TextDecoder });
  const crypto = parts.crypto(failures, Buffer, runtime.local);
  const url = parts.locator(failures, hosts, addresses, URLSearchParams, querystring);
  const aborts = parts.abort(failures, runtime.send);
  const { AbortController, AbortSignal } = aborts;
  const Headers = parts.headers();
  const { Request, Response, fetch } =
    parts.fetch(encodings, { Buffer, Headers, URL, URLSearchParams }, aborts, runtime.send);

  return {
    globals: {
      Buffer, URL, URLSearchParams, TextEncoder, TextDecoder, structuredClone, crypto, fetch, Headers, Request, Response,
      AbortController, AbortSignal,
    },
    modules: { util, url, querystring, path, crypto, buffer },
  };
})
