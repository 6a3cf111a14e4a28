// The web library as a script sees it: its globals, and `require` of its modules and no other. `library` links it
// (`library/library.js`), once per realm, when a script first reaches one of its names.
(function modules(parts, library) {
  'use strict';
  const { call, send, local, settle, shared, console } = parts;
  const { globals, modules: linked } = library({ call, send, local, settle });
  const { hasOwn } = Object;
  // They are linked when they are read. In a realm of many runs that is now, or a run's own `Map` might go into them.
  if (shared) for (const object of [globals, linked]) for (const name in object) object[name];

  const require = (name) => {
    const wanted = typeof name === 'string' && name.startsWith('node:') ? name.slice(5) : name;
    if (wanted === 'console') return console;
    if (typeof wanted === 'string' && hasOwn(linked, wanted)) return linked[wanted];
    throw new Error(`module '${String(name).slice(0, 100)}' is not allowed; there are `
      + 'console, util, url, querystring, path, crypto, buffer');
  };
  return (name) => name === 'require' ? require : hasOwn(globals, name) ? globals[name] : undefined;
})
