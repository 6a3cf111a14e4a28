// `http` of the nFlow manual, one realm's: `await http.get(url, {headers, query, body, timeout})` and its kin. Takes `send`.
// An answer of any status is a response; what did not come to an answer is thrown.
//
// Objects are sent as JSON, and an answer of JSON is read: `data` is the value, `body` the text.
(function http(parts) {
  'use strict';
  const { send } = parts;
  const { isArray } = Array;
  const { toString } = Object.prototype;
  const { apply } = Reflect;
  const { isView } = ArrayBuffer;
  const toBase64 = btoa, fromBase64 = atob;
  const { decodeURIComponent: utf8, escape: percentBytes } = globalThis;
  const JSON_TYPE = /^\s*(?:application|text)\/(?:[\w.+-]*\+)?json\s*(?:;|$)/i;
  const tag = (value) => apply(toString, value, []).slice(8, -1);

  class HttpResponse {
    #text;
    constructor(told, text, data) {
      this.status = told.status;
      this.statusText = told.statusText ?? '';
      this.ok = told.status >= 200 && told.status < 300;
      this.url = told.url ?? '';
      this.headers = told.headers ?? {};
      this.data = data;
      this.#text = text;
    }

    get body() { return this.#text; }
    text() { return this.#text; }
    json() { return JSON.parse(this.#text); }
  }

  const textOf = (told) => {
    if (typeof told.body === 'string') return told.body;
    if (typeof told.bodyBase64 !== 'string') return '';
    const bytes = fromBase64(told.bodyBase64);
    try {
      return utf8(percentBytes(bytes));
    } catch {
      return bytes;
    }
  };
  const response = (told) => {
    const text = textOf(told);
    let data = text;
    if (JSON_TYPE.test(told.headers?.['content-type'] ?? ''))
      try {
        data = JSON.parse(text);
      } catch {} // it only says that it is JSON: its text is its data
    return new HttpResponse(told, text, data);
  };

  const pairs = (values) => {
    const list = [];
    if (typeof values[Symbol.iterator] === 'function') {
      for (const [name, value] of values) list.push(['' + name, '' + value]);
      return list;
    }
    for (const name of Object.keys(values)) {
      const value = values[name];
      if (value === undefined || value === null) continue;
      if (isArray(value)) for (const item of value) list.push([name, '' + item]);
      else list.push([name, '' + value]);
    }
    return list;
  };
  const encoded = (list) =>
    list.map(([name, value]) => encodeURIComponent(name) + '=' + encodeURIComponent(value)).join('&');
  const withQuery = (url, query) => {
    if (query === undefined || query === null) return url;
    const text = typeof query === 'string' ? query.replace(/^\?/, '') : encoded(pairs(query));
    if (text === '') return url;
    const hash = url.indexOf('#');
    const [before, after] = hash < 0 ? [url, ''] : [url.slice(0, hash), url.slice(hash)];
    return before + (before.includes('?') ? '&' : '?') + text + after;
  };
  const bytesOf = (view) => {
    const bytes = isView(view) ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
    return bytes.toBase64();
  };

  // What of the options crosses to the runtime.
  const wired = (options) => {
    const given = { headers: {} };
    const headers = options.headers ?? {};
    let typed = false;
    for (const [name, value] of pairs(headers)) {
      typed ||= name.toLowerCase() === 'content-type';
      const before = given.headers[name];
      given.headers[name] = before === undefined ? value : [before, value].flat();
    }
    const typedAs = (type) => { if (!typed) given.headers['Content-Type'] = type; };
    const { body } = options;
    if (typeof body === 'string') given.body = body;
    else if (body !== undefined && body !== null) {
      const kind = tag(body);
      if (isView(body) || kind === 'ArrayBuffer') given.bodyBase64 = bytesOf(body);
      else if (kind === 'URLSearchParams') {
        given.body = '' + body;
        typedAs('application/x-www-form-urlencoded;charset=UTF-8');
      } else {
        given.body = JSON.stringify(body);
        typedAs('application/json');
      }
    }
    if (options.timeout !== undefined) given.timeoutMs = +options.timeout;
    if (options.redirect !== undefined) given.redirect = '' + options.redirect;
    if (options.maxKb !== undefined) given.maxKb = +options.maxKb;
    return given;
  };
  const request = async (method, url, options) => {
    options ??= {};
    if (typeof options !== 'object') throw new TypeError('http: the options are an object {headers, query, body, timeout}');
    return response(await send('http.request', [method, withQuery('' + url, options.query), wired(options)]));
  };

  const client = {
    get: (url, options) => request('GET', url, options),
    post: (url, options) => request('POST', url, options),
    put: (url, options) => request('PUT', url, options),
    patch: (url, options) => request('PATCH', url, options),
    delete: (url, options) => request('DELETE', url, options),
    head: (url, options) => request('HEAD', url, options),
    request: (method, url, options) => request(('' + method).toUpperCase(), url, options),
  };
  return (name) => name === 'http' ? client : undefined;
})
