"""Fifty texts nobody would give a child as a name: what every function that takes a name is tried with."""

from __future__ import annotations

HOSTILE = [
    "", " ", "'", "''", '"', "`", "\\", "\\'", "';--", "' OR '1'='1", "' OR 1=1 --", '" OR ""="', "') OR ('1'='1",
    "admin'--", "admin' #", "admin'/*", "1; DROP TABLE users", "'; DROP TABLE users; --", "x' UNION SELECT 1,2,3,4,5--",
    "$1", "$2", "$$", "%s", "%(name)s", "?", ":name", "{}", "{0}", "%", "_", "admin%", "a" * 10_000,
    "../../etc/passwd", "..", "/etc/passwd", "..\\..\\windows", ".", ".hidden", "welcome.html/../welcome", "C:\\x",
    "file:///etc/passwd", "welcome\0", "\0", "\x00.html", "\ud800", "\ufeffadmin", "\uff41\uff44", "😀",
    "\r\nSet-Cookie: a=b", "\u202enimda", "null", "NaN",
]  # fmt: skip
