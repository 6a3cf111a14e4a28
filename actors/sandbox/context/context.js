// `c`, the request and response object of scripts (nFlow: echo_context), for one realm.
// Takes the other parts, the Go JSON writer, `grow`, told the length of an answer so far, and the host: `call`, which asks
// the runtime, and `log(level, values)`; returns { c, begin, formOf, head, body }.
//
// Invariant: all that a run reads or writes through `c` is in variables that `begin` sets anew; the objects themselves are
// frozen, so one run leaves nothing on them. Answers are Go's, byte for byte, but where a line says otherwise. Methods are
// looked up as a script would: one that changed a built-in, in a realm of its own, changed it for its own answer.
(function context(parts, gojson, grow, host) {
  'use strict';
  const { call, log } = host;
  const { encode, indent } = gojson;
  const { create, defineProperty, freeze, getOwnPropertyDescriptor, keys: keysOf } = Object;
  const { isArray } = Array;
  const { stringify } = JSON;
  const fromBase64 = atob; // a script's `atob` is nFlow's, which reads text
  const cookies = parts.cookies();
  const request = parts.request(cookies);
  const answer = parts.answer(cookies, request, grow, call);
  const xml = () => parts.xml(encode, grow); // made when asked for: a realm of one run pays for all it makes
  const { RAW, TEXT, BINARY, binary, code, whole, write } = answer;
  const { first, group, header, meta, pairs, plain, star, variables } = request;

  let stored = null; // of Get and Set
  let path = '/*'; // of SetPath
  let names = null, values = null; // of SetParamNames and SetParamValues
  let handler = null;

  const JSON_TYPE = 'application/json', TEXT_TYPE = 'text/plain; charset=UTF-8', HTML_TYPE = 'text/html; charset=UTF-8';
  const XML_TYPE = 'application/xml; charset=UTF-8', SCRIPT_TYPE = 'application/javascript; charset=UTF-8';

  // What scripts are given stays what it is, its functions included.
  const harden = (object) => {
    const own = keysOf(object);
    for (let i = 0; i < own.length; i++) {
      const { value, get, set } = getOwnPropertyDescriptor(object, own[i]);
      freeze(value ?? get);
      if (set !== undefined) freeze(set);
    }
    return freeze(object);
  };

  // --- the request -----------------------------------------------------------------------------------------------------

  const given = (list) => list.length === 1 && isArray(list[0]) ? list[0] : list;
  const setParamNames = (list) => {
    names = [];
    for (let i = 0; i < list.length; i++) names[i] = '' + list[i];
    values ??= [];
  };
  const setParamValues = (list) => {
    values = [];
    for (let i = 0; i < list.length && i < (names ?? ['*']).length; i++) values[i] = '' + list[i];
  };
  const paramNames = () => names === null ? ['*'] : names.slice();
  const paramValues = () => values === null ? [star()] : values.slice();
  const param = (name) => {
    const at = paramNames().indexOf('' + name);
    if (at >= 0) return paramValues()[at] ?? '';
    return Object.hasOwn(variables(), '' + name) ? variables()['' + name] : ''; // Go has none but `*`
  };
  // Go: DefaultBinder fills a struct. Here: the fields that `post_data` has, in a new object or in the one that is given.
  const bind = (target) => {
    const bound = typeof target === 'object' && target !== null ? target : {};
    const fields = request.all('post_data') ?? {};
    const found = keysOf(fields);
    for (let i = 0; i < found.length; i++) request.put(bound, found[i], fields[found[i]]);
    return bound;
  };
  // User and password of a Basic authorization, as [user, password, true] (Go returns several values so).
  const basicAuth = () => {
    const found = /^basic +([A-Za-z0-9+/=]+)$/i.exec(header('Authorization'));
    try {
      const text = found === null ? '' : fromBase64(found[1]);
      const colon = text.indexOf(':');
      if (colon >= 0) return [text.slice(0, colon), text.slice(colon + 1), true];
    } catch { /* not base64: none */ }
    return ['', '', false];
  };
  let goRequest = null;
  const makeRequest = () => harden({
    userAgent: () => header('User-Agent'),
    referer: () => header('Referer'),
    cookie: request.cookie,
    cookies: request.allCookies,
    cookiesNamed: (name) => request.allCookies().filter((cookie) => cookie.Name === '' + name),
    formValue: request.formValue,
    postFormValue: (name) => first(pairs('fields'), '' + name),
    formFile: (name) => {
      const file = request.formFile(name);
      return [file.open(), file];
    },
    basicAuth,
    parseForm: () => null,
    parseMultipartForm: () => { request.multipart(); },
    protoAtLeast: (major, minor) => major < 1 || (+major === 1 && !(minor > 1)),
  });

  // --- the answer ------------------------------------------------------------------------------------------------------

  // Go: quotes and backslashes are escaped. A name beyond ASCII is told in the form of RFC 6266 as well.
  const disposition = (kind, name) => {
    const text = whole(name ?? '').replace(/[\x00-\x1f\x7f]/g, '_');
    const ascii = text.replace(/[^\x20-\x7e]/gu, '_').replace(/[\\"]/g, '\\$&');
    let line = kind + '; filename="' + ascii + '"';
    if (/[^\x20-\x7e]/.test(text))
      line += "; filename*=UTF-8''" + encodeURIComponent(text).replace(/['()*]/g,
        (sign) => '%' + sign.charCodeAt(0).toString(16).toUpperCase());
    answer.setLine('Content-Disposition', line);
  };
  const attachment = (kind) => (file, name) => {
    if (!answer.begun()) disposition(kind, name);
    answer.file(file);
  };
  const jsonp = (number, callback, text) =>
    write(code(number), SCRIPT_TYPE, TEXT, whole(callback) + '(' + text + ');');
  const blob = (number, type, data) => write(code(number), answer.plainType(type), BINARY, binary(data));
  const STATUS_TEXT = freeze({ __proto__: null, 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden',
    404: 'Not Found', 405: 'Method Not Allowed', 409: 'Conflict', 413: 'Request Entity Too Large',
    415: 'Unsupported Media Type', 422: 'Unprocessable Entity', 429: 'Too Many Requests', 500: 'Internal Server Error',
    502: 'Bad Gateway', 503: 'Service Unavailable' });
  // Go: the default error handler. An error with a `code` is told; of any other only the log knows the text.
  const error = (thrown) => {
    if (answer.begun()) return;
    const told = typeof thrown === 'object' && thrown !== null ? thrown : {};
    const known = typeof told.code === 'number' && told.code >= 400 && told.code <= 599 && told.code % 1 === 0;
    if (!known) log('error', [thrown]);
    const message = (known ? told.message : undefined) ?? STATUS_TEXT[known ? told.code : 500] ?? 'Error';
    write(known ? told.code : 500, JSON_TYPE, RAW,
      encode(typeof message === 'object' ? message : { message: '' + message }));
  };
  let response = null;
  const makeHeader = () => harden({
    set: answer.setLine,
    add: answer.addLine,
    get: (name) => answer.lineValues(name)[0] ?? '',
    values: answer.lineValues,
    del: answer.removeLine,
  });
  const makeResponse = (responseHeader) => harden({
    header: () => responseHeader,
    writeHeader: (number) => { if (!answer.begun()) write(code(number), '', TEXT, ''); },
    // Bytes or text, joined to the answer; the number of bytes. `flush` sends on what there is.
    write: (data) => {
      const bytes = binary(data);
      write(answer.status(), typeof data === 'string' ? 'text/plain; charset=utf-8' : '', BINARY, bytes);
      return bytes.length;
    },
    flush: answer.flush,
    get status() { return answer.status(); },
    get size() { return answer.size(); },
    get committed() { return answer.begun(); },
  });

  // --- the logger ------------------------------------------------------------------------------------------------------

  // Go: fmt.Sprintf, of the verbs that mean something to a script.
  const format = (pattern, list) => {
    let at = 0;
    const text = whole(pattern).replace(/%([-+# 0]*\d*(?:\.(\d+))?)([a-zA-Z%])/g, (all, _, places, verb) => {
      if (verb === '%') return '%';
      if (at >= list.length) return '%!' + verb + '(MISSING)';
      const value = list[at++];
      switch (verb) {
        case 'd': return '' + Math.trunc(value);
        case 'f': return (+value).toFixed(places ?? 6);
        case 'q': return stringify('' + value);
        case 'x': return typeof value === 'number' ? value.toString(16) : '' + value;
        default: return typeof value === 'object' ? stringify(value) ?? 'null' : String(value);
      }
    });
    return text;
  };
  let logger = null;
  const makeLogger = () => {
    const made = {};
    const levels = { print: 'log', debug: 'debug', info: 'info', warn: 'warn', error: 'error' };
    for (const name of keysOf(levels)) {
      const level = levels[name];
      made[name] = (...list) => log(level, list);
      made[name + 'f'] = (pattern, ...list) => log(level, [format(pattern, list)]);
      made[name + 'j'] = (value) => log(level, [stringify(value)]);
    }
    return harden(made);
  };
  let manual = null;
  const makeManual = () => {
    const made = parts.manual(request, answer, encode);
    harden(made.request);
    harden(made.response);
    return made;
  };
  const echo = freeze({}); // Go shows the whole server here

  // --- what scripts see ------------------------------------------------------------------------------------------------

  const refuse = (message) => () => { throw new Error(message); };
  const c = {
    JSON: (number, value) => write(code(number), JSON_TYPE, RAW, encode(value)),
    JSONPretty: (number, value, step) =>
      write(code(number), JSON_TYPE, TEXT, indent(encode(value), whole(step ?? '')) + '\n'),
    JSONBlob: (number, data) => write(code(number), JSON_TYPE, BINARY, binary(data)),
    JSONP: (number, callback, value) => jsonp(number, callback, encode(value) + '\n'),
    String: (number, text) => write(code(number), TEXT_TYPE, TEXT, whole(text)),
    HTML: (number, text) => write(code(number), HTML_TYPE, TEXT, whole(text)),
    HTMLBlob: (number, data) => write(code(number), HTML_TYPE, BINARY, binary(data)),
    XML: (number, value) => write(code(number), XML_TYPE, TEXT, xml().encode(value, '')),
    XMLPretty: (number, value, step) => write(code(number), XML_TYPE, TEXT, xml().encode(value, whole(step ?? ''))),
    XMLBlob: (number, data) => write(code(number), XML_TYPE, BINARY, xml().HEADER + binary(data)),
    Blob: blob,
    Stream: blob,
    File: (file) => answer.file(file),
    Attachment: attachment('attachment'),
    Inline: attachment('inline'),
    NoContent: (number) => write(code(number), '', TEXT, ''),
    Redirect: (number, url) => {
      if (code(number) < 300 || number > 308) throw new RangeError('invalid redirect status code');
      answer.setLine('Location', url);
      write(+number, '', TEXT, '');
    },
    Error: error,
    Render: refuse('renderer not registered'),
    SetHeader: answer.setLine,
    SetCookie: (told) => answer.addLine('Set-Cookie', cookies.line(told)),
    Response: () => response ??= makeResponse(makeHeader()),
    Request: () => goRequest ??= makeRequest(),
    SetRequest: (other) => {
      if (other !== (goRequest ??= makeRequest())) throw new TypeError('SetRequest takes what Request gave');
    },
    QueryParam: (name) => first(pairs('query'), '' + name),
    QueryParams: () => plain(group(pairs('query'))),
    QueryString: () => request.all('query_string') ?? '',
    FormValue: request.formValue,
    FormParams: () => plain(request.form()),
    FormFile: request.formFile,
    MultipartForm: request.multipart,
    Bind: bind,
    Validate: refuse('validator not registered'),
    Param: param,
    ParamNames: paramNames,
    ParamValues: paramValues,
    SetParamNames: (...list) => setParamNames(given(list)),
    SetParamValues: (...list) => setParamValues(given(list)),
    Cookie: request.cookie,
    Cookies: request.allCookies,
    GetHeader: header,
    RealIP: request.client,
    Scheme: () => meta('scheme') || 'http',
    IsTLS: () => meta('scheme') === 'https',
    IsWebSocket: () => header('Upgrade').toLowerCase() === 'websocket',
    Path: () => path,
    SetPath: (value) => { path = '' + value; },
    Get: (key) => stored?.['' + key] ?? null,
    Set: (key, value) => { (stored ??= create(null))['' + key] = value; },
    Handler: () => handler,
    SetHandler: (value) => { handler = value ?? null; },
    Logger: () => logger ??= makeLogger(),
    Echo: () => echo,
  };
  const own = keysOf(c); // all of them functions: `harden` would take twice as long
  for (let i = 0; i < own.length; i++) freeze(c[own[i]]);
  defineProperty(c, 'request', { get: freeze(() => (manual ??= makeManual()).request), enumerable: true });
  defineProperty(c, 'response', { get: freeze(() => (manual ??= makeManual()).response), enumerable: true });
  freeze(c);

  // --- for the run -----------------------------------------------------------------------------------------------------

  const begin = (told) => {
    stored = names = values = handler = null;
    path = '/*';
    request.begin(told);
    answer.begin();
    manual?.begin();
  };
  return { c, begin, formOf: () => plain(request.form()), head: answer.head, body: answer.body };
})
