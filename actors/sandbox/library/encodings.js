// Text as bytes and bytes as text, in every encoding Buffer and TextDecoder know. Takes the errors.
//
// The engine's own base64 and percent coding do the work: a loop over characters in JavaScript is thirty times slower.
// Nothing here fails for a text: lone surrogates become U+FFFD, as they do in Node.
(function encodings({ coded }) {
  const { apply } = Reflect;
  const { fromCharCode, fromCodePoint } = String;
  const { toBase64, toHex } = Uint8Array.prototype;
  const fromBase64 = (text) => Uint8Array.fromBase64(text);
  const MAX_ARGUMENTS = 4096;
  const fromText = atob, toText = btoa; // a script's `atob` is nFlow's, which reads text

  // --- texts of one character a byte -----------------------------------------------------------------------------------

  const binaryOf = (bytes) => fromText(apply(toBase64, bytes, []));
  const bytesOfBinary = (binary) => fromBase64(toText(binary));
  const latin1 = {
    encode(text) {
      if (!/[^\0-\xff]/.test(text)) return bytesOfBinary(text);
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
      return bytes;
    },
    decode: binaryOf,
  };
  const ascii = {
    encode: latin1.encode,
    decode: (bytes) => binaryOf(bytes).replace(/[\x80-\xff]/g, (c) => fromCharCode(c.charCodeAt(0) & 0x7f)),
  };

  // --- UTF-8 -----------------------------------------------------------------------------------------------------------

  const utf8Binary = (text) => /[^\0-\x7f]/.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text;
  // A lead byte's form: how many bytes follow, and the bounds of the first of them.
  const formOf = (lead) => {
    if (lead >= 0xc2 && lead <= 0xdf) return [1, 0x80, 0xbf];
    if (lead >= 0xe0 && lead <= 0xef) return [2, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf];
    if (lead >= 0xf0 && lead <= 0xf4) return [3, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf];
    return null;
  };
  const repaired = (bytes) => {
    let out = '';
    for (let i = 0; i < bytes.length;) {
      const lead = bytes[i++];
      const form = lead < 0x80 ? null : formOf(lead);
      if (form === null) {
        out += lead < 0x80 ? fromCharCode(lead) : '\ufffd';
        continue;
      }
      let [need, low, high] = form;
      let point = lead & (0x3f >> need);
      for (; need > 0 && bytes[i] >= low && bytes[i] <= high; need--, low = 0x80, high = 0xbf)
        point = point << 6 | bytes[i++] & 0x3f;
      out += need === 0 ? fromCodePoint(point) : '\ufffd';
    }
    return out;
  };
  const strictUtf8 = (bytes) => { // throws URIError
    const binary = binaryOf(bytes);
    return /[\x80-\xff]/.test(binary) ? decodeURIComponent(escape(binary)) : binary;
  };
  const utf8 = {
    encode: (text) => bytesOfBinary(utf8Binary(text)),
    decode(bytes) {
      try {
        return strictUtf8(bytes);
      } catch (error) {
        if (!(error instanceof URIError)) throw error;
        return repaired(bytes);
      }
    },
    strict: strictUtf8,
    // How many bytes at the end begin a character that is not whole yet.
    unfinished(bytes) {
      for (let back = 1; back <= 3 && back <= bytes.length; back++) {
        const at = bytes.length - back;
        if ((bytes[at] & 0xc0) === 0x80) continue;
        const form = formOf(bytes[at]);
        const begun = form !== null && back <= form[0]
          && (back === 1 || bytes[at + 1] >= form[1] && bytes[at + 1] <= form[2]);
        return begun ? back : 0;
      }
      return 0;
    },
  };

  // --- the others ------------------------------------------------------------------------------------------------------

  const utf16le = {
    encode(text) {
      const bytes = new Uint8Array(text.length * 2);
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        bytes[2 * i] = unit;
        bytes[2 * i + 1] = unit >> 8;
      }
      return bytes;
    },
    decode(bytes) {
      let out = '', units = [];
      for (let i = 0; i + 1 < bytes.length; i += 2) {
        units[units.length] = bytes[i] | bytes[i + 1] << 8;
        if (units.length === MAX_ARGUMENTS) {
          out += apply(fromCharCode, null, units);
          units = [];
        }
      }
      return out + apply(fromCharCode, null, units);
    },
  };
  const hex = {
    encode(text) { // up to the first that is not a digit
      const end = text.search(/[^0-9a-f]/i);
      const length = end < 0 ? text.length : end;
      return Uint8Array.fromHex(text.slice(0, length - length % 2));
    },
    decode: (bytes) => apply(toHex, bytes, []),
  };
  const base64 = {
    encode(text) { // both alphabets; what is in neither is skipped, and padding ends it
      const end = text.indexOf('=');
      let digits = (end < 0 ? text : text.slice(0, end)).replace(/[^A-Za-z0-9+/_-]+/g, '');
      digits = digits.replaceAll('-', '+').replaceAll('_', '/');
      if (digits.length % 4 === 1) digits = digits.slice(0, -1);
      return fromBase64(digits);
    },
    decode: (bytes) => apply(toBase64, bytes, []),
  };
  const base64url = {
    encode: base64.encode,
    decode: (bytes) => apply(toBase64, bytes, [{ alphabet: 'base64url', omitPadding: true }]),
  };
  const byName = {
    __proto__: null, utf8, 'utf-8': utf8, hex, base64, base64url, latin1, binary: latin1, ascii,
    utf16le, 'utf-16le': utf16le, ucs2: utf16le, 'ucs-2': utf16le,
  };
  const known = (name) => typeof name === 'string' ? byName[name.length > 9 ? '' : name.toLowerCase()] : undefined;
  const encoding = (name) => {
    if (name === undefined || name === null || name === '') return utf8;
    const found = known(name);
    if (found === undefined) throw coded(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${String(name)}`);
    return found;
  };

  // --- percent signs ---------------------------------------------------------------------------------------------------

  const percentDecoded = (text) => {
    if (!text.includes('%')) return text.toWellFormed();
    try {
      return decodeURIComponent(text);
    } catch {
      const binary = utf8Binary(text).replace(/%([0-9a-f]{2})/gi, (_, digits) => fromCharCode(parseInt(digits, 16)));
      return utf8.decode(bytesOfBinary(binary));
    }
  };
  const percent = (char) => '%' + char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
  // Percent-encode what `set`, a global pattern of runs, matches; a run's letters that encodeURIComponent keeps as well.
  const percentEncoded = (text, set) => text.search(set) < 0 ? text : text.replace(set,
    (run) => encodeURIComponent(run.toWellFormed()).replace(/[!'()~*._-]/g, percent));

  return { encoding, known, utf8, latin1, utf16le, base64, percentDecoded, percentEncoded };
})
