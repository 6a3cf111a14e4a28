// The module `path`, POSIX. Takes the errors. A sandbox has no working directory: it is taken to be `/`.
(function path({ needText, wrongType }) {
  // Segments without `.` and with every `..` resolved; above the beginning it stays where `above` says so.
  const settled = (text, above) => {
    const kept = [];
    let fixed = 0; // leading `..` that nothing can take back
    for (const part of text.split('/')) {
      if (part === '' || part === '.') continue;
      if (part !== '..') kept[kept.length] = part;
      else if (kept.length > fixed) kept.length -= 1;
      else if (above) fixed = kept.push('..');
    }
    return kept.join('/');
  };
  const isAbsolute = (text) => needText(text, 'path')[0] === '/';
  const normalize = (text) => {
    if (needText(text, 'path') === '') return '.';
    const rooted = text[0] === '/';
    let out = settled(text, !rooted);
    if (out === '' && !rooted) return text.endsWith('/') ? './' : '.';
    if (out !== '' && text.endsWith('/')) out += '/';
    return rooted ? '/' + out : out;
  };
  const join = (...texts) => normalize(texts.filter((text) => needText(text, 'path') !== '').join('/'));
  const resolve = (...texts) => {
    let whole = '';
    for (let i = texts.length - 1; i >= 0 && whole[0] !== '/'; i--)
      if (needText(texts[i], `paths[${i}]`) !== '') whole = whole === '' ? texts[i] : `${texts[i]}/${whole}`;
    return '/' + settled(whole, false);
  };
  const relative = (from, to) => {
    if (needText(from, 'from') === needText(to, 'to')) return '';
    const [a, b] = [resolve(from), resolve(to)].map((text) => text === '/' ? [] : text.slice(1).split('/'));
    let same = 0;
    while (same < a.length && same < b.length && a[same] === b[same]) same++;
    return [...a.slice(same).fill('..'), ...b.slice(same)].join('/');
  };
  const trimmed = (text) => {
    let end = text.length;
    while (end > 1 && text[end - 1] === '/') end--;
    return text.slice(0, end);
  };
  const dirname = (text) => {
    if (needText(text, 'path') === '') return '.';
    const whole = trimmed(text);
    const slash = whole.lastIndexOf('/');
    if (slash < 0) return '.';
    if (slash === 0) return '/';
    return slash === 1 && whole[0] === '/' ? '//' : whole.slice(0, slash);
  };
  const basename = (text, suffix) => {
    if (suffix !== undefined) needText(suffix, 'suffix');
    const whole = trimmed(needText(text, 'path'));
    if (suffix !== undefined && suffix === text) return '';
    const name = whole.slice(whole.lastIndexOf('/') + 1);
    return suffix && name !== suffix && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
  };
  const extname = (text) => {
    const name = basename(text);
    const dot = name.lastIndexOf('.');
    return dot <= 0 || name === '..' ? '' : name.slice(dot);
  };
  const parse = (text) => {
    const root = isAbsolute(text) ? '/' : '';
    const base = basename(text), ext = extname(text);
    const slash = trimmed(text).lastIndexOf('/');
    const dir = slash < 0 ? '' : slash === 0 ? '/' : trimmed(text).slice(0, slash);
    return { root, dir, base, ext, name: ext === '' ? base : base.slice(0, -ext.length) };
  };
  const format = (parts) => {
    if (parts === null || typeof parts !== 'object') throw wrongType('pathObject', 'of type object', parts);
    const { root = '', ext = '', name = '' } = parts;
    const dir = parts.dir || root;
    const base = parts.base || name + (ext !== '' && ext[0] !== '.' ? '.' : '') + ext;
    if (!dir) return base;
    return dir === root ? dir + base : `${dir}/${base}`;
  };
  const posix = {
    basename, delimiter: ':', dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve, sep: '/',
    toNamespacedPath: (text) => text,
  };
  posix.posix = posix;
  return posix;
})
