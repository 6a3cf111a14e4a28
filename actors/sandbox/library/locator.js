// The module `url`: URL and URLSearchParams, and Node's older parse, format and resolve. Takes errors, hosts, the URL
// part, the search parameters and the module `querystring`.
(function locator({ coded, wrongType }, hosts, { URL, format: written, recordOf }, URLSearchParams, querystring) {
  const SLASHED = ['http:', 'https:', 'ftp:', 'gopher:', 'file:', 'ws:', 'wss:'];
  const HOSTLESS = 'javascript:';
  const MAX_HOST = 255;
  const percent = (char) => '%' + char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
  const split = (text, at) => at < 0 ? [text, null] : [text.slice(0, at), text.slice(at)];
  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw coded(URIError, 'ERR_INVALID_URI', 'URI malformed');
    }
  };

  class Url {
    protocol = null;
    slashes = null;
    auth = null;
    host = null;
    port = null;
    hostname = null;
    hash = null;
    search = null;
    query = null;
    pathname = null;
    path = null;
    href = null;
    parse(text, withQuery, slashes) { return Object.assign(this, parse(text, withQuery, slashes)); }
    format() { return formatParts(this); }
    resolve(to) { return resolve(this.href ?? this.format(), to); }
    resolveObject(to) { return parse(this.resolve(to), false, true); }
  }

  // Host, port and auth of `rest`; what is left of it.
  const readHost = (url, rest) => {
    const end = rest.search(/[/?#]/);
    const area = end < 0 ? rest : rest.slice(0, end);
    const at = area.lastIndexOf('@');
    if (at >= 0) url.auth = decoded(rest.slice(0, at));
    const bad = area.slice(at + 1).search(/[\t\n\r "%';<>\\^`{|}]/);
    const stop = bad < 0 ? area.length : at + 1 + bad;
    let host = rest.slice(at + 1, stop);
    let left = rest.slice(stop);
    const port = /:(\d*)$/.exec(host);
    if (port !== null) {
      if (port[1] !== '') url.port = port[1];
      host = host.slice(0, port.index);
    }
    const six = host[0] === '[' && host.endsWith(']');
    const colon = six ? -1 : host.indexOf(':');
    if (colon >= 0) {
      left = `/${host.slice(colon)}${left}`;
      host = host.slice(0, colon);
    }
    if (host.length > MAX_HOST) host = '';
    else host = host.toLowerCase();
    if (!six && host !== '') {
      const ascii = hosts.toASCII(host);
      if (ascii === null || /[\0\t\n\r #%/:<>?@[\\\]^|]/.test(ascii))
        throw Object.assign(coded(TypeError, 'ERR_INVALID_URL', 'Invalid URL'), { input: String(rest) });
      host = ascii;
    }
    url.host = host + (url.port === null ? '' : ':' + url.port);
    url.hostname = six ? host.slice(1, -1) : host;
    return left;
  };
  const parse = (text, withQuery = false, slashesDenoteHost = false) => {
    if (text instanceof Url) return text;
    if (typeof text !== 'string') throw wrongType('url', 'of type string', text);
    const url = new Url();
    const mark = text.search(/[?#]/);
    const front = mark < 0 ? text : text.slice(0, mark);
    let rest = (front.replaceAll('\\', '/') + text.slice(front.length)).trim();
    const protocol = /^[a-z0-9.+-]+:/i.exec(rest)?.[0];
    const scheme = protocol?.toLowerCase();
    if (protocol !== undefined) {
      url.protocol = scheme;
      rest = rest.slice(protocol.length);
    }
    let slashes = false;
    if (slashesDenoteHost || protocol !== undefined || /^\/\/[^@/]+@[^@/]+/.test(rest)) {
      slashes = rest.startsWith('//') && scheme !== HOSTLESS;
      if (slashes) {
        rest = rest.slice(2);
        url.slashes = true;
      }
    }
    if (scheme !== HOSTLESS) {
      if (slashes || protocol !== undefined && !SLASHED.includes(scheme)) rest = readHost(url, rest);
      rest = rest.replace(/[\t\n\r "'<>\\^`{|}]/g, percent);
    }
    const [before, hash] = split(rest, rest.indexOf('#'));
    const [pathname, search] = split(before, before.indexOf('?'));
    url.hash = hash;
    url.search = search;
    url.query = search === null ? null : search.slice(1);
    if (withQuery) url.query = querystring.parse(url.query ?? '');
    url.pathname = pathname === '' ? null : pathname;
    if (SLASHED.includes(scheme) && url.hostname && url.pathname === null) url.pathname = '/';
    if (url.pathname !== null || search !== null) url.path = (url.pathname ?? '') + (search ?? '');
    url.href = formatParts(url);
    return url;
  };
  const formatParts = (url) => {
    const auth = url.auth ? encodeURIComponent(url.auth).replace(/%3A/i, ':') + '@' : '';
    let protocol = url.protocol || '', pathname = url.pathname || '', hash = url.hash || '', host = '';
    if (protocol !== '' && !protocol.endsWith(':')) protocol += ':';
    if (url.host) host = auth + url.host;
    else if (url.hostname) {
      host = auth + (url.hostname.includes(':') && url.hostname[0] !== '[' ? `[${url.hostname}]` : url.hostname);
      if (url.port) host += ':' + url.port;
    }
    const query = url.query !== null && typeof url.query === 'object' ? querystring.stringify(url.query) : '';
    let search = url.search || (query === '' ? '' : '?' + query);
    pathname = pathname.replace(/[#?]/g, percent);
    if (url.slashes || SLASHED.includes(protocol)) {
      if (url.slashes || host !== '') {
        if (pathname !== '' && pathname[0] !== '/') pathname = '/' + pathname;
        host = '//' + host;
      } else if (protocol === 'file:') host = '//';
    }
    if (hash !== '' && hash[0] !== '#') hash = '#' + hash;
    if (search !== '' && search[0] !== '?') search = '?' + search;
    return protocol + host + pathname + search.replaceAll('#', '%23') + hash;
  };
  const format = (url, options) => {
    if (typeof url === 'string') return formatParts(parse(url));
    if (url === null || typeof url !== 'object')
      throw wrongType('urlObject', 'one of type object or string', url);
    const record = recordOf(url);
    if (record === undefined) return formatParts(url);
    if (!options?.unicode || record.host === null) return written(url, options);
    return written(url, options).replace(record.host, hosts.toUnicode(record.host));
  };

  // --- resolve ---------------------------------------------------------------------------------------------------------

  const withoutDots = (path, rooted) => {
    const parts = path.split('/');
    const kept = [];
    let above = 0;
    for (const part of parts)
      if (part === '..') {
        if (kept.length > 0 && kept[kept.length - 1] !== '') kept.length -= 1;
        else if (kept.length > 1) kept.length -= 1;
        else if (kept.length === 0) above++;
      } else if (part !== '.') kept.push(part);
    if (!rooted) kept.unshift(...new Array(above).fill('..'));
    else if (kept[0] !== '') kept.unshift('');
    if (parts.length > 1 && /^\.\.?$/.test(parts[parts.length - 1]) && kept[kept.length - 1] !== '') kept.push('');
    return kept.length === 1 && rooted ? '/' : kept.join('/');
  };
  const resolve = (from, to) => {
    const base = parse(from, false, true), target = parse(to, false, true);
    const out = Object.assign(new Url(), base, { hash: target.hash });
    if (target.href === '') return formatParts(out);
    const whole = target.protocol !== null && target.protocol !== base.protocol;
    if (whole && !SLASHED.includes(target.protocol)) return target.href;
    if (whole || target.host) {
      Object.assign(out, target, { protocol: target.protocol ?? base.protocol });
      // http:path, seen from another protocol: its first part is the host
      if (whole && !target.host && target.protocol !== 'file:') {
        const [, host, path] = /^\/*([^/]*)(.*)$/.exec(target.pathname ?? '');
        Object.assign(out, { host, hostname: host, slashes: true, pathname: path || '/' });
      }
    } else {
      const path = target.pathname ?? '';
      if (path[0] === '/') out.pathname = path;
      else if (path !== '') out.pathname = (base.pathname ?? (base.host ? '/' : '')).replace(/[^/]*$/, '') + path;
      if (path !== '' || target.search !== null) out.search = target.search;
    }
    const rooted = Boolean(out.host) || (out.pathname ?? '')[0] === '/';
    if (out.pathname) out.pathname = withoutDots(out.pathname, rooted);
    return formatParts(out);
  };
  const urlToHttpOptions = (url) => {
    const { protocol, hostname, hash, search, pathname, href, port, username, password } = url;
    const host = hostname[0] === '[' ? hostname.slice(1, -1) : hostname;
    const options = { protocol, hostname: host, hash, search, pathname, path: pathname + search, href };
    if (port !== '') options.port = Number(port);
    if (username !== '' || password !== '')
      options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return options;
  };
  const domainToASCII = (domain) => hosts.parse(String(domain), true) ?? '';
  const domainToUnicode = (domain) => hosts.toUnicode(domainToASCII(domain));
  return {
    URL, URLSearchParams, Url, parse, format, resolve, resolveObject: (from, to) => parse(resolve(from, to), false, true),
    domainToASCII, domainToUnicode, urlToHttpOptions,
  };
})
