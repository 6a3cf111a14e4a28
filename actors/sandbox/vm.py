"""The engine (skeleton)."""

from __future__ import annotations

import json
from typing import Any

import _quickjs

SHIM = """
(function(src, payload, statics){
  let body = null, status = 200;
  globalThis.payload = JSON.parse(payload); globalThis.next = 'output_1';
  globalThis.c = { JSON(s, v){ status = s; body = JSON.stringify(v); } };
  (0, eval)('(function(){' + src + '\\n;return main()})')();
  return JSON.stringify([next, JSON.stringify(globalThis.payload), status, body]);
})
"""


def run(source: str, payload: str) -> Any:
    context = _quickjs.Context()
    return json.loads(context.eval(SHIM)(source, payload, "{}"))
