// The methods of Buffer that read and write numbers: readUInt16LE, writeDoubleBE and their kin, made from a table.
// Takes the prototype to give them to and the errors they throw.
(function numbers(prototype, outOfRange, outOfBounds, wrongType) {
  const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const place = (bytes, offset, size) => {
    if (typeof offset !== 'number') throw wrongType('offset', 'of type number', offset);
    const last = bytes.length - size;
    if (!Number.isInteger(offset)) throw outOfRange('offset', 'an integer', offset);
    if (last < 0) throw outOfBounds();
    if (offset < 0 || offset > last) throw outOfRange('offset', `>= 0 and <= ${last}`, offset);
    return offset;
  };
  const add = (name, method) => {
    for (const alias of name.includes('UInt') ? [name, name.replace('UInt', 'Uint')] : [name])
      Object.defineProperty(prototype, alias, { value: method, writable: true, configurable: true });
  };
  const checked = (value, least, most) => {
    if (value < least || value > most) throw outOfRange('value', `>= ${least} and <= ${most}`, value);
    return value;
  };

  // Name in Buffer, name in DataView, bytes, and the least and greatest value, where there is one.
  const kinds = [
    ['UInt8', 'Uint8', 1, 0, 0xff], ['Int8', 'Int8', 1, -0x80, 0x7f],
    ['UInt16', 'Uint16', 2, 0, 0xffff], ['Int16', 'Int16', 2, -0x8000, 0x7fff],
    ['UInt32', 'Uint32', 4, 0, 0xffffffff], ['Int32', 'Int32', 4, -0x80000000, 0x7fffffff],
    ['BigUInt64', 'BigUint64', 8, 0n, 2n ** 64n - 1n], ['BigInt64', 'BigInt64', 8, -(2n ** 63n), 2n ** 63n - 1n],
    ['Float', 'Float32', 4], ['Double', 'Float64', 8],
  ];
  for (const [kind, native, size, least, most] of kinds) {
    const get = DataView.prototype[`get${native}`], set = DataView.prototype[`set${native}`];
    const coerce = typeof least === 'bigint' ? (value) => value : Number;
    for (const order of size === 1 ? [''] : ['LE', 'BE']) {
      const little = order === 'LE';
      add(`read${kind}${order}`, {
        read(offset = 0) { return get.call(viewOf(this), place(this, offset, size), little); },
      }.read);
      add(`write${kind}${order}`, {
        write(value, offset = 0) {
          value = coerce(value);
          if (least !== undefined) checked(value, least, most);
          set.call(viewOf(this), place(this, offset, size), value, little);
          return offset + size;
        },
      }.write);
    }
  }

  // Integers of one to six bytes.
  const length = (size) => {
    if (typeof size !== 'number') throw wrongType('byteLength', 'of type number', size);
    if (!(Number.isInteger(size) && size >= 1 && size <= 6)) throw outOfRange('byteLength', '>= 1 and <= 6', size);
    return size;
  };
  for (const signed of [false, true])
    for (const order of ['LE', 'BE']) {
      const kind = `${signed ? 'Int' : 'UInt'}${order}`;
      const at = (offset, size, i) => offset + (order === 'LE' ? size - 1 - i : i);
      add(`read${kind}`, {
        read(offset, size) {
          place(this, offset, length(size));
          let value = 0;
          for (let i = 0; i < size; i++) value = value * 256 + this[at(offset, size, i)];
          return signed && value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
        },
      }.read);
      add(`write${kind}`, {
        write(value, offset, size) {
          value = Number(value);
          place(this, offset, length(size));
          const half = 2 ** (8 * size - 1);
          checked(value, signed ? -half : 0, signed ? half - 1 : 2 * half - 1);
          let rest = Math.trunc(value);
          for (let i = size - 1; i >= 0; i--) {
            this[at(offset, size, i)] = rest;
            rest = Math.floor(rest / 256);
          }
          return offset + size;
        },
      }.write);
    }
})
