// `c.request` and `c.response`, the manuals' names for what Go's `c` does by methods. Takes the request, the answer and the
// Go JSON writer; returns { request, response }.
//
// The manuals show `body`, `headers`, `query`; `status`, `set`, `write`, `end`. The rest is what those who know such objects
// from other servers of JavaScript will try. Both are frozen: what a run reads is made anew in it and kept until its end.
(function manualContext(request, answer, encode) {
  'use strict';
  const { keys: keysOf } = Object;
  const { isArray } = Array;
  const { isView } = ArrayBuffer;
  const { put } = request;
  const JSON_TYPE = 'application/json', TEXT_TYPE = 'text/plain; charset=UTF-8', HTML_TYPE = 'text/html; charset=UTF-8';
  const BYTES_TYPE = 'application/octet-stream';

  // --- c.request -------------------------------------------------------------------------------------------------------

  let kept = null; // what was read in this run, by name: the same object each time
  const begin = () => { kept = null; };
  const once = (name, make) => {
    kept ??= { __proto__: null };
    return name in kept ? kept[name] : kept[name] = make();
  };
  // Lower-case names; several lines of one name are joined as HTTP joins them.
  const headers = () => {
    const object = {};
    const given = request.headers();
    const names = keysOf(given);
    for (let i = 0; i < names.length; i++)
      put(object, names[i].toLowerCase(), given[names[i]].join(names[i] === 'Cookie' ? '; ' : ', '));
    return object;
  };
  const cookies = () => {
    const object = {};
    const all = request.allCookies();
    for (let i = all.length - 1; i >= 0; i--) put(object, all[i].Name, all[i].Value); // the first of a name wins
    return object;
  };
  const params = () => {
    const object = {};
    const given = request.variables();
    const names = keysOf(given);
    for (let i = 0; i < names.length; i++) put(object, names[i], given[names[i]]);
    return object;
  };
  const search = () => request.all('query_string') ?? '';
  const manualRequest = {
    // JSON: its value. A form, also multipart: an object of its fields, several of a name an array. Other text: the text.
    // Bytes: a Uint8Array. No body: {}.
    get body() { return once('body', request.body); },
    // Header lines by lower-case name.
    get headers() { return once('headers', headers); },
    // Query values by name: text, or an array of several.
    get query() { return once('query', () => request.plain(request.group(request.pairs('query')), true)); },
    get cookies() { return once('cookies', cookies); },
    // What the path's `:name` segments matched.
    get params() { return once('params', params); },
    // Uploaded files by field, each an array of { filename, size, type, header, text(), bytes(), base64() }.
    get files() { return once('files', request.filesByField); },
    get method() { return request.meta('method'); },
    // As it came, percent-encoded.
    get path() { return request.meta('path'); },
    get url() { return request.meta('path') + (search() === '' ? '' : '?' + search()); },
    get host() { return request.meta('host'); },
    get protocol() { return request.meta('scheme') || 'http'; },
    get ip() { return request.client(); },
    // One header line, whatever the case of its name; undefined when there is none.
    get: (name) => {
      const values = request.headerValues(name);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };

  // --- c.response ------------------------------------------------------------------------------------------------------

  const isBytes = (data) => isView(data) || data instanceof ArrayBuffer || isArray(data);
  const append = (data, textType) => {
    const bytes = typeof data === 'object' && data !== null && isBytes(data);
    if (!bytes && (data === null || (typeof data !== 'string' && typeof data !== 'number' && typeof data !== 'boolean')))
      throw new TypeError('a chunk of an answer is a text, or bytes');
    if (answer.ended()) throw new Error('the answer has ended');
    answer.write(answer.status(), bytes ? BYTES_TYPE : textType, bytes ? answer.BINARY : answer.TEXT,
      bytes ? answer.binary(data) : answer.whole(data));
  };
  const set = (name, value) => {
    if (typeof name === 'object' && name !== null) {
      const names = keysOf(name);
      for (let i = 0; i < names.length; i++) set(names[i], name[names[i]]);
    } else if (isArray(value)) {
      answer.removeLine(name);
      for (let i = 0; i < value.length; i++) answer.addLine(name, value[i]);
    } else answer.setLine(name, value);
    return manualResponse;
  };
  const json = (value) => {
    if (answer.ended()) throw new Error('the answer has ended');
    answer.write(answer.status(), JSON_TYPE, answer.RAW, encode(value));
    return manualResponse;
  };
  const manualResponse = {
    // The status of this run's answer, also of one that its last payload becomes. Once an answer has begun it stays.
    get status() { return answer.status(); },
    set status(value) { answer.want(value); },
    // One header line, several ([…]) or, given an object, one for each name.
    set,
    // The value of a header line set here; undefined when there is none.
    get: (name) => answer.lineValues(name)[0],
    remove: (name) => {
      answer.removeLine(name);
      return manualResponse;
    },
    // Send a chunk now: text, or bytes (a buffer, a view, an array of numbers). The first one sends status and headers.
    // It returns when the client has room for more, and throws an AbortError when the client has left. What c.JSON and its
    // kin answer later in the run is appended.
    write: (chunk) => {
      append(chunk, TEXT_TYPE);
      answer.flush();
      return true;
    },
    // The end of the answer, after a last chunk if one is given. Without a write before, it is an ordinary answer: it
    // leaves at the end of the run, with its length.
    end: (chunk) => {
      if (chunk !== undefined && chunk !== null) append(chunk, TEXT_TYPE);
      answer.end();
      return manualResponse;
    },
    // A whole answer: a JSON value, as Go writes it.
    json,
    // A whole answer of what is given: a text as HTML, bytes as they are, any other value as JSON.
    send: (value) => {
      if (typeof value !== 'string' && !isView(value) && !(value instanceof ArrayBuffer)) return json(value);
      append(value, HTML_TYPE);
      return manualResponse;
    },
    // True once status and headers can no longer change.
    get headersSent() { return answer.begun(); },
  };
  return { begin, request: manualRequest, response: manualResponse };
})
