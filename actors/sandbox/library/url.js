// URL (WHATWG URL): reading, resolving, writing, and the class. Takes errors, encodings, hosts and the search parameters.
//
// A URL being read is a record: scheme, username, password, host (as written, or null), port (a number, or null), path
// (segments, or a text for an opaque one), query and fragment (or null). `read` works on whole parts instead of the
// standard's character by character; the results are the same.
(function url({ coded }, { percentEncoded }, hosts, { URLSearchParams, link }) {
  const inspectCustom = Symbol.for('nodejs.util.inspect.custom');
  const PORTS = { __proto__: null, 'http:': 80, 'https:': 443, 'ws:': 80, 'wss:': 443, 'ftp:': 21, 'file:': null };
  const C0 = /[^\x20-\x7e]+/g;
  const FRAGMENT = /[^\x21\x23-\x3b=\x3f-_a-~]+/g;
  const QUERY = /[^\x21\x24-\x3b=\x3f-~]+/g;
  const SPECIAL_QUERY = /[^\x21\x24-&(-\x3b=\x3f-~]+/g;
  const PATH = /[^\x21\x24-\x3b=@-\]_a-z|~]+/g;
  const USERINFO = /[^\x21\x24-.0-9A-Z_a-z~]+/g;
  const DRIVE = /^[A-Za-z][:|]$/, NORMAL_DRIVE = /^[A-Za-z]:$/, BEGINS_WITH_DRIVE = /^[A-Za-z][:|](?:[/\\]|$)/;

  const isSpecial = (record) => record.scheme in PORTS;
  const isOpaque = (record) => typeof record.path === 'string';
  const blank = (scheme) => ({
    scheme, username: '', password: '', host: null, port: null, path: [], query: null, fragment: null,
  });
  const before = (text, pattern) => {
    const at = text.search(pattern);
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at)];
  };
  const encodeQuery = (record, text) => percentEncoded(text, isSpecial(record) ? SPECIAL_QUERY : QUERY);

  // --- parts: each changes the record; false is failure ----------------------------------------------------------------

  const shorten = (record) => {
    const { path } = record;
    if (record.scheme === 'file:' && path.length === 1 && NORMAL_DRIVE.test(path[0])) return;
    if (path.length > 0) path.length -= 1;
  };
  const readPath = (record, text) => {
    const special = isSpecial(record);
    if (text === '') {
      if (special) record.path.push('');
      return;
    }
    if (text[0] === '/' || special && text[0] === '\\') text = text.slice(1);
    const parts = text.split(special ? /[/\\]/ : '/');
    for (let i = 0; i < parts.length; i++) {
      const last = i === parts.length - 1;
      let part = percentEncoded(parts[i], PATH);
      if (/^(?:\.|%2e){2}$/i.test(part)) {
        shorten(record);
        if (last) record.path.push('');
      } else if (/^(?:\.|%2e)$/i.test(part)) {
        if (last) record.path.push('');
      } else {
        if (record.scheme === 'file:' && record.path.length === 0 && DRIVE.test(part)) part = part[0] + ':';
        record.path.push(part);
      }
    }
  };
  const readOpaque = (record, text, more) => {
    if (more && text.endsWith(' ')) text = text.slice(0, -1) + '%20';
    record.path = percentEncoded(text, C0);
  };
  const readPort = (record, text) => {
    if (!/^\d*$/.test(text)) return false;
    if (text === '') {
      record.port = null;
      return true;
    }
    const port = Number(text);
    if (port > 65535) return false;
    record.port = port === PORTS[record.scheme] ? null : port;
    return true;
  };
  const readHost = (record, text) => {
    if (text === '' && isSpecial(record)) return false;
    const host = text === '' ? '' : hosts.parse(text, isSpecial(record));
    if (host === null) return false;
    record.host = host;
    return true;
  };
  // Host and port, told apart by a colon outside brackets.
  const hostAndPort = (text) => {
    const bracket = text.lastIndexOf(']');
    const inside = text.indexOf('[');
    const colon = text.indexOf(':', inside >= 0 && inside < (text.indexOf(':') + 1 || Infinity)
      ? (bracket < 0 ? text.length : text.indexOf(']', inside)) : 0);
    return colon < 0 ? [text, null] : [text.slice(0, colon), text.slice(colon + 1)];
  };
  const readAuthority = (record, text) => {
    const [authority, path] = before(text, isSpecial(record) ? /[/\\]/ : /\//);
    const at = authority.lastIndexOf('@');
    if (at >= 0) {
      const [name, secret] = before(authority.slice(0, at), /:/);
      record.username = percentEncoded(name, USERINFO);
      record.password = percentEncoded(secret.slice(1), USERINFO);
    }
    const [host, port] = hostAndPort(authority.slice(at + 1));
    if (host === '' && (at >= 0 || port !== null)) return false;
    if (!readHost(record, host) || port !== null && !readPort(record, port)) return false;
    readPath(record, path);
    return true;
  };
  const readFile = (record, text, base, query) => {
    record.host = '';
    const drive = BEGINS_WITH_DRIVE.test(text);
    if (/^[/\\]{2}/.test(text)) {
      const [host, path] = before(text.slice(2), /[/\\]/);
      if (DRIVE.test(host)) readPath(record, text.slice(2));
      else {
        if (host !== '' && !readHost(record, host)) return false;
        if (record.host === 'localhost') record.host = '';
        readPath(record, path);
      }
    } else if (/^[/\\]/.test(text)) {
      if (base !== null) {
        record.host = base.host;
        if (!BEGINS_WITH_DRIVE.test(text.slice(1)) && NORMAL_DRIVE.test(base.path[0])) record.path.push(base.path[0]);
      }
      readPath(record, text);
    } else if (base !== null) {
      record.host = base.host;
      if (!drive) record.path = [...base.path];
      if (text !== '') {
        if (!drive) shorten(record);
        readPath(record, text);
      } else if (query === null) record.query = base.query;
    } else readPath(record, text);
    return true;
  };
  const readRelative = (record, text, base, query) => {
    const special = isSpecial(record);
    const slashes = special ? /^[/\\]{2}/ : /^\/\//;
    if (slashes.test(text)) return readAuthority(record, text.slice(2).replace(special ? /^[/\\]+/ : /^/, ''));
    record.username = base.username;
    record.password = base.password;
    record.host = base.host;
    record.port = base.port;
    if (text[0] === '/' || special && text[0] === '\\') readPath(record, text);
    else {
      record.path = [...base.path];
      if (text !== '') {
        shorten(record);
        readPath(record, text);
      } else if (query === null) record.query = base.query;
    }
    return true;
  };

  // --- a whole URL: the record, or null --------------------------------------------------------------------------------

  const read = (input, base) => {
    const trimmed = input.toWellFormed().replace(/^[\0-\x20]+/, '').replace(/[\t\n\r]+/g, '');
    let end = trimmed.length;
    while (end > 0 && trimmed.charCodeAt(end - 1) <= 0x20) end--;
    const [main, hash] = before(trimmed.slice(0, end), /#/);
    let [text, question] = before(main, /\?/);
    const query = question === '' ? null : question.slice(1);
    const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(text)?.[0].toLowerCase();
    let record, good = true;
    if (scheme !== undefined) {
      record = blank(scheme);
      text = text.slice(scheme.length);
      if (scheme === 'file:') good = readFile(record, text, base?.scheme === scheme ? base : null, query);
      else if (isSpecial(record)) {
        if (base?.scheme === scheme && !/^[/\\]{2}/.test(text)) good = readRelative(record, text, base, query);
        else good = readAuthority(record, text.replace(/^[/\\]+/, ''));
      } else if (text.startsWith('//')) good = readAuthority(record, text.slice(2));
      else if (text[0] === '/') readPath(record, text);
      else readOpaque(record, text, question !== '' || hash !== '');
    } else if (base === null) return null;
    else {
      record = blank(base.scheme);
      if (isOpaque(base)) {
        if (text !== '' || query !== null || hash === '') return null;
        record.path = base.path;
        record.query = base.query;
      } else if (base.scheme === 'file:') good = readFile(record, text, base, query);
      else good = readRelative(record, text, base, query);
    }
    if (!good) return null;
    if (query !== null) record.query = encodeQuery(record, query);
    if (hash !== '') record.fragment = percentEncoded(hash.slice(1), FRAGMENT);
    return record;
  };
  const pathname = (record) => isOpaque(record) ? record.path : record.path.map((part) => '/' + part).join('');
  const hostname = (record) => record.host === null ? ''
    : record.port === null ? record.host : `${record.host}:${record.port}`;
  const href = (record, { fragment = true, search = true, auth = true } = {}) => {
    let out = record.scheme;
    if (record.host !== null) {
      out += '//';
      if (auth && (record.username !== '' || record.password !== ''))
        out += record.username + (record.password === '' ? '' : ':' + record.password) + '@';
      out += hostname(record);
    } else if (!isOpaque(record) && record.path.length > 1 && record.path[0] === '') out += '/.';
    return out + pathname(record) + (search && record.query !== null ? '?' + record.query : '')
      + (fragment && record.fragment !== null ? '#' + record.fragment : '');
  };
  const parse = (input, base) => {
    const from = base === undefined ? null : read(`${base}`, null);
    return from === null && base !== undefined ? null : read(`${input}`, from);
  };
  const invalid = (input, base) => {
    const error = coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL');
    error.input = String(input);
    if (base !== undefined) error.base = String(base);
    return error;
  };

  let recordOf;
  class URL {
    #record;
    #params = null;

    constructor(input, base) {
      if (arguments.length === 0) throw coded(TypeError, 'ERR_MISSING_ARGS', 'The "url" argument must be specified');
      this.#record = parse(input, base);
      if (this.#record === null) throw invalid(input, base);
    }
    static canParse(input, base) { return parse(input, base) !== null; }
    static parse(input, base) { return parse(input, base) === null ? null : new URL(input, base); }
    static {
      recordOf = (value) => #record in value ? value.#record : undefined;
    }

    get href() { return href(this.#record); }
    set href(text) {
      const record = read(String(text), null);
      if (record === null) throw invalid(text);
      this.#record = record;
      this.#refresh();
    }
    get origin() {
      const { scheme, path } = this.#record;
      if (scheme === 'blob:') {
        const inner = read(String(path), null);
        return inner !== null && /^https?:$/.test(inner.scheme) ? `${inner.scheme}//${hostname(inner)}` : 'null';
      }
      return scheme in PORTS && scheme !== 'file:' ? `${scheme}//${hostname(this.#record)}` : 'null';
    }
    get protocol() { return this.#record.scheme; }
    set protocol(text) {
      const record = this.#record;
      const found = /^[A-Za-z][A-Za-z0-9+.-]*(?=:|$)/.exec(String(text).replace(/[\t\n\r]/g, ''))?.[0];
      if (found === undefined) return;
      const scheme = found.toLowerCase() + ':';
      if (scheme in PORTS !== isSpecial(record)) return;
      if (scheme === 'file:' && (record.username !== '' || record.password !== '' || record.port !== null)) return;
      if (record.scheme === 'file:' && record.host === '') return;
      record.scheme = scheme;
      if (record.port === PORTS[scheme]) record.port = null;
    }
    get username() { return this.#record.username; }
    set username(text) { if (this.#takesCredentials()) this.#record.username = percentEncoded(String(text), USERINFO); }
    get password() { return this.#record.password; }
    set password(text) { if (this.#takesCredentials()) this.#record.password = percentEncoded(String(text), USERINFO); }
    get host() { return hostname(this.#record); }
    set host(text) { this.#setHost(String(text), true); }
    get hostname() { return this.#record.host ?? ''; }
    set hostname(text) { this.#setHost(String(text), false); }
    get port() { return this.#record.port === null ? '' : String(this.#record.port); }
    set port(text) {
      if (!this.#takesCredentials()) return;
      const given = String(text);
      const digits = /^\d*/.exec(given.replace(/[\t\n\r]/g, ''))[0];
      if (digits !== '' || given === '') readPort(this.#record, digits);
    }
    get pathname() { return pathname(this.#record); }
    set pathname(text) {
      const record = this.#record;
      if (isOpaque(record)) return;
      record.path = [];
      const given = String(text).toWellFormed().replace(/[\t\n\r]/g, '');
      if (given === '' && record.host === null && !isSpecial(record)) record.path.push('');
      else readPath(record, given);
    }
    get search() { return this.#record.query ? '?' + this.#record.query : ''; }
    set search(text) {
      const given = String(text).toWellFormed().replace(/[\t\n\r]/g, '');
      this.#record.query = given === '' ? null : encodeQuery(this.#record, given[0] === '?' ? given.slice(1) : given);
      this.#refresh();
    }
    get searchParams() {
      if (this.#params === null) {
        this.#params = new URLSearchParams();
        link(this.#params, this.#record.query ?? '', (text) => { this.#record.query = text === '' ? null : text; });
      }
      return this.#params;
    }
    get hash() { return this.#record.fragment ? '#' + this.#record.fragment : ''; }
    set hash(text) {
      const given = String(text).toWellFormed().replace(/[\t\n\r]/g, '');
      this.#record.fragment = given === '' ? null : percentEncoded(given[0] === '#' ? given.slice(1) : given, FRAGMENT);
    }
    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
    [inspectCustom](depth, options, inspect) {
      const shown = {};
      for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname',
        'search', 'searchParams', 'hash']) shown[name] = this[name];
      return 'URL ' + inspect(shown, options);
    }

    #takesCredentials() { return Boolean(this.#record.host) && this.#record.scheme !== 'file:'; }
    #refresh() { if (this.#params !== null) link(this.#params, this.#record.query ?? ''); }
    #setHost(text, withPort) {
      const record = this.#record;
      if (isOpaque(record)) return;
      const special = isSpecial(record);
      const [given] = before(text.toWellFormed().replace(/[\t\n\r]/g, ''), special ? /[/\\?#]/ : /[/?#]/);
      const [host, port] = record.scheme === 'file:' ? [given, null] : hostAndPort(given);
      if (host === '' && (port !== null || record.username !== '' || record.password !== '' || record.port !== null)) return;
      if (port !== null && !withPort) return;
      if (record.scheme === 'file:' && host === '') record.host = '';
      else if (!readHost(record, host)) return;
      if (record.scheme === 'file:' && record.host === 'localhost') record.host = '';
      const digits = port === null ? '' : /^\d*/.exec(port)[0];
      if (digits !== '') readPort(record, digits);
    }
  }
  return { URL, format: (value, options) => href(recordOf(value), options), recordOf };
})
