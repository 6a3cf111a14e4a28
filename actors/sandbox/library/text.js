// TextEncoder and TextDecoder (WHATWG Encoding): UTF-8, UTF-16 little-endian and windows-1252, which the standard calls
// latin1 and ascii too. Takes errors and encodings. What a stream holds back is in the decoder itself.
(function text({ coded }, { utf8, latin1, utf16le }) {
  const { isView } = ArrayBuffer;
  const EMPTY = new Uint8Array(0);
  // What windows-1252 has at 0x80 to 0x9f.
  const HIGH = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f'
    + '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';
  const labels = {
    __proto__: null, 'utf-8': 'utf-8', utf8: 'utf-8', 'unicode-1-1-utf-8': 'utf-8',
    'utf-16le': 'utf-16le', 'utf-16': 'utf-16le', 'ucs-2': 'utf-16le', unicode: 'utf-16le',
    latin1: 'windows-1252', 'iso-8859-1': 'windows-1252', ascii: 'windows-1252', 'us-ascii': 'windows-1252',
    'windows-1252': 'windows-1252', cp1252: 'windows-1252', l1: 'windows-1252', 'iso8859-1': 'windows-1252',
  };
  const bytesOf = (input) => {
    if (input === undefined) return EMPTY;
    if (isView(input)) return new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    if (input instanceof ArrayBuffer) return new Uint8Array(input);
    throw coded(TypeError, 'ERR_INVALID_ARG_TYPE',
      'The "list" argument must be an instance of ArrayBuffer or ArrayBufferView.');
  };
  const joined = (a, b) => {
    if (a.length === 0) return b;
    const both = new Uint8Array(a.length + b.length);
    both.set(a);
    both.set(b, a.length);
    return both;
  };

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(input = '') { return utf8.encode(String(input)); }
    encodeInto(input, target) {
      const source = String(input).toWellFormed();
      let bytes = utf8.encode(source);
      if (bytes.length <= target.length) {
        target.set(bytes);
        return { read: source.length, written: bytes.length };
      }
      bytes = bytes.subarray(0, target.length);
      bytes = bytes.subarray(0, bytes.length - utf8.unfinished(bytes));
      target.set(bytes);
      return { read: utf8.decode(bytes).length, written: bytes.length };
    }
  }

  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #held = EMPTY;
    #begun = false; // whether the mark at the beginning has been looked for

    constructor(label = 'utf-8', options = {}) {
      const found = labels[String(label).trim().toLowerCase()];
      if (found === undefined)
        throw coded(RangeError, 'ERR_ENCODING_NOT_SUPPORTED', `The "${String(label)}" encoding is not supported`);
      this.#encoding = found;
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }

    decode(input, options) {
      const stream = Boolean(options?.stream);
      let bytes = joined(this.#held, bytesOf(input));
      this.#held = EMPTY;
      if (stream) {
        const back = this.#unfinished(bytes);
        this.#held = bytes.slice(bytes.length - back);
        bytes = bytes.subarray(0, bytes.length - back);
      }
      let out;
      try {
        out = this.#decoded(bytes);
      } catch (error) {
        this.#held = EMPTY;
        this.#begun = false;
        throw error;
      }
      const first = !this.#begun;
      this.#begun = stream && (this.#begun || out !== '');
      return first && !this.#ignoreBOM && out[0] === '\ufeff' ? out.slice(1) : out;
    }

    #unfinished(bytes) {
      if (this.#encoding === 'utf-8') return utf8.unfinished(bytes);
      if (this.#encoding !== 'utf-16le') return 0;
      const odd = bytes.length % 2;
      const high = bytes[bytes.length - odd - 1];
      return bytes.length > odd && (high & 0xfc) === 0xd8 ? odd + 2 : odd;
    }
    #decoded(bytes) {
      if (this.#encoding === 'windows-1252')
        return latin1.decode(bytes).replace(/[\x80-\x9f]/g, (char) => HIGH[char.charCodeAt(0) - 0x80]);
      if (this.#encoding === 'utf-8') {
        if (!this.#fatal) return utf8.decode(bytes);
        try {
          return utf8.strict(bytes);
        } catch (error) {
          throw error instanceof URIError ? this.#invalid() : error;
        }
      }
      const out = utf16le.decode(bytes);
      const odd = bytes.length % 2 === 1;
      if (this.#fatal && (odd || !out.isWellFormed())) throw this.#invalid();
      return out.toWellFormed() + (odd ? '\ufffd' : '');
    }
    #invalid() {
      return coded(TypeError, 'ERR_ENCODING_INVALID_ENCODED_DATA',
        `The encoded data was not valid for encoding ${this.#encoding}`);
    }
  }
  return { TextEncoder, TextDecoder };
})
