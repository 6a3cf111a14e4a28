// `c`, the request and response object of scripts (nFlow: echo_context), for one realm.
// Takes the Go JSON writer and `grow`, told the length of an answer so far; returns { c, begin, head, body }.
//
// Invariant: all that a run reads or writes through `c` is in the variables that `begin` sets anew; the objects
// themselves are frozen, so one run leaves nothing on them. Answers are Go's, byte for byte: two answers of one run are
// joined and the first status wins. Methods are looked up as a script would: one that changed a built-in, in a realm of
// its own, changed it for its own answer.
(function context(gojson, grow) {
  'use strict';
  const { encode, indent } = gojson;
  const { create, freeze, getPrototypeOf, keys: keysOf } = Object;
  const { isArray } = Array;
  const { stringify } = JSON;
  const { isView } = ArrayBuffer;
  const Bytes = Uint8Array;
  const toBinary = atob, toBase64 = btoa;
  const { encodeURIComponent: percentEncode, unescape: percentDecode } = globalThis;

  // --- the request -----------------------------------------------------------------------------------------------------

  const NOTHING = freeze({});
  let request = NOTHING;
  let stored = null; // of Get and Set
  let formValues = null;

  const pairs = (name) => request[name] ?? [];
  const group = (...lists) => {
    const groups = create(null);
    for (let i = 0; i < lists.length; i++)
      for (let j = 0; j < lists[i].length; j++) {
        const [name, value] = lists[i][j];
        if (groups[name] === undefined) groups[name] = [value];
        else groups[name][groups[name].length] = value;
      }
    return groups;
  };
  const plain = (groups) => {
    const object = {};
    const names = keysOf(groups);
    for (let i = 0; i < names.length; i++)
      Object.defineProperty(object, names[i],
        { value: groups[names[i]], writable: true, enumerable: true, configurable: true });
    return object;
  };
  const first = (list, name) => {
    for (let i = 0; i < list.length; i++) if (list[i][0] === name) return list[i][1];
    return '';
  };
  // Fields of the body stand before values of the query (Go: Request.Form).
  const form = () => formValues ??= group(pairs('fields'), pairs('query'));
  const formValue = (name) => form()['' + name]?.[0] ?? '';

  const headers = () => request.headers ?? NOTHING;
  const canonical = (name) => {
    let out = '', upper = true;
    for (let i = 0; i < name.length; i++) {
      out += upper ? name[i].toUpperCase() : name[i].toLowerCase();
      upper = name[i] === '-';
    }
    return out;
  };
  const headerValues = (name) => {
    const key = canonical('' + name);
    return Object.hasOwn(headers(), key) ? headers()[key] : [];
  };
  const header = (name) => headerValues(name)[0] ?? '';

  const cookies = () => {
    const found = [];
    const lines = headerValues('Cookie');
    for (let i = 0; i < lines.length; i++) {
      const parts = lines[i].split(';');
      for (let j = 0; j < parts.length; j++) {
        const part = parts[j].trim();
        const equals = part.indexOf('=');
        const name = equals < 0 ? part : part.slice(0, equals);
        let value = equals < 0 ? '' : part.slice(equals + 1);
        if (!isToken(name)) continue;
        if (value.length > 1 && value[0] === '"' && value[value.length - 1] === '"') value = value.slice(1, -1);
        found[found.length] = { Name: name, Value: value, name, value };
      }
    }
    return found;
  };
  const cookie = (name) => {
    const all = cookies();
    for (let i = 0; i < all.length; i++) if (all[i].Name === '' + name) return all[i];
    throw new Error('http: named cookie not present');
  };

  const meta = (name) => request.meta?.[name] ?? '';
  const remoteHost = () => {
    const address = meta('remote');
    const colon = address.lastIndexOf(':');
    const host = colon < 0 ? address : address.slice(0, colon);
    return host[0] === '[' ? host.slice(1, -1) : host;
  };
  const star = () => meta('path').replace(/^\/+/, '');

  // --- the answer ------------------------------------------------------------------------------------------------------

  const RAW = 0, TEXT = 1, BINARY = 2; // one JSON text; text; a string of bytes
  let status = 0;
  let type = '';
  let form_ = RAW;
  let content = '';
  let lines = []; // header lines as [name, value]

  const code = (value) => {
    const number = typeof value === 'string' ? +value : value;
    if (typeof number !== 'number' || number < 100 || number > 599 || number % 1 !== 0)
      throw new RangeError('invalid status code: ' + String(value));
    return number;
  };
  const asText = (kind, text) => kind === RAW ? text + '\n' : text;
  const asBytes = (kind, text) => kind === BINARY ? text : percentDecode(percentEncode(asText(kind, text)));
  const write = (number, contentType, kind, text) => {
    grow(content.length + text.length);
    if (status === 0) {
      status = number;
      type = lines.length === 0 ? contentType : takeLine('Content-Type') ?? contentType;
      form_ = kind;
      content = text;
    } else if (form_ === BINARY || kind === BINARY) {
      content = asBytes(form_, content) + asBytes(kind, text);
      form_ = BINARY;
    } else {
      content = asText(form_, content) + asText(kind, text);
      form_ = TEXT;
    }
  };
  const whole = (value) => (typeof value === 'string' ? value : '' + value).toWellFormed();
  // Bytes of a script: a string (as UTF-8), a buffer or a view, or an array of numbers (Go: []byte).
  const binary = (data) => {
    if (typeof data === 'string') return asBytes(TEXT, whole(data));
    const view = isView(data) ? new Bytes(data.buffer, data.byteOffset, data.byteLength) : new Bytes(data);
    return toBinary(view.toBase64());
  };

  const isToken = (text) => text.length > 0 && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
  const nameOf = (name) => {
    const text = canonical('' + name);
    if (!isToken(text)) throw new TypeError('invalid header name');
    return text;
  };
  const takeLine = (name) => {
    let found;
    const kept = [];
    for (let i = 0; i < lines.length; i++)
      if (lines[i][0] === name) found ??= lines[i][1];
      else kept[kept.length] = lines[i];
    lines = kept;
    return found;
  };
  const addLine = (name, value) => {
    if (status !== 0) return; // the head has gone (Go)
    const text = whole(value).replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ').trim();
    grow(text.length);
    lines[lines.length] = [nameOf(name), text];
  };
  const setLine = (name, value) => {
    if (status !== 0) return;
    takeLine(nameOf(name));
    addLine(name, value);
  };
  const lineValues = (name) => {
    const key = canonical('' + name), found = [];
    for (let i = 0; i < lines.length; i++) if (lines[i][0] === key) found[found.length] = lines[i][1];
    return found;
  };

  // Go: http.Cookie.String.
  const SAME_SITE = freeze({ __proto__: null, 2: 'Lax', 3: 'Strict', 4: 'None', lax: 'Lax', strict: 'Strict', none: 'None' });
  const cookieLine = (given) => {
    if (given === null || typeof given !== 'object') throw new TypeError('SetCookie takes an object');
    const field = (name) => given[name] ?? given[name[0].toLowerCase() + name.slice(1)];
    const name = '' + (field('Name') ?? '');
    if (!isToken(name)) throw new TypeError('invalid cookie name');
    const value = ('' + (field('Value') ?? '')).replace(/[^\x20-\x7e]|["\\;]/g, '');
    let out = name + '=' + (/[ ,]/.test(value) ? '"' + value + '"' : value);
    const path = ('' + (field('Path') ?? '')).replace(/[^\x20-\x7e]|;/g, '');
    if (path !== '') out += '; Path=' + path;
    const domain = '' + (field('Domain') ?? '');
    if (/^\.?[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?$/.test(domain) && !domain.includes('..'))
      out += '; Domain=' + (domain[0] === '.' ? domain.slice(1) : domain);
    const expires = field('Expires');
    if (expires !== undefined && expires !== null) {
      const date = new Date(expires);
      if (date.getUTCFullYear() >= 1601) out += '; Expires=' + date.toUTCString();
    }
    const age = Math.trunc(Number(field('MaxAge') ?? 0));
    if (age > 0) out += '; Max-Age=' + age;
    else if (age < 0) out += '; Max-Age=0';
    if (field('HttpOnly')) out += '; HttpOnly';
    if (field('Secure')) out += '; Secure';
    const sameSite = SAME_SITE[('' + (field('SameSite') ?? '')).toLowerCase()];
    if (sameSite !== undefined) out += '; SameSite=' + sameSite;
    return out;
  };

  // --- what scripts see ------------------------------------------------------------------------------------------------

  const JSON_TYPE = 'application/json', TEXT_TYPE = 'text/plain; charset=UTF-8', HTML_TYPE = 'text/html; charset=UTF-8';
  const responseHeader = {
    set: setLine,
    add: addLine,
    get: (name) => lineValues(name)[0] ?? '',
    values: lineValues,
    del: (name) => { if (status === 0) takeLine(canonical('' + name)); },
  };
  const response = { header: () => responseHeader };
  const goRequest = {
    userAgent: () => header('User-Agent'),
    referer: () => header('Referer'),
    cookie,
    cookies,
    formValue,
    postFormValue: (name) => first(pairs('fields'), '' + name),
  };
  const c = {
    JSON: (number, value) => write(code(number), JSON_TYPE, RAW, encode(value)),
    JSONPretty: (number, value, step) =>
      write(code(number), JSON_TYPE, TEXT, indent(encode(value), whole(step ?? '')) + '\n'),
    JSONBlob: (number, data) => write(code(number), JSON_TYPE, BINARY, binary(data)),
    String: (number, text) => write(code(number), TEXT_TYPE, TEXT, whole(text)),
    HTML: (number, text) => write(code(number), HTML_TYPE, TEXT, whole(text)),
    HTMLBlob: (number, data) => write(code(number), HTML_TYPE, BINARY, binary(data)),
    Blob: (number, contentType, data) => {
      const named = whole(contentType ?? '').replace(/[\x00-\x1f\x7f]/g, ' ');
      write(code(number), named, BINARY, binary(data));
    },
    NoContent: (number) => write(code(number), '', TEXT, ''),
    Redirect: (number, url) => {
      if (code(number) < 300 || number > 308) throw new RangeError('invalid redirect status code');
      setLine('Location', url);
      write(+number, '', TEXT, '');
    },
    SetHeader: setLine,
    SetCookie: (given) => addLine('Set-Cookie', cookieLine(given)),
    Response: () => response,
    Request: () => goRequest,
    QueryParam: (name) => first(pairs('query'), '' + name),
    QueryParams: () => plain(group(pairs('query'))),
    QueryString: () => request.query_string ?? '',
    FormValue: formValue,
    FormParams: () => plain(form()),
    Param: (name) => {
      if (name === '*') return star();
      return request.vars !== undefined && Object.hasOwn(request.vars, '' + name) ? request.vars['' + name] : '';
    },
    ParamNames: () => ['*'],
    ParamValues: () => [star()],
    Cookie: cookie,
    Cookies: cookies,
    GetHeader: header,
    RealIP: remoteHost,
    Scheme: () => meta('scheme') || 'http',
    IsTLS: () => meta('scheme') === 'https',
    IsWebSocket: () => header('Upgrade').toLowerCase() === 'websocket',
    Path: () => '/*',
    Get: (key) => stored?.['' + key] ?? null,
    Set: (key, value) => { (stored ??= create(null))['' + key] = value; },
  };
  const harden = (object) => {
    const names = keysOf(object);
    for (let i = 0; i < names.length; i++) freeze(object[names[i]]);
    return freeze(object);
  };
  harden(responseHeader);
  harden(response);
  harden(goRequest);
  harden(c);

  // --- for the run -----------------------------------------------------------------------------------------------------

  const begin = (given) => {
    request = given ?? NOTHING;
    stored = formValues = null;
    status = 0;
    content = '';
    lines = [];
  };
  const formOf = () => plain(form());

  // The answer's fields of the reply's head, each with a comma before it.
  const head = () => {
    let out = '';
    if (status !== 0) {
      if (form_ === TEXT && content.includes('\0')) { // which the parent takes in no string
        content = asBytes(TEXT, content);
        form_ = BINARY;
      }
      out = ',"status":' + status + ',"type":' + stringify(type)
        + (form_ === RAW ? ',"body":"raw"' : form_ === TEXT ? ',"body":"json"' : ',"body":"base64"');
    }
    if (lines.length === 0) return out;
    out += ',"headers":[';
    for (let i = 0; i < lines.length; i++)
      out += (i === 0 ? '[' : ',[') + stringify(lines[i][0]) + ',' + stringify(lines[i][1]) + ']';
    return out + ']';
  };
  // The answer's segment of the reply with a newline before it, or nothing.
  const body = () => {
    if (status === 0) return '';
    if (form_ === RAW) return '\n' + content;
    return '\n' + (form_ === TEXT ? stringify(content) : '"' + toBase64(content) + '"');
  };
  return { c, begin, formOf, head, body };
})
