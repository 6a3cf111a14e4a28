// Hosts of URLs (WHATWG URL, host parsing): domains with their punycode, IPv4, IPv6, opaque ones. Takes encodings.
// `parse` gives the host as it is written in a URL, or null for none; nothing here throws or remembers.
//
// Names beyond ASCII are mapped by compatibility normalisation and lower case, which is UTS 46 but for the rare
// characters whose mapping is neither; the rules for joiners and for two directions of writing are checked by script.
(function host({ percentDecoded, percentEncoded }) {
  const MAX_UNICODE = 2048; // longer names beyond ASCII are no hosts: punycode takes the square of their length
  const FORBIDDEN = /[\0\t\n\r #/:<>?@[\\\]^|]/;
  const FORBIDDEN_IN_DOMAINS = /[\0-\x20#%/:<>?@[\\\]^|\x7f]/;
  const C0 = /[^\x20-\x7e]+/g;

  // --- punycode (RFC 3492) ---------------------------------------------------------------------------------------------

  const BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, START = 128;
  const adapt = (delta, count, first) => {
    delta = first ? Math.floor(delta / DAMP) : delta >> 1;
    delta += Math.floor(delta / count);
    let k = 0;
    for (; delta > (BASE - T_MIN) * T_MAX >> 1; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
    return k + Math.floor((BASE - T_MIN + 1) * delta / (delta + SKEW));
  };
  const threshold = (k, bias) => k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
  const digit = (value) => String.fromCharCode(value < 26 ? value + 97 : value + 22); // a to z, then 0 to 9
  const punycode = (label) => {
    const points = Array.from(label, (char) => char.codePointAt(0));
    const plain = points.filter((point) => point < START);
    let out = String.fromCharCode(...plain);
    let done = plain.length, now = START, delta = 0, bias = BIAS;
    const basic = done;
    if (basic > 0) out += '-';
    while (done < points.length) {
      let next = Infinity;
      for (const point of points) if (point >= now && point < next) next = point;
      delta += (next - now) * (done + 1);
      now = next;
      for (const point of points) {
        if (point < now) delta++;
        if (point !== now) continue;
        let rest = delta;
        for (let k = BASE; ; k += BASE) {
          const t = threshold(k, bias);
          if (rest < t) break;
          out += digit(t + (rest - t) % (BASE - t));
          rest = Math.floor((rest - t) / (BASE - t));
        }
        out += digit(rest);
        bias = adapt(delta, done + 1, done === basic);
        delta = 0;
        done++;
      }
      delta++;
      now++;
    }
    return out;
  };
  const valueOf = (char) => /[a-z]/.test(char) ? char.charCodeAt(0) - 97
    : /\d/.test(char) ? char.charCodeAt(0) - 22 : NaN;
  const unpunycode = (label) => {
    const dash = label.lastIndexOf('-');
    const points = Array.from(dash > 0 ? label.slice(0, dash) : '', (char) => char.charCodeAt(0));
    let at = dash > 0 ? dash + 1 : dash === 0 ? 1 : 0;
    let now = START, i = 0, bias = BIAS;
    while (at < label.length) {
      const before = i;
      for (let weight = 1, k = BASE; ; k += BASE) {
        const value = at < label.length ? valueOf(label[at++]) : NaN;
        if (Number.isNaN(value)) return null;
        i += value * weight;
        const t = threshold(k, bias);
        if (value < t) break;
        weight *= BASE - t;
      }
      const count = points.length + 1;
      bias = adapt(i - before, count, before === 0);
      now += Math.floor(i / count);
      if (!(now <= 0x10ffff)) return null;
      i %= count;
      points.splice(i++, 0, now);
    }
    return String.fromCodePoint(...points);
  };

  // --- domains ---------------------------------------------------------------------------------------------------------

  const IGNORED = /[\u00ad\u034f\u180b-\u180d\u180f\u200b\u2060\u2064\ufe00-\ufe0f\ufeff\u{e0100}-\u{e01ef}]/gu;
  const mapped = (text) => {
    let out = '';
    for (const char of text.replace(IGNORED, '').normalize('NFKC')) 
      out += char.toLowerCase(); // each alone: no final sigma
    return out.normalize('NFKC').replace(IGNORED, '').replace(/[\u3002\uff61]/g, '.');
  };
  // Patterns of whole alphabets are large: they are compiled by the first name that needs them, not with every realm.
  let rules;
  const ruled = () => {
    const joined = '[\\p{sc=Arab}\\p{sc=Syrc}\\p{sc=Mong}]';
    const right = '[\\p{sc=Hebr}\\p{sc=Arab}\\p{sc=Syrc}\\p{sc=Thaa}\\p{sc=Nkoo}]';
    const pattern = (text) => new RegExp(text, 'u');
    return {
      invalid: pattern('[\\p{Cn}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}\\x80-\\x9f\\ufffd]|(?![\\u200c\\u200d])\\p{Cf}|^\\p{M}'),
      // A joiner stands after a virama, a non-joiner there or between letters that join.
      joiner: pattern(`(?<!\\p{Mn})(?:\\u200d|\\u200c(?!${joined})|(?<!${joined})\\u200c)`),
      right: pattern(right),
      // A label written from the right begins with a letter of its kind, and has none of the other.
      mixed: pattern(`^[\\p{N}\\p{M}-]|(?!${right})\\p{L}`),
    };
  };
  const valid = (label) => {
    rules ??= ruled();
    return !rules.invalid.test(label) && !rules.joiner.test(label) && !(rules.right.test(label) && rules.mixed.test(label));
  };
  const asciiLabel = (label) => {
    if (label.startsWith('xn--')) {
      const decoded = label.length > 4 && label.length <= MAX_UNICODE ? unpunycode(label.slice(4)) : null;
      const good = decoded !== null && /[^\0-\x7f]/.test(decoded) && mapped(decoded) === decoded && valid(decoded)
        && punycode(decoded) === label.slice(4);
      return good ? label : null;
    }
    if (!/[^\0-\x7f]/.test(label)) return label;
    return valid(label) ? 'xn--' + punycode(label) : null;
  };
  const toASCII = (domain) => {
    const plain = !/[^\0-\x7f]/.test(domain);
    if (plain && !/xn--/i.test(domain)) return domain.toLowerCase();
    if (domain.length > MAX_UNICODE) return null;
    const labels = (plain ? domain.toLowerCase() : mapped(domain)).split('.').map(asciiLabel);
    return labels.includes(null) ? null : labels.join('.');
  };
  const toUnicode = (domain) => domain.split('.').map((label) =>
    label.startsWith('xn--') ? unpunycode(label.slice(4)) ?? label : label).join('.');

  // --- numbers ---------------------------------------------------------------------------------------------------------

  const numberOf = (part) => {
    if (part === '') return NaN;
    if (/^0x[0-9a-f]*$/i.test(part)) return part.length === 2 ? 0 : parseInt(part.slice(2), 16);
    if (part.length > 1 && part[0] === '0') return /^0[0-7]*$/.test(part) ? parseInt(part, 8) : NaN;
    return /^\d+$/.test(part) ? parseInt(part, 10) : NaN;
  };
  const partsOf = (domain) => {
    const parts = domain.split('.');
    if (parts.length > 1 && parts[parts.length - 1] === '') parts.length -= 1;
    return parts;
  };
  const endsInNumber = (domain) => {
    const parts = partsOf(domain);
    return /^(?:\d+|0x[0-9a-f]*)$/i.test(parts[parts.length - 1]);
  };
  const ipv4 = (domain) => {
    const parts = partsOf(domain);
    if (parts.length > 4) return null;
    const numbers = parts.map(numberOf);
    const last = numbers.pop();
    if (!(last < 256 ** (4 - numbers.length)) || !numbers.every((number) => number < 256)) return null;
    let value = last;
    numbers.forEach((number, i) => { value += number * 256 ** (3 - i); });
    return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
  };
  const quad = (text) => { // of an IPv6 address: four decimals, as two of its pieces
    const parts = text.split('.');
    if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && part < 256)) return null;
    const [a, b, c, d] = parts.map(Number);
    return [a * 256 + b, c * 256 + d];
  };
  const ipv6 = (text) => {
    if (text.length > 45 || !/^[0-9a-f:.]*$/i.test(text)) return null;
    const halves = text.split('::');
    if (halves.length > 2) return null;
    const groups = halves.map((half) => half === '' ? [] : half.split(':'));
    const tail = groups[groups.length - 1];
    const numbers = tail.length > 0 && tail[tail.length - 1].includes('.') ? quad(tail.pop()) : [];
    if (numbers === null || !groups.every((group) => group.every((piece) => /^[0-9a-f]{1,4}$/i.test(piece)))) return null;
    const [before, after] = groups.map((group) => group.map((piece) => parseInt(piece, 16)));
    if (after === undefined) before.push(...numbers);
    else after.push(...numbers);
    const missing = 8 - before.length - (after?.length ?? 0);
    if (after === undefined ? missing !== 0 : missing < 1) return null;
    return compressed([...before, ...new Array(missing).fill(0), ...(after ?? [])]);
  };
  const compressed = (pieces) => { // the first longest run of zeros as ::
    let best = 1, at = -1;
    for (let i = 0; i < 8; i++) {
      let run = 0;
      while (i + run < 8 && pieces[i + run] === 0) run++;
      if (run > best) [best, at] = [run, i];
    }
    const shown = (list) => list.map((piece) => piece.toString(16)).join(':');
    return at < 0 ? shown(pieces) : `${shown(pieces.slice(0, at))}::${shown(pieces.slice(at + best))}`;
  };

  const parse = (text, special) => {
    if (text[0] === '[') {
      const inner = text.endsWith(']') ? ipv6(text.slice(1, -1)) : null;
      return inner === null ? null : `[${inner}]`;
    }
    if (!special) return FORBIDDEN.test(text) ? null : percentEncoded(text, C0);
    const domain = toASCII(percentDecoded(text));
    if (domain === null || domain === '' || FORBIDDEN_IN_DOMAINS.test(domain)) return null;
    return endsInNumber(domain) ? ipv4(domain) : domain;
  };
  return { parse, toASCII, toUnicode };
})
