// The answer of the run: its head, and its body as one text, as bytes, as a file, or as a stream of chunks.
// Takes the cookies' reader, the request (for names of headers), `grow`, told the length of an answer so far, and `call`,
// which asks the runtime.
//
// Invariant: `begin` sets anew all that is held here. Two answers of one run are joined and the first status wins (Go).
// Once the head has gone, by an answer or by a chunk, headers are no longer taken.
(function answer(cookies, request, grow, call) {
  'use strict';
  const { stringify } = JSON;
  const { isView } = ArrayBuffer;
  const Bytes = Uint8Array;
  const toBinary = atob, toBase64 = btoa;
  const { encodeURIComponent: percentEncode, unescape: percentDecode } = globalThis;

  const RAW = 0, TEXT = 1, BINARY = 2, FILE = 3; // one JSON text; text; a string of bytes; a path
  const FORMS = ['raw', 'json', 'base64', 'file'];
  const STATUS_OK = 200;
  let status = 0; // 0: no answer yet
  let wanted = 0; // of c.response.status
  let type = '';
  let form = RAW;
  let content = '';
  let lines = []; // header lines as [name, value]
  let streaming = false; // the head and the first chunk are with the runtime
  let ended = false;
  let sent = 0; // length of what was streamed

  const begin = () => {
    status = wanted = sent = 0;
    content = '';
    lines = [];
    streaming = ended = false;
  };

  // --- values ----------------------------------------------------------------------------------------------------------

  const code = (value) => {
    const number = typeof value === 'string' ? +value : value;
    if (typeof number !== 'number' || number < 100 || number > 599 || number % 1 !== 0)
      throw new RangeError('invalid status code: ' + String(value));
    return number;
  };
  const whole = (value) => (typeof value === 'string' ? value : '' + value).toWellFormed();
  const plainType = (value) => whole(value ?? '').replace(/[\x00-\x1f\x7f]/g, ' ');
  const asText = (kind, text) => kind === RAW ? text + '\n' : text;
  const asBytes = (kind, text) => kind === BINARY ? text : percentDecode(percentEncode(asText(kind, text)));
  // Bytes of a script: a string (as UTF-8), a buffer or a view, or an array of numbers (Go: []byte).
  const binary = (data) => {
    if (typeof data === 'string') return asBytes(TEXT, whole(data));
    const view = isView(data) ? new Bytes(data.buffer, data.byteOffset, data.byteLength) : new Bytes(data);
    return toBinary(view.toBase64());
  };

  // --- header lines ----------------------------------------------------------------------------------------------------

  const nameOf = (name) => {
    const text = request.canonical('' + name);
    if (!cookies.isToken(text)) throw new TypeError('invalid header name');
    return text;
  };
  const takeLine = (name) => {
    let found;
    const kept = [];
    for (let i = 0; i < lines.length; i++)
      if (lines[i][0] === name) found ??= lines[i][1];
      else kept[kept.length] = lines[i];
    lines = kept;
    return found;
  };
  const addLine = (name, value) => {
    if (status !== 0) return; // the head has gone (Go)
    const text = whole(value).replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ').trim();
    grow(text.length);
    lines[lines.length] = [nameOf(name), text];
  };
  const setLine = (name, value) => {
    if (status !== 0) return;
    takeLine(nameOf(name));
    addLine(name, value);
  };
  const lineValues = (name) => {
    const key = request.canonical('' + name), found = [];
    for (let i = 0; i < lines.length; i++) if (lines[i][0] === key) found[found.length] = lines[i][1];
    return found;
  };
  const removeLine = (name) => { if (status === 0) takeLine(request.canonical('' + name)); };

  // --- the body --------------------------------------------------------------------------------------------------------

  const commit = (number, contentType, kind, text) => {
    status = number;
    type = lines.length === 0 ? contentType : takeLine('Content-Type') ?? contentType;
    form = kind;
    content = text;
  };
  const write = (number, contentType, kind, text) => {
    if (status === 0) {
      grow(text.length);
      commit(number, contentType, kind, text);
      return;
    }
    if (ended) throw new Error('the answer has ended');
    if (form === FILE) throw new Error('nothing can follow a file, which is a whole answer');
    if (streaming) {
      send(null, kind, text);
      return;
    }
    grow(content.length + text.length);
    if (form === BINARY || kind === BINARY) {
      content = asBytes(form, content) + asBytes(kind, text);
      form = BINARY;
    } else {
      content = asText(form, content) + asText(kind, text);
      form = TEXT;
    }
  };
  const file = (path) => {
    path = whole(path);
    if (path === '' || path.includes('\0')) throw new TypeError('a file needs a path');
    if (status !== 0) throw new Error('a file is a whole answer, and one has begun');
    commit(STATUS_OK, '', FILE, path);
  };

  // --- streaming -------------------------------------------------------------------------------------------------------

  // One chunk; it returns when the client has room for more. Throws AbortError when the client has left.
  const send = (head, kind, text) => {
    if (head === null && text === '' && kind !== RAW) return;
    sent += text.length;
    const textual = kind !== BINARY && !text.includes('\0'); // which the parent takes in no string
    call('response.write', [head, textual ? { text: asText(kind, text) } : { base64: toBase64(asBytes(kind, text)) }]);
  };
  // From here on nothing is held back: what was answered so far goes out, with the head.
  const flush = () => {
    if (streaming || ended || form === FILE && status !== 0) return;
    if (status === 0) commit(wanted || STATUS_OK, '', TEXT, '');
    const kind = form, text = content;
    streaming = true;
    content = '';
    send({ status, type, headers: lines }, kind, text);
  };
  const end = () => {
    if (ended) return;
    if (status === 0) commit(wanted || STATUS_OK, '', TEXT, '');
    ended = true;
    if (streaming) call('response.end', [null]);
  };

  // --- the reply -------------------------------------------------------------------------------------------------------

  // The answer's fields of the reply's head, each with a comma before it. Of a stream the runtime has the answer already.
  const head = () => {
    if (streaming) return '';
    let out = '';
    if (status !== 0) {
      if (form === TEXT && content.includes('\0')) {
        content = asBytes(TEXT, content);
        form = BINARY;
      }
      out = ',"status":' + status + ',"type":' + stringify(type) + ',"body":"' + FORMS[form] + '"';
    } else if (wanted !== 0) out = ',"status":' + wanted;
    if (lines.length === 0) return out;
    out += ',"headers":[';
    for (let i = 0; i < lines.length; i++)
      out += (i === 0 ? '[' : ',[') + stringify(lines[i][0]) + ',' + stringify(lines[i][1]) + ']';
    return out + ']';
  };
  // The answer's segment of the reply with a newline before it, or nothing.
  const body = () => {
    if (status === 0 || streaming) return '';
    if (form === RAW) return '\n' + content;
    return '\n' + (form === BINARY ? '"' + toBase64(content) + '"' : stringify(content));
  };

  return {
    RAW, TEXT, BINARY, begin, binary, body, code, end, file, flush, head, lineValues, plainType, removeLine, setLine,
    addLine, whole, write,
    begun: () => status !== 0,
    ended: () => ended,
    streaming: () => streaming,
    size: () => sent + content.length,
    status: () => status || wanted || STATUS_OK,
    want: (value) => {
      const number = code(value);
      if (status === 0) wanted = number;
    },
  };
})
