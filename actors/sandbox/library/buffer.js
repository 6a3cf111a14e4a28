// Buffer and the module `buffer`, as Node's documentation has them. Takes errors, encodings and the number methods.
// A Buffer is a Uint8Array: it has no state of its own, and the class may be frozen.
(function buffer(failures, { encoding, known, utf8 }, numbers) {
  const { coded, wrongType, wrongValue, outOfRange, outOfBounds, needText } = failures;
  const { apply } = Reflect;
  const { isView } = ArrayBuffer;
  const { min } = Math;
  const { indexOf: byteIndex, lastIndexOf: lastByteIndex, fill: fillBytes, set: setBytes } = Uint8Array.prototype;
  const MAX_LENGTH = 0x7fffffff;
  const MAX_INSPECTED = 50;
  const FIRST = 'of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object';

  const isBytes = (value) => value instanceof Uint8Array;
  const asBuffer = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bytesOf = (value, name) => {
    if (isBytes(value)) return value;
    throw wrongType(name, 'an instance of Buffer or Uint8Array', value);
  };
  const sizeOf = (size) => {
    if (typeof size !== 'number') throw wrongType('size', 'of type number', size);
    if (!(size >= 0 && size <= MAX_LENGTH)) throw outOfRange('size', `>= 0 && <= ${MAX_LENGTH}`, size);
    return Math.trunc(size);
  };
  const whole = (value, name, otherwise, most) => {
    if (value === undefined) return otherwise;
    if (typeof value !== 'number') throw wrongType(name, 'of type number', value);
    if (!(value >= 0 && value <= most)) throw outOfRange(name, `>= 0 && <= ${most}`, value);
    return Math.trunc(value);
  };
  // Bounds as slice() has them: missing is the end, wrong is clamped.
  const bound = (value, length, otherwise) => {
    if (value === undefined) return otherwise;
    const number = Math.trunc(value);
    return number > 0 ? min(number, length) : 0;
  };
  const compareBytes = (a, b) => {
    const length = min(a.length, b.length);
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
  };
  const needle = (value, name) => {
    if (typeof value === 'string') return encoding(name).encode(value);
    if (typeof value === 'number') return new Uint8Array([value]);
    if (isBytes(value)) return value;
    throw wrongType('value', 'one of type number or string or an instance of Buffer or Uint8Array', value);
  };
  const startOf = (offset, length, otherwise) => {
    const number = Math.trunc(offset);
    if (offset === undefined || Number.isNaN(number)) return otherwise;
    return number < 0 ? number + length : number;
  };

  class Buffer extends Uint8Array {
    constructor(source, offset, length) {
      if (typeof source === 'string') source = encoding(offset).encode(source), offset = undefined;
      super(source, offset, length);
    }

    static from(value, second, length) {
      if (typeof value === 'string') return asBuffer(encoding(second).encode(value));
      if (value === null || typeof value !== 'object') throw wrongType('first argument', FIRST, value);
      if (value instanceof ArrayBuffer) return new Buffer(value, second, length);
      if (isView(value) && !isBytes(value)) return new Buffer(Array.from(value));
      if (isBytes(value) || Array.isArray(value)) return new Buffer(value);
      if (value.type === 'Buffer' && Array.isArray(value.data)) return new Buffer(value.data);
      const primitive = value.valueOf?.();
      if (primitive !== null && primitive !== undefined && primitive !== value)
        return Buffer.from(primitive, second, length);
      if (value.length !== undefined) return new Buffer(Array.from({ length: sizeOf(value.length) }, (_, i) => value[i]));
      const text = value[Symbol.toPrimitive]?.('string');
      if (typeof text === 'string') return Buffer.from(text, second);
      throw wrongType('first argument', FIRST, value);
    }
    static alloc(size, fill, name) {
      const made = new Buffer(sizeOf(size));
      return fill === undefined || fill === 0 || made.length === 0 ? made : made.fill(fill, name);
    }
    static allocUnsafe(size) { return new Buffer(sizeOf(size)); }
    static allocUnsafeSlow(size) { return new Buffer(sizeOf(size)); }
    static byteLength(value, name) {
      if (typeof value === 'string') return (known(name) ?? utf8).encode(value).length;
      if (isView(value) || value instanceof ArrayBuffer) return value.byteLength;
      throw wrongType('string', 'of type string or an instance of Buffer or ArrayBuffer', value);
    }
    static concat(list, total) {
      if (!Array.isArray(list)) throw wrongType('list', 'an instance of Array', list);
      let length = 0;
      for (let i = 0; i < list.length; i++) length += bytesOf(list[i], `list[${i}]`).length;
      const made = new Buffer(total === undefined ? length : sizeOf(total));
      for (let i = 0, at = 0; i < list.length && at < made.length; at += list[i].length, i++)
        apply(setBytes, made, [list[i].length > made.length - at ? list[i].subarray(0, made.length - at) : list[i], at]);
      return made;
    }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { return known(name) !== undefined; }
    static compare(a, b) { return compareBytes(bytesOf(a, 'buf1'), bytesOf(b, 'buf2')); }
    static get poolSize() { return 8192; }

    get parent() { return this.buffer; }
    get offset() { return this.byteOffset; }

    toString(name, start, end) {
      const from = bound(start, this.length, 0), to = bound(end, this.length, this.length);
      if (to <= from) return '';
      return encoding(name).decode(from === 0 && to === this.length ? this : this.subarray(from, to));
    }
    toLocaleString(name, start, end) { return this.toString(name, start, end); }
    toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
    slice(start, end) { return this.subarray(start, end); }
    equals(other) { return this === other || compareBytes(this, bytesOf(other, 'otherBuffer')) === 0; }
    compare(target, targetStart, targetEnd, start, end) {
      bytesOf(target, 'target');
      const t0 = whole(targetStart, 'targetStart', 0, MAX_LENGTH);
      const t1 = whole(targetEnd, 'targetEnd', target.length, target.length);
      const s0 = whole(start, 'sourceStart', 0, MAX_LENGTH), s1 = whole(end, 'sourceEnd', this.length, this.length);
      return compareBytes(this.subarray(s0, s1 < s0 ? s0 : s1), target.subarray(t0, t1 < t0 ? t0 : t1));
    }
    copy(target, targetStart, start, end) {
      bytesOf(target, 'target');
      const at = whole(targetStart, 'targetStart', 0, MAX_LENGTH), from = whole(start, 'sourceStart', 0, this.length);
      const to = min(whole(end, 'sourceEnd', this.length, MAX_LENGTH), this.length, from + target.length - at);
      if (at >= target.length || to <= from) return 0;
      apply(setBytes, target, [this.subarray(from, to), at]);
      return to - from;
    }
    write(text, offset, length, name) {
      needText(text, 'argument');
      if (typeof offset === 'string') [name, offset, length] = [offset, undefined, undefined];
      else if (typeof length === 'string') [name, length] = [length, undefined];
      const format = encoding(name);
      const at = whole(offset, 'offset', 0, this.length);
      const room = min(whole(length, 'length', this.length - at, MAX_LENGTH), this.length - at);
      let bytes = format.encode(text);
      if (bytes.length > room) { // never a part of a character
        bytes = bytes.subarray(0, room);
        if (format === utf8) bytes = bytes.subarray(0, room - utf8.unfinished(bytes));
        else if (format === encoding('utf16le')) bytes = bytes.subarray(0, room - room % 2);
      }
      apply(setBytes, this, [bytes, at]);
      return bytes.length;
    }
    fill(value, offset, end, name) {
      if (typeof offset === 'string') [name, offset, end] = [offset, undefined, undefined];
      else if (typeof end === 'string') [name, end] = [end, undefined];
      const from = whole(offset, 'offset', 0, MAX_LENGTH), to = whole(end, 'end', this.length, this.length);
      if (typeof value !== 'string' && !isBytes(value)) return apply(fillBytes, this, [value & 255, from, to]);
      const pattern = typeof value === 'string' ? encoding(name).encode(value) : value;
      if (pattern.length === 0) {
        if (value.length > 0)
          throw wrongValue(`The argument 'value' is invalid. Received '${String(value).slice(0, 50)}'`);
        return apply(fillBytes, this, [0, from, to]);
      }
      if (to <= from) return this;
      const first = min(pattern.length, to - from);
      apply(setBytes, this, [pattern.subarray(0, first), from]);
      for (let done = first; done < to - from; done *= 2) // each copy doubles what is there
        apply(setBytes, this, [this.subarray(from, from + min(done, to - from - done)), from + done]);
      return this;
    }
    indexOf(value, offset, name) {
      if (typeof offset === 'string') [name, offset] = [offset, 0];
      const wanted = needle(value, name);
      let from = startOf(offset, this.length, 0);
      if (from < 0) from = 0;
      if (wanted.length === 0) return min(from, this.length);
      const last = this.length - wanted.length;
      for (let at = from; at <= last; at++) {
        at = apply(byteIndex, this, [wanted[0], at]);
        if (at < 0 || at > last) return -1;
        let same = 1;
        while (same < wanted.length && this[at + same] === wanted[same]) same++;
        if (same === wanted.length) return at;
      }
      return -1;
    }
    lastIndexOf(value, offset, name) {
      if (typeof offset === 'string') [name, offset] = [offset, undefined];
      const wanted = needle(value, name);
      const last = this.length - wanted.length;
      for (let at = min(startOf(offset, this.length, last), last); at >= 0; at--) {
        if (wanted.length === 0) return at;
        at = apply(lastByteIndex, this, [wanted[0], at]);
        if (at < 0) return -1;
        let same = 1;
        while (same < wanted.length && this[at + same] === wanted[same]) same++;
        if (same === wanted.length) return at;
      }
      return -1;
    }
    includes(value, offset, name) { return this.indexOf(value, offset, name) !== -1; }
    [Symbol.for('nodejs.util.inspect.custom')]() {
      const shown = this.subarray(0, MAX_INSPECTED).toString('hex').replace(/../g, ' $&');
      const rest = this.length - MAX_INSPECTED;
      return `<Buffer${shown || ' '}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? 's' : ''}` : ''}>`;
    }
  }
  for (const size of [2, 4, 8]) {
    const name = `swap${size * 8}`;
    const swap = { [name]() {
      if (this.length % size !== 0)
        throw coded(RangeError, 'ERR_INVALID_BUFFER_SIZE', `Buffer size must be a multiple of ${size * 8}-bits`);
      for (let at = 0; at < this.length; at += size) this.subarray(at, at + size).reverse();
      return this;
    } }[name];
    Object.defineProperty(Buffer.prototype, name, { value: swap, writable: true, configurable: true });
  }
  numbers(Buffer.prototype, outOfRange, outOfBounds, wrongType);

  const isUtf8 = (value) => {
    try {
      utf8.strict(isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value));
      return true;
    } catch (error) {
      if (error instanceof URIError) return false;
      throw error;
    }
  };
  const isAscii = (value) => Buffer.from(value).every((byte) => byte < 0x80);
  const module = {
    Buffer, atob, btoa, isUtf8, isAscii, kMaxLength: MAX_LENGTH,
    constants: { MAX_LENGTH, MAX_STRING_LENGTH: 0x3fffffff },
  };
  return { Buffer, module };
})
