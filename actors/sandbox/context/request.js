// The request of the run, read from what the parent sent of it (`protocol/formats/reach.py` decides what that is): values,
// headers, cookies, files. Takes the cookies' reader; what was not sent reads as empty.
//
// Invariant: `begin` sets anew all that a run can read here, and every object handed out is made in the run.
(function request(cookies) {
  'use strict';
  const { create, defineProperty, freeze, hasOwn, keys: keysOf } = Object;
  const Bytes = Uint8Array;
  const { decodeURIComponent: percentDecode, encodeURIComponent: percentEncode, escape: byteEscape,
    unescape: byteUnescape } = globalThis;
  const toBinary = atob, toBase64 = btoa;
  const fromBase64 = Bytes.fromBase64;

  const NOTHING = freeze({});
  let told = NOTHING;
  let formValues = null;
  let uploads = null;

  const begin = (given) => {
    told = given ?? NOTHING;
    formValues = uploads = null;
  };

  // --- pairs of names and values ---------------------------------------------------------------------------------------

  const pairs = (name) => told[name] ?? [];
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
  const put = (object, name, value) =>
    defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  // The groups as a plain object: names are data, also `__proto__`. `few`: one value stands for itself.
  const plain = (groups, few = false) => {
    const object = {};
    const names = keysOf(groups);
    for (let i = 0; i < names.length; i++) {
      const values = groups[names[i]];
      put(object, names[i], few && values.length === 1 ? values[0] : values);
    }
    return object;
  };
  const first = (list, name) => {
    for (let i = 0; i < list.length; i++) if (list[i][0] === name) return list[i][1];
    return '';
  };
  // Fields of the body stand before values of the query (Go: Request.Form).
  const form = () => formValues ??= group(pairs('fields'), pairs('query'));
  const formValue = (name) => form()['' + name]?.[0] ?? '';

  // --- headers and origin ----------------------------------------------------------------------------------------------

  const headers = () => told.headers ?? NOTHING;
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
    return hasOwn(headers(), key) ? headers()[key] : [];
  };
  const header = (name) => headerValues(name)[0] ?? '';
  const allCookies = () => cookies.read(headerValues('Cookie'));
  const cookie = (name) => {
    const all = allCookies();
    for (let i = 0; i < all.length; i++) if (all[i].Name === '' + name) return all[i];
    throw new Error('http: named cookie not present');
  };
  const meta = (name) => told.meta?.[name] ?? '';
  const client = () => meta('client');
  const star = () => meta('path').replace(/^\/+/, '');
  const variables = () => told.vars ?? NOTHING;

  // --- bodies and files ------------------------------------------------------------------------------------------------

  // A string of bytes as text; a byte that is not of UTF-8 becomes U+FFFD (Go).
  const textOf = (binary) => binary.replace(
    /[\0-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g,
    (bytes) => bytes[0] < '\x80' ? bytes : bytes.length === 1 ? '\ufffd' : percentDecode(byteEscape(bytes)));
  // `{text}` or `{base64}` of the parent, in either form.
  const contentText = (content) => content.text ?? textOf(toBinary(content.base64));
  const contentBase64 = (content) => content.base64 ?? toBase64(byteUnescape(percentEncode(content.text)));
  const contentBytes = (content) => fromBase64.call(Bytes, contentBase64(content));

  // What the parent made of the body: JSON its value, a form its fields, text, or else bytes; {} without one.
  const body = () => {
    const given = told.body;
    if (given === undefined) return {};
    if (given.json !== undefined) return given.json;
    if (given.form !== undefined) return plain(group(given.form), true);
    return given.text ?? contentBytes(given);
  };

  // Methods do not show when the file is written as JSON.
  const methods = (object, named) => {
    const names = keysOf(named);
    for (let i = 0; i < names.length; i++)
      defineProperty(object, names[i], { value: named[names[i]], writable: true, enumerable: false, configurable: true });
    return object;
  };
  const quoted = (text) => '"' + text.replace(/[\\"]/g, '\\$&') + '"';
  const fileOf = (upload) => {
    const { size, content } = upload;
    const reads = {
      text: () => contentText(content),
      bytes: () => contentBytes(content),
      base64: () => contentBase64(content),
    };
    const header = {
      'Content-Disposition': ['form-data; name=' + quoted(upload.field) + '; filename=' + quoted(upload.name)],
      'Content-Type': [upload.type],
    };
    return methods({ filename: upload.name, size, type: upload.type, header },
      { ...reads, open: () => methods({}, { ...reads, close: () => null }) });
  };
  const files = () => {
    if (uploads !== null) return uploads;
    const given = pairs('files');
    const list = [];
    for (let i = 0; i < given.length; i++) list[i] = [given[i].field, fileOf(given[i])];
    return uploads = list;
  };
  const formFile = (name) => {
    const list = files();
    for (let i = 0; i < list.length; i++) if (list[i][0] === '' + name) return list[i][1];
    throw new Error('http: no such file');
  };
  const filesByField = () => plain(group(files()));
  const multipart = () => {
    if (!/^\s*multipart\/form-data\s*(?:;|$)/i.test(header('Content-Type')))
      throw new Error("request Content-Type isn't multipart/form-data");
    return methods({ value: plain(group(pairs('fields'))), file: filesByField() }, { removeAll: () => null });
  };

  return {
    NOTHING, all: (name) => told[name], allCookies, begin, body, canonical, cookie, filesByField, first, form, formFile,
    client, formValue, group, header, headers, headerValues, meta, multipart, pairs, plain, put, star, variables,
  };
})
