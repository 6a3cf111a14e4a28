// util.inspect: values as text for people, laid out as Node lays them out. Takes kinds.
//
// The text of one call is bounded: beyond MAX_OUTPUT characters, values are only named. Getters are not called, and a
// value that throws while it is looked at throws out of here, as in Node.
(function inspect({ types, typedName, isPlain }) {
  const { apply, ownKeys } = Reflect;
  const { getOwnPropertyDescriptor, getPrototypeOf, hasOwn, is, isFrozen } = Object;
  const { isArray } = Array;
  const custom = Symbol.for('nodejs.util.inspect.custom');
  const MAX_OUTPUT = 1 << 20;
  const MAX_STRAIGHT = 6; // entries of an array in one line; more are set in columns
  const DEFAULTS = Object.freeze({
    showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100,
    maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, getters: false, numericSeparator: false,
  });
  const builtInTexts = [Object, Array, Date, Error, RegExp, Function, Number, String, Boolean, Symbol, BigInt]
    .map((root) => root.prototype.toString);

  // --- names and texts -------------------------------------------------------------------------------------------------

  const escapes = { __proto__: null, '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r', '\\': '\\\\' };
  const unit = (char) => escapes[char] ?? (char < '\xff'
    ? '\\x' + char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
    : '\\u' + char.charCodeAt(0).toString(16));
  const quoted = (text) => {
    const quote = !text.includes("'") ? "'" : !text.includes('"') ? '"'
      : !text.includes('`') && !text.includes('${') ? '`' : "'";
    const body = text.replace(/[\0-\x1f\x7f-\x9f\\]|\p{Cs}/gu, unit);
    return quote + (quote === "'" ? body.replaceAll("'", "\\'") : body) + quote;
  };
  const numberText = (number) => is(number, -0) ? '-0' : String(number);
  const symbolText = (symbol) => String(symbol);
  const keyText = (key, enumerable) => {
    let text = typeof key === 'symbol' ? `[${symbolText(key)}]` : /^[A-Za-z_]\w*$/.test(key) ? key : quoted(key);
    if (!enumerable) text = `[${typeof key === 'symbol' ? symbolText(key) : key}]`;
    return key === '__proto__' ? "['__proto__']" : text;
  };
  const className = (value) => {
    for (let object = value; object !== null; object = getPrototypeOf(object)) {
      const found = getOwnPropertyDescriptor(object, 'constructor');
      // In shared realms `constructor` of frozen prototypes is an accessor (`prelude.js`).
      const maker = found?.get !== undefined && isFrozen(object) ? apply(found.get, object, []) : found?.value;
      if (typeof maker === 'function' && typeof maker.name === 'string' && maker.name !== ''
        && isPrototype(maker.prototype, value)) return maker.name;
    }
    return null;
  };
  const isPrototype = (prototype, value) => prototype !== null && prototype !== undefined
    && apply(Object.prototype.isPrototypeOf, prototype, [value]);
  const prefix = (name, tag, fallback, size = '') => {
    const own = name === null ? `[${fallback}${size}: null prototype] ` : `${name}${size} `;
    return tag === '' || tag === name ? own : `${own}[${tag}] `;
  };
  const tagOf = (value) => {
    if (getOwnPropertyDescriptor(value, Symbol.toStringTag)?.enumerable) return ''; // it will be among the properties
    const tag = value[Symbol.toStringTag];
    return typeof tag === 'string' ? tag : '';
  };

  // --- what a value consists of ----------------------------------------------------------------------------------------

  const primitive = (ctx, value) => {
    switch (typeof value) {
      case 'string': break;
      case 'number': return numberText(value);
      case 'bigint': return `${value}n`;
      case 'symbol': return symbolText(value);
      default: return String(value);
    }
    let more = '';
    if (value.length > ctx.maxStringLength) {
      const rest = value.length - ctx.maxStringLength;
      value = value.slice(0, ctx.maxStringLength);
      more = `... ${rest} more character${rest > 1 ? 's' : ''}`;
    }
    if (ctx.compact !== true && value.length > 16 && value.length > ctx.breakLength - ctx.indent - 4)
      return value.split(/(?<=\n)/).map(quoted).join(` +\n${' '.repeat(ctx.indent + 2)}`) + more;
    return quoted(value) + more;
  };
  const functionText = (value, name, tag) => {
    const source = apply(Function.prototype.toString, value, []);
    if (source.startsWith('class') && source.endsWith('}')) {
      const parent = getPrototypeOf(value);
      const from = typeof parent === 'function' && parent.name ? ` extends ${parent.name}` : '';
      return `[class ${value.name === '' ? '(anonymous)' : value.name}${from}]`;
    }
    let kind = types.isGeneratorFunction(value) ? 'GeneratorFunction' : 'Function';
    if (types.isAsyncFunction(value)) kind = `Async${kind}`;
    const own = typeof value.name === 'string' && value.name !== '' ? `: ${value.name}` : ' (anonymous)';
    const tagged = tag !== '' && tag !== kind && tag !== name ? ` [${tag}]` : '';
    return `[${kind}${own}]${name === null ? ' [null prototype]' : ''}${tagged}`;
  };
  const errorText = (error, keys) => {
    const name = error.name === undefined ? 'Error' : String(error.name), message = String(error.message);
    for (const hidden of ['name', 'message', 'stack']) {
      const at = keys.indexOf(hidden);
      if (at >= 0) keys.splice(at, 1);
    }
    const coded = typeof error.code === 'string' && /^ERR_/.test(error.code) ? `${name} [${error.code}]` : name;
    const head = message === '' ? coded : `${coded}: ${message}`;
    let stack = error.stack;
    if (typeof stack !== 'string') return `[${head}]`;
    if (stack.startsWith(name)) return stack; // a script's own
    stack = stack.trimEnd();
    return stack === '' ? `[${head}]` : `${head}\n${stack}`;
  };
  const list = (ctx, length, at, present) => {
    const out = [];
    let i = 0;
    for (; i < length && out.length < ctx.maxArrayLength && ctx.spent < MAX_OUTPUT; i++) {
      if (present(i)) {
        out.push(at(i));
        continue;
      }
      let next = i + 1;
      while (next < length && !present(next)) next++;
      out.push(`<${next - i} empty item${next - i > 1 ? 's' : ''}>`);
      i = next - 1;
    }
    const rest = length - i;
    if (rest > 0) out.push(`... ${rest} more item${rest > 1 ? 's' : ''}`);
    return out;
  };
  const iterated = (ctx, size, items, show) => {
    const out = [];
    for (const item of items) {
      if (out.length >= ctx.maxArrayLength || ctx.spent > MAX_OUTPUT) break;
      out.push(show(item));
    }
    const rest = size - out.length;
    if (rest > 0) out.push(`... ${rest} more item${rest > 1 ? 's' : ''}`);
    return out;
  };
  const property = (ctx, value, key, level, inArray) => {
    const found = getOwnPropertyDescriptor(value, key) ?? { value: value[key], enumerable: true };
    let text;
    if ('value' in found) {
      ctx.indent += 2;
      text = shown(ctx, found.value, level);
      ctx.indent -= 2;
    } else if (found.get !== undefined) {
      const kind = found.set === undefined ? 'Getter' : 'Getter/Setter';
      text = `[${kind}]`;
      if (ctx.getters === true || ctx.getters === (found.set === undefined ? 'get' : 'set')) {
        const held = apply(found.get, value, []);
        const own = shown(ctx, held, level);
        text = held !== null && typeof held === 'object' ? `[${kind}] ${own}` : `[${kind}: ${own}]`;
      }
    } else text = found.set === undefined ? 'undefined' : '[Setter]';
    return inArray ? text : `${keyText(key, found.enumerable)}: ${text}`;
  };

  // What stands before the braces, the braces, the entries, and which keys are still to come.
  const anatomy = (ctx, value, level) => {
    const name = className(value);
    const tag = tagOf(value);
    const names = ctx.showHidden ? ownKeys(value) : ownKeys(value)
      .filter((key) => getOwnPropertyDescriptor(value, key)?.enumerable);
    const withoutItems = () => names.filter((key) => typeof key === 'symbol' || !/^(?:0|[1-9]\d{0,9})$/.test(key)
      || key >= 4294967295);
    const braces = (open, entries, base = '') => ({
      base, open, close: open.endsWith('[') ? ']' : '}', entries, keys: names,
    });
    const item = (i) => property(ctx, value, String(i), level, true);
    if (isArray(value)) {
      const start = name === 'Array' && tag === '' ? '[' : prefix(name, tag, 'Array', `(${value.length})`) + '[';
      const keys = withoutItems().filter((key) => key !== 'length' || ctx.showHidden);
      const items = () => list(ctx, value.length, item, (i) => hasOwn(value, i));
      return { ...braces(start, value.length > 0 && items), keys, array: true };
    }
    if (isPlain(value) && name === 'Object' && tag === '' && !types.isArgumentsObject(value)) return braces('{');
    const inner = (thing) => {
      ctx.indent += 2;
      const text = shown(ctx, thing, level);
      ctx.indent -= 2;
      return text;
    };
    if (types.isSet(value)) {
      const { size } = value;
      return braces(prefix(name, tag === 'Set' ? '' : tag, 'Set', `(${size})`) + '{',
        size > 0 && (() => iterated(ctx, size, Set.prototype.values.call(value), inner)));
    }
    if (types.isMap(value)) {
      const { size } = value;
      return braces(prefix(name, tag === 'Map' ? '' : tag, 'Map', `(${size})`) + '{', size > 0 && (() =>
        iterated(ctx, size, Map.prototype.entries.call(value), ([key, held]) => `${inner(key)} => ${inner(held)}`)));
    }
    const typed = typedName(value);
    if (typed !== undefined) {
      const start = prefix(name, tag === typed ? '' : tag, typed, `(${value.length})`) + '[';
      const numbers = () => list(ctx, value.length, (i) => primitive(ctx, value[i]), () => true);
      return { ...braces(start, value.length > 0 && numbers), keys: withoutItems(), array: true };
    }
    if (typeof value === 'function') return braces('{', null, functionText(value, name, tag));
    if (types.isArgumentsObject(value)) return braces('[Arguments] {');
    if (types.isRegExp(value)) return braces('{', null, RegExp.prototype.toString.call(value));
    if (types.isDate(value)) {
      const time = Date.prototype.getTime.call(value);
      return braces('{', null, Number.isNaN(time) ? 'Invalid Date' : new Date(time).toISOString());
    }
    if (types.isNativeError(value)) {
      if (hasOwn(value, 'cause') && !names.includes('cause')) names.push('cause');
      if (isArray(value.errors) && !names.includes('errors')) names.push('errors');
      return braces('{', null, errorText(value, names));
    }
    if (types.isArrayBuffer(value)) {
      const bytes = new Uint8Array(value, 0, Math.min(50, value.byteLength));
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
      const rest = value.byteLength - bytes.length;
      return braces(prefix(name, tag === 'ArrayBuffer' ? '' : tag, 'ArrayBuffer') + '{', () => [
        `[Uint8Contents]: <${hex}${rest > 0 ? ` ... ${rest} more byte${rest > 1 ? 's' : ''}` : ''}>`,
        `byteLength: ${value.byteLength}`]);
    }
    if (types.isDataView(value))
      return braces(prefix(name, tag === 'DataView' ? '' : tag, 'DataView') + '{',
        () => ['byteLength', 'byteOffset', 'buffer'].map((key) => `${key}: ${inner(value[key])}`));
    if (types.isWeakMap(value) || types.isWeakSet(value))
      return braces(prefix(name, tag, 'Weak') + '{', () => ['<items unknown>']);
    if (types.isBoxedPrimitive(value)) {
      const held = value.valueOf();
      const kind = (typeof held)[0].toUpperCase() + (typeof held).slice(1);
      const shownKind = kind === 'Bigint' ? 'BigInt' : name === kind ? kind : `${kind} (${name})`;
      const boxed = braces('{', null, `[${shownKind}: ${primitive(ctx, held)}]`);
      return typeof held === 'string' ? { ...boxed, keys: withoutItems() } : boxed;
    }
    return braces(name === 'Object' && tag === '' ? '{' : prefix(name, tag, 'Object') + '{');
  };

  // --- layout ----------------------------------------------------------------------------------------------------------

  const columns = (ctx, out, value) => {
    const hasMore = out.length > ctx.maxArrayLength || /^\.\.\. \d+ more item/.test(out[out.length - 1]);
    const count = hasMore ? out.length - 1 : out.length;
    const widths = out.slice(0, count).map((text) => text.length + 2);
    const widest = Math.max(...widths), total = widths.reduce((sum, width) => sum + width, 0);
    if (widest * 3 + ctx.indent >= ctx.breakLength || !(total / widest > 5 || widest - 2 <= 6)) return out;
    const bias = Math.max(widest - 3 - Math.sqrt(widest - total / out.length), 1);
    const perLine = Math.min(Math.round(Math.sqrt(2.5 * bias * count) / bias),
      Math.floor((ctx.breakLength - ctx.indent) / widest), ctx.compact * 4, 15);
    if (perLine <= 1) return out;
    const wide = [];
    for (let i = 0; i < perLine; i++) {
      let most = 0;
      for (let j = i; j < count; j += perLine) if (widths[j] > most) most = widths[j];
      wide[i] = most;
    }
    let right = true; // numbers stand right, all else left
    for (let i = 0; i < out.length && right; i++) right = typeof value[i] === 'number' || typeof value[i] === 'bigint';
    const lines = [];
    for (let i = 0; i < count; i += perLine) {
      const end = Math.min(i + perLine, count);
      let line = '';
      for (let j = i; j < end; j++) {
        const text = j < end - 1 ? `${out[j]}, ` : out[j];
        if (right) line += j < end - 1 ? text.padStart(wide[j - i]) : text.padStart(wide[j - i] - 2);
        else line += j < end - 1 ? text.padEnd(wide[j - i]) : text;
      }
      lines.push(line);
    }
    if (hasMore) lines.push(out[count]);
    return lines;
  };
  const laidOut = (ctx, parts, out, level, value) => {
    const { base, open, close, array } = parts;
    const head = base === '' ? '' : `${base} `;
    if (out.length === 0) return `${head}${open}${close}`;
    if (ctx.compact === true) return `${head}${open} ${out.join(', ')} ${close}`;
    const count = out.length;
    const rows = array && count > MAX_STRAIGHT && ctx.compact !== false ? columns(ctx, out, value) : out;
    if (ctx.compact !== false && ctx.deepest - level < ctx.compact && rows.length === count) {
      const start = rows.length + ctx.indent + open.length + base.length + 10;
      const total = rows.reduce((sum, row) => sum + row.length, rows.length + start);
      if (total <= ctx.breakLength && !base.includes('\n') && !rows.some((row) => row.includes('\n')))
        return `${head}${open} ${rows.join(', ')} ${close}`;
    }
    const indent = `\n${' '.repeat(ctx.indent)}`;
    return `${head}${open}${indent}  ${rows.join(`,${indent}  `)}${indent}${close}`;
  };

  const shown = (ctx, value, level) => {
    if (value === null || typeof value !== 'object' && typeof value !== 'function') {
      const text = primitive(ctx, value);
      ctx.spent += text.length;
      return text;
    }
    if (ctx.customInspect) {
      const own = value[custom];
      if (typeof own === 'function' && own !== inspect) {
        const depth = ctx.depth === null ? null : ctx.depth - level;
        const { seen, circular, indent, spent, deepest, ...options } = ctx;
        const given = apply(own, value, [depth, { ...options, depth, stylize: String }, inspect]);
        if (given !== value)
          return typeof given === 'object' && given !== null ? shown(ctx, given, level)
            : String(given).replaceAll('\n', `\n${' '.repeat(ctx.indent)}`);
      }
    }
    if (ctx.seen.includes(value)) {
      if (!ctx.circular.has(value)) ctx.circular.set(value, ctx.circular.size + 1);
      return `[Circular *${ctx.circular.get(value)}]`;
    }
    const parts = anatomy(ctx, value, level + 1);
    if (!parts.entries && parts.keys.length === 0) return parts.base === '' ? `${parts.open}${parts.close}` : parts.base;
    if (ctx.depth !== null && level > ctx.depth || ctx.spent > MAX_OUTPUT)
      return isArray(value) ? '[Array]' : `[${prefix(className(value), tagOf(value), 'Object').trimEnd()}]`;
    ctx.seen.push(value);
    ctx.deepest = level;
    const out = parts.entries ? parts.entries() : [];
    for (let i = 0; i < parts.keys.length; i++) {
      if (ctx.spent > MAX_OUTPUT) {
        out.push(`... ${parts.keys.length - i} more properties`);
        break;
      }
      const text = property(ctx, value, parts.keys[i], level + 1, false);
      ctx.spent += text.length;
      out.push(text);
    }
    ctx.seen.pop();
    if (ctx.sorted) out.sort(typeof ctx.sorted === 'function' ? ctx.sorted : undefined);
    if (ctx.circular.has(value)) {
      const mark = `<ref *${ctx.circular.get(value)}>`;
      if (parts.base === '') parts.open = `${mark} ${parts.open}`;
      else parts.base = `${mark} ${parts.base}`;
    }
    return laidOut(ctx, parts, out, level, parts.array ? value : undefined);
  };

  const hasOwnText = (value) => typeof value.toString === 'function'
    && (!builtInTexts.includes(value.toString) || typedName(value) !== undefined);
  const inspect = (value, options, depth) => {
    const wanted = typeof options !== 'boolean' ? options
      : { showHidden: options, ...(depth === undefined ? {} : { depth }) };
    const ctx = { ...DEFAULTS, ...(wanted ?? {}), seen: [], circular: new Map(), indent: 0, spent: 0, deepest: 0 };
    if (ctx.depth === Infinity || ctx.depth === undefined) ctx.depth = ctx.depth === undefined ? DEFAULTS.depth : null;
    if (ctx.maxArrayLength === null) ctx.maxArrayLength = Infinity;
    if (ctx.maxStringLength === null) ctx.maxStringLength = Infinity;
    return shown(ctx, value, 0);
  };
  Object.assign(inspect, { custom, defaultOptions: DEFAULTS });

  return { inspect, numberText, hasOwnText };
})
