// Cookies of one request and of one answer, as Go reads and writes them (net/http). Pure; returns { isToken, read, line }.
(function cookies() {
  'use strict';
  const isToken = (text) => text.length > 0 && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);

  // The cookies of the given `Cookie` lines, in order. What is no cookie is passed over.
  const read = (lines) => {
    const found = [];
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

  // The `Set-Cookie` line of an object with Go's field names, in either case (Go: http.Cookie.String).
  const SAME_SITE = Object.freeze(
    { __proto__: null, 2: 'Lax', 3: 'Strict', 4: 'None', lax: 'Lax', strict: 'Strict', none: 'None' });
  const line = (given) => {
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
  return { isToken, read, line };
})
