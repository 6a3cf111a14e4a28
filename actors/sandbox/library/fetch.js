// fetch, Request and Response (WHATWG Fetch, without streams and without a page's origin). Takes the classes it builds on
// and `send`: a request is one call of the runtime's `http.request`, whose guard decides where it may go.
(function fetch({ utf8 }, { Buffer, Headers, URL, URLSearchParams }, aborts, send) {
  const { AbortController, AbortSignal, limitOf, follow } = aborts;
  const { isView } = ArrayBuffer;
  const NORMAL = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
  const FORBIDDEN = ['CONNECT', 'TRACE', 'TRACK'];
  const EMPTY_STATUSES = [101, 103, 204, 205, 304];
  const BLANK = { status: 0, statusText: '', url: '', redirected: false, type: 'default' };
  const REDIRECTS = [301, 302, 303, 307, 308];

  // A body is null, a text or bytes, with the content type that its kind asks for.
  const bodyOf = (given) => {
    if (given === null || given === undefined) return [null, null];
    if (given instanceof URLSearchParams) return [given.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
    if (given instanceof ArrayBuffer) return [Buffer.from(given.slice(0)), null];
    if (isView(given)) return [Buffer.from(Buffer.from(given.buffer, given.byteOffset, given.byteLength)), null];
    return [String(given).toWellFormed(), 'text/plain;charset=UTF-8'];
  };
  const crossing = (body) => body === null ? {}
    : typeof body === 'string' ? { body } : { bodyBase64: body.toString('base64') };
  const urlOf = (given) => {
    if (!URL.canParse(given)) throw new TypeError(`Failed to parse URL from ${String(given).slice(0, 200)}`);
    return new URL(given);
  };

  let bodyIn, setBody, useBody;
  class Body {
    #body;
    #used = false;

    constructor(body) { this.#body = body; }
    static {
      bodyIn = (message) => message.#body;
      setBody = (message, body) => { message.#body = body; };
      useBody = (message) => {
        if (message.#used) throw new TypeError('Body is unusable: Body has already been read');
        if (message.#body !== null) message.#used = true;
        return message.#body;
      };
    }
    get bodyUsed() { return this.#used; }
    get body() {
      if (this.#body === null) return null;
      throw new TypeError('bodies are not streams here: use text(), json(), bytes() or arrayBuffer()');
    }
    async text() {
      const body = useBody(this) ?? '';
      const text = typeof body === 'string' ? body : utf8.decode(body);
      return text[0] === '\ufeff' ? text.slice(1) : text;
    }
    async json() { return JSON.parse(await this.text()); }
    async bytes() {
      const body = useBody(this) ?? '';
      return typeof body === 'string' ? utf8.encode(body) : new Uint8Array(body);
    }
    async arrayBuffer() { return (await this.bytes()).buffer; }
  }

  class Request extends Body {
    #method;
    #url;
    #headers;
    #redirect;
    #signal;

    constructor(input, init = {}) {
      const from = input instanceof Request ? input : null;
      const options = init ?? {};
      const url = from === null ? urlOf(input) : new URL(from.url);
      if (url.username !== '' || url.password !== '') throw new TypeError('a URL with credentials cannot be fetched');
      const method = methodOf(options.method ?? from?.method ?? 'GET');
      const headers = new Headers(options.headers ?? from?.headers);
      const own = options.body !== undefined && options.body !== null;
      if ((own || from !== null && bodyIn(from) !== null) && (method === 'GET' || method === 'HEAD'))
        throw new TypeError('Request with GET/HEAD method cannot have body.');
      const [body, type] = own ? bodyOf(options.body) : [from === null ? null : useBody(from), null];
      if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
      super(body);
      const redirect = options.redirect ?? from?.redirect ?? 'follow';
      if (!['follow', 'manual', 'error'].includes(redirect))
        throw new TypeError(`redirect: ${String(redirect)} is none of follow, manual, error`);
      const signal = options.signal === undefined ? from?.signal : options.signal;
      if (signal !== undefined && signal !== null && !(signal instanceof AbortSignal))
        throw new TypeError('signal: an AbortSignal is wanted');
      this.#method = method;
      this.#url = url.href;
      this.#headers = headers;
      this.#redirect = redirect;
      this.#signal = signal ?? new AbortController().signal;
    }
    get method() { return this.#method; }
    get url() { return this.#url; }
    get headers() { return this.#headers; }
    get redirect() { return this.#redirect; }
    get signal() { return this.#signal; }
    clone() {
      if (this.bodyUsed) throw new TypeError('cannot clone: Body has already been read');
      const { url, method, headers, redirect, signal } = this;
      return new Request(url, { method, headers, body: bodyIn(this), redirect, signal });
    }
    get [Symbol.toStringTag]() { return 'Request'; }
    [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
      return `Request ${inspect({ method: this.method, url: this.url, headers: this.headers }, options)}`;
    }
  }
  const methodOf = (given) => {
    const text = String(given), upper = text.toUpperCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text))
      throw new TypeError(`'${text.slice(0, 40)}' is not a valid HTTP method.`);
    if (FORBIDDEN.includes(upper)) throw new TypeError(`'${text}' HTTP method is unsupported.`);
    return NORMAL.includes(upper) ? upper : text;
  };

  let received;
  class Response extends Body {
    #status;
    #statusText;
    #headers;
    #type = 'default';
    #url = '';
    #redirected = false;

    constructor(given = null, init = {}) {
      const options = init ?? {};
      const status = options.status === undefined ? 200 : Math.trunc(options.status);
      if (!(status >= 200 && status <= 599))
        throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
      const [body, type] = bodyOf(given);
      if (body !== null && EMPTY_STATUSES.includes(status))
        throw new TypeError(`Response with status ${status} cannot have a body`);
      super(body);
      this.#status = status;
      this.#statusText = String(options.statusText ?? '');
      this.#headers = new Headers(options.headers);
      if (type !== null && !this.#headers.has('content-type')) this.#headers.set('content-type', type);
    }
    static {
      received = (fields, body, headers) => {
        const response = new Response(null);
        response.#status = fields.status;
        response.#statusText = fields.statusText;
        response.#url = fields.url;
        response.#redirected = fields.redirected;
        response.#type = fields.type;
        response.#headers = headers;
        setBody(response, body);
        return response;
      };
    }
    static json(value, init = {}) {
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError('Value is not JSON serializable');
      const headers = new Headers(init?.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(text, { ...init, headers });
    }
    static error() { return received({ ...BLANK, type: 'error' }, null, new Headers()); }
    static redirect(url, status = 302) {
      if (!REDIRECTS.includes(status)) throw new RangeError(`Invalid status code ${status}`);
      return received({ ...BLANK, status }, null, new Headers({ location: urlOf(url).href }));
    }
    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get headers() { return this.#headers; }
    get type() { return this.#type; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    clone() {
      if (this.bodyUsed) throw new TypeError('Response.clone: Body has already been consumed.');
      const { status, statusText, url, redirected, type } = this;
      return received({ status, statusText, url, redirected, type }, bodyIn(this), new Headers(this.headers));
    }
    get [Symbol.toStringTag]() { return 'Response'; }
    [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
      const { status, statusText, ok, redirected, type, url, headers, bodyUsed } = this;
      return `Response ${inspect({ status, statusText, ok, redirected, type, url, headers, bodyUsed }, options)}`;
    }
  }

  const answered = (request, url, answer) => {
    const headers = new Headers();
    for (const name of Object.keys(answer.headers ?? {}))
      for (const value of [answer.headers[name]].flat()) // what a server sends is not an error of the script
        headers.append(name, String(value).replace(/[\0\n\r]|[^\0-\xff]/g, '?'));
    let body = typeof answer.bodyBase64 === 'string' ? Buffer.from(answer.bodyBase64, 'base64') : answer.body ?? '';
    if (request.method === 'HEAD' || EMPTY_STATUSES.includes(answer.status)) body = null;
    const fields = { status: answer.status, statusText: answer.statusText ?? '', url: answer.url || url, type: 'basic' };
    return received({ ...fields, redirected: answer.redirected ?? fields.url !== url }, body, headers);
  };
  const fetch = async function fetch(input, init) {
    if (arguments.length === 0) throw new TypeError('fetch: a URL or a Request is wanted');
    const request = new Request(input, init);
    const { signal } = request;
    signal.throwIfAborted();
    const url = new URL(request.url);
    url.hash = '';
    const { method, headers, redirect } = request;
    const options = { headers: Object.fromEntries(headers), redirect, ...crossing(useBody(request)) };
    const limit = limitOf(signal);
    if (limit < Infinity) options.timeoutMs = Math.max(1, Math.ceil(limit - Date.now()));
    let unfollow;
    const aborted = new Promise((_, reject) => { unfollow = follow(signal, () => { reject(signal.reason); }); });
    try {
      const answer = send('http.request', [method, url.href, options]);
      return answered(request, url.href, await Promise.race([answer, aborted]));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw new TypeError(`fetch failed: ${error?.message ?? error}`, { cause: error });
    } finally {
      unfollow();
    }
  };
  return { Request, Response, fetch };
})
