// The functions nFlow gives to scripts, under their Go names, and those that plugins give; one realm's. Takes the calls;
// returns a function from a global's name to its value, or undefined.
//
// Functions of nFlow block until the runtime has answered, and so do those of plugins that are plain functions there; the
// others of plugins, `mail.send` and `program.run`, return a promise. What one run sets (`set_env`) is in that run's own `env`.
(function functions(parts) {
  'use strict';
  const { call, send, local, envOf, plugins, wall } = parts;
  const { hasOwn, defineProperty } = Object;
  const { isArray } = Array;
  const CALLS = ['set_session', 'get_session', 'open_session', 'save_session', 'delete_session', 'open_session_form',
    'delete_session_form', 'set_profile', 'get_profile', 'exist_profile', 'delete_profile', 'validate_user', 'get_user',
    'validate_token', 'get_token', 'get_template', 'http_get', 'http_delete', 'http_post', 'http_put', 'http_patch',
    'http_get_with_header', 'http_delete_with_header', 'http_post_with_header', 'http_put_with_header',
    'http_patch_with_header', 'openai', 'gemini', 'ollama', 'mail_config', 'send_mail', 'send_mail_async', 'send_otp',
    'check_otp', 'file_to_string', 'string_to_file', 'sleep', 'wkill'];
  const COMMANDS = ['redis_hset', 'redis_hget', 'redis_hdel', 'redis_expire'];
  const DIGESTS = { __proto__: null, calcular_sha512: 'sha512', calcular_sha512_224: 'sha512-224', calcular_sha512_256: 'sha512-256' };
  const toBase64 = btoa, fromBase64 = atob;
  const { encodeURIComponent: percentEncode, decodeURIComponent: utf8, escape: percentBytes, unescape: percentDecode } = globalThis;

  const named = (name, run) => defineProperty(run, 'name', { value: name });
  const calling = (name) => ({ [name](...values) { return call(name, values); } })[name];
  const sending = (name, wire) => ({ [name](...values) { return send(wire, values); } })[name];

  // go-redis: a command that has run, which is asked for what came of it.
  const command = (told) => ({
    val: () => told.val,
    err: () => told.err,
    result: () => {
      if (told.err !== null && told.err !== undefined) throw new Error(told.err);
      return told.val;
    },
  });

  const date = () => new Date(wall());
  const own = {
    __proto__: null,
    uuid: () => local('uuid', []),
    template: (source, data) => local('template', [source, data]),
    mustache: (source, data) => local('mustache', [source, data]),
    find_element: (path, object) => {
      const terms = ('' + path).split('.');
      let found = object;
      for (let i = 0; i < terms.length; i++) {
        if (found === null || typeof found !== 'object' || !hasOwn(found, terms[i]))
          throw new Error('find_element: there is no ' + terms.slice(0, i + 1).join('.'));
        found = found[terms[i]];
      }
      return found;
    },
    // Without the fence of Markdown that language models put around JSON.
    clean_json: (text) => {
      text = ('' + text).trim();
      if (text.startsWith('```json')) text = text.slice(7);
      else if (text.startsWith('```')) text = text.slice(3);
      if (text.endsWith('```')) text = text.slice(0, -3);
      return text.trim();
    },
    // Go's atob: of text, in UTF-8; what is no base64 is empty. Bytes that are no text come as the web's atob gives them.
    atob: (text) => {
      let bytes;
      try {
        bytes = fromBase64('' + text);
      } catch {
        return '';
      }
      try {
        return utf8(percentBytes(bytes));
      } catch {
        return bytes;
      }
    },
    url_values_to_map: (values) => {
      const map = {};
      const names = Object.keys(values ?? {});
      for (let i = 0; i < names.length; i++) {
        const value = values[names[i]];
        defineProperty(map, names[i],
          { value: isArray(value) ? value : ['' + value], writable: true, enumerable: true, configurable: true });
      }
      return map;
    },
    new_map: () => ({}),
    get_env: (name) => {
      const values = envOf();
      return hasOwn(values, '' + name) ? '' + values['' + name] : '';
    },
    set_env: (name, value) => {
      defineProperty(envOf(), '' + name, { value: '' + value, writable: true, enumerable: true, configurable: true });
    },
    time_now_unix: () => Math.floor(wall() / 1000),
    time_now_unix_nano: () => wall() * 1e6,
    time_now_day: () => date().getUTCDate(),
    time_now_month: () => date().getUTCMonth() + 1,
    time_now_year: () => date().getUTCFullYear(),
    time_now_hour: () => date().getUTCHours(),
    time_now_minute: () => date().getUTCMinutes(),
    time_now_second: () => date().getUTCSeconds(),
    time_now_weekday: () => date().getUTCDay(),
  };

  const objects = {
    __proto__: null,
    mail: () => ({ send: sending('send', 'mail.send') }),
    program: () => ({ run: sending('run', 'program.run') }),
    security: () => ({
      encrypt: named('encrypt', (...values) => call('security.encrypt', values)),
      decrypt: named('decrypt', (...values) => call('security.decrypt', values)),
      isEncrypted: named('isEncrypted', (...values) => call('security.isEncrypted', values)),
    }),
  };
  // Plugins' functions are `name` or `object.name`; those marked `!` keep the script waiting.
  const plugin = (name) => {
    let object;
    for (let i = 0; i < plugins.length; i++) {
      const waited = plugins[i].endsWith('!');
      const wire = waited ? plugins[i].slice(0, -1) : plugins[i];
      const made = (member) => waited ? named(member, (...values) => call(wire, values)) : sending(member, wire);
      if (wire === name) return made(name);
      if (!wire.startsWith(name + '.')) continue;
      const member = wire.slice(name.length + 1);
      defineProperty(object ??= {}, member, { value: made(member), enumerable: true });
    }
    return object;
  };

  return (name) => {
    if (CALLS.includes(name)) return calling(name);
    if (own[name] !== undefined) return own[name];
    if (COMMANDS.includes(name)) return named(name, (...values) => command(call(name, values)));
    if (DIGESTS[name] !== undefined) {
      const algorithm = DIGESTS[name];
      return named(name, (text) => {
        const bytes = fromBase64(local('crypto.hash', [algorithm, toBase64(percentDecode(percentEncode('' + text)))]));
        let hex = '';
        for (let i = 0; i < bytes.length; i++) hex += bytes.charCodeAt(i).toString(16).padStart(2, '0');
        return hex;
      });
    }
    return objects[name]?.() ?? plugin(name);
  };
})
