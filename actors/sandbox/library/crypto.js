// The module and global `crypto`: hashes, HMAC, random values, comparison in constant time. Takes errors, Buffer and
// `local`, the functions of the sandbox process: crypto.hash(algorithm, base64), crypto.hmac(algorithm, base64 key,
// base64) and crypto.random(count), each giving base64. What was given to `update` is kept until `digest`.
(function crypto({ coded, wrongType, outOfRange, needText, domFailure }, Buffer, local) {
  const { isView } = ArrayBuffer;
  const HASHES = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-224', 'sha512-256',
    'sha3-224', 'sha3-256', 'sha3-384', 'sha3-512'];
  const MAX_RANDOM = 65536; // bytes of one call
  const MAX_RANGE = 2 ** 48;

  const algorithmOf = (name) => {
    const plain = name.toLowerCase().replace(/^rsa-/, '').replace(/^sha-(?=\d)/, 'sha').replace(/(?<=^sha512)[/_]/, '-');
    return HASHES.includes(plain) ? plain : null;
  };
  const bytesOf = (data, encoding, name = 'data') => {
    if (typeof data === 'string') return Buffer.from(data, encoding === 'buffer' ? 'utf8' : encoding);
    if (isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return Buffer.from(data);
    throw wrongType(name, 'of type string or an instance of Buffer, TypedArray, or DataView', data);
  };
  const given = (base64, encoding) => {
    const digest = Buffer.from(base64, 'base64');
    return encoding === undefined || encoding === null || encoding === 'buffer' ? digest : digest.toString(encoding);
  };

  class Digest {
    #chunks = [];
    #done = false;

    update(data, encoding) {
      if (this.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      this.#chunks.push(Buffer.from(bytesOf(data, encoding))); // a copy: the caller may change what it gave
      return this;
    }
    // Everything given so far, as base64; for the classes below.
    static take(digest) {
      if (digest.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      digest.#done = true;
      return Buffer.concat(digest.#chunks.splice(0)).toString('base64');
    }
    static copy(digest, to) {
      if (digest.#done) throw coded(Error, 'ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
      to.#chunks = [...digest.#chunks];
      return to;
    }
  }
  const { take, copy } = Digest;
  delete Digest.take;
  delete Digest.copy;
  class Hash extends Digest {
    #algorithm;
    constructor(algorithm) {
      super();
      this.#algorithm = algorithmOf(needText(algorithm, 'algorithm'));
      if (this.#algorithm === null)
        throw coded(Error, 'ERR_OSSL_EVP_UNSUPPORTED', `Digest method not supported: ${algorithm.slice(0, 40)}`);
    }
    digest(encoding) { return given(local('crypto.hash', [this.#algorithm, take(this)]), encoding); }
    copy() { return copy(this, new Hash(this.#algorithm)); }
  }
  class Hmac extends Digest {
    #algorithm;
    #key;
    constructor(algorithm, key) {
      super();
      this.#algorithm = algorithmOf(needText(algorithm, 'hmac'));
      if (this.#algorithm === null)
        throw coded(TypeError, 'ERR_CRYPTO_INVALID_DIGEST', `Invalid digest: ${algorithm.slice(0, 40)}`);
      this.#key = bytesOf(key, 'utf8', 'key').toString('base64');
    }
    digest(encoding) { return given(local('crypto.hmac', [this.#algorithm, this.#key, take(this)]), encoding); }
  }

  // --- random values ---------------------------------------------------------------------------------------------------

  const random = (count) => {
    const chunks = [];
    for (let left = count; left > 0; left -= MAX_RANDOM)
      chunks.push(Buffer.from(local('crypto.random', [Math.min(left, MAX_RANDOM)]), 'base64'));
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  };
  const answer = (make, callback) => {
    if (callback === undefined) return make();
    if (typeof callback !== 'function') throw wrongType('callback', 'of type function', callback);
    const value = make();
    Promise.resolve().then(() => { callback(null, value); });
  };
  const randomBytes = (size, callback) => {
    if (typeof size !== 'number') throw wrongType('size', 'of type number', size);
    if (!(Number.isInteger(size) && size >= 0 && size <= 0x7fffffff))
      throw outOfRange('size', '>= 0 && <= 2147483647', size);
    return answer(() => random(size), callback);
  };
  const fill = (view, offset, size) => {
    new Uint8Array(view.buffer ?? view, (view.byteOffset ?? 0) + offset, size).set(random(size));
    return view;
  };
  const randomFillSync = (view, offset = 0, size = view.byteLength - offset) => {
    if (!isView(view) && !(view instanceof ArrayBuffer))
      throw wrongType('buf', 'an instance of ArrayBuffer or ArrayBufferView', view);
    if (!(offset >= 0 && offset <= view.byteLength)) throw outOfRange('offset', `>= 0 && <= ${view.byteLength}`, offset);
    if (!(size >= 0 && offset + size <= view.byteLength))
      throw outOfRange('size + offset', `<= ${view.byteLength}`, size + offset);
    return fill(view, offset, size);
  };
  const getRandomValues = (view) => {
    if (!isView(view) || view instanceof DataView || view instanceof Float32Array || view instanceof Float64Array)
      throw domFailure('The data argument must be an integer-type TypedArray', 'TypeMismatchError');
    if (view.byteLength > MAX_RANDOM)
      throw domFailure(`The requested length exceeds ${MAX_RANDOM} bytes`, 'QuotaExceededError');
    return fill(view, 0, view.byteLength);
  };
  const randomInt = (least, most, callback) => {
    if (most === undefined || typeof most === 'function') [least, most, callback] = [0, least, most];
    if (!Number.isSafeInteger(least)) throw wrongType('min', 'a safe integer', least);
    if (!Number.isSafeInteger(most)) throw wrongType('max', 'a safe integer', most);
    const range = most - least;
    if (range <= 0) throw outOfRange('max', `greater than the value of "min" (${least})`, most);
    if (range >= MAX_RANGE) throw outOfRange('max - min', `<= ${MAX_RANGE - 1}`, range);
    const fair = MAX_RANGE - MAX_RANGE % range; // numbers from here on would come too often
    return answer(() => {
      for (;;) {
        const number = random(6).readUIntBE(0, 6);
        if (number < fair) return least + number % range;
      }
    }, callback);
  };
  const randomUUID = () => {
    const bytes = random(16);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  };
  const timingSafeEqual = (a, b) => {
    const [left, right] = [a, b].map((value, i) => {
      if (typeof value === 'string')
        throw wrongType(`buf${i + 1}`, 'an instance of ArrayBuffer, Buffer, TypedArray, or DataView', value);
      return bytesOf(value, undefined, `buf${i + 1}`);
    });
    if (left.length !== right.length)
      throw coded(RangeError, 'ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
    let differs = 0;
    for (let i = 0; i < left.length; i++) differs |= left[i] ^ right[i];
    return differs === 0;
  };

  return {
    Hash, Hmac, getRandomValues, randomBytes, randomFillSync, randomInt, randomUUID, timingSafeEqual,
    createHash: (algorithm) => new Hash(algorithm),
    createHmac: (algorithm, key) => new Hmac(algorithm, key),
    hash: (algorithm, data, encoding = 'hex') => new Hash(algorithm).update(data).digest(encoding),
    getHashes: () => [...HASHES],
  };
})
