// The errors of the library: Node's codes on the language's classes, and the web's named errors. Takes nothing.
// Scripts tell errors apart by `code` or by `name`; both are what Node's documentation and the web's standards say.
(function failures() {
  const refuses = atob; // a script's own `atob` does not
  const MAX_SHOWN = 28; // characters of a wrong value that a message repeats

  const coded = (Kind, code, message) => {
    const error = new Kind(message);
    error.code = code;
    return error;
  };
  const received = (value) => {
    if (value === null || value === undefined) return `Received ${value}`;
    if (typeof value === 'function') return `Received function ${value.name}`;
    if (typeof value === 'object') {
      const name = value.constructor?.name;
      return typeof name === 'string' && name !== '' ? `Received an instance of ${name}` : 'Received an object';
    }
    let shown = String(value);
    if (shown.length > MAX_SHOWN) shown = shown.slice(0, MAX_SHOWN - 3) + '...';
    return `Received type ${typeof value} (${typeof value === 'string' ? `'${shown}'` : shown})`;
  };
  const wrongType = (name, expected, value) => coded(TypeError, 'ERR_INVALID_ARG_TYPE',
    `The ${name.includes(' ') ? name : `"${name}" argument`} must be ${expected}. ${received(value)}`);
  const wrongValue = (message) => coded(TypeError, 'ERR_INVALID_ARG_VALUE', message);
  const outOfRange = (name, range, value) => coded(RangeError, 'ERR_OUT_OF_RANGE',
    `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`);
  const outOfBounds = (message = 'Attempt to access memory outside buffer bounds') =>
    coded(RangeError, 'ERR_BUFFER_OUT_OF_BOUNDS', message);
  const needText = (value, name) => {
    if (typeof value !== 'string') throw wrongType(name, 'of type string', value);
    return value;
  };

  // DOMException has no name in a realm, but the engine still throws it.
  const domFailure = (message, name) => {
    try {
      refuses('*');
    } catch (error) {
      return new error.constructor(message, name);
    }
  };
  return { coded, wrongType, wrongValue, outOfRange, outOfBounds, needText, domFailure };
})
