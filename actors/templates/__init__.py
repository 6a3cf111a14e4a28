"""Templates: the pages of nFlow, rendered from text and plain JSON values.

Two storeys. `templates.Templates` is the door: it keeps parsed templates and renders them within bounds. Below it are
two languages: mustache (`mustache`), and the part of Go's template language that pages use, read by `lexer` and
`parser` into the nodes of `tree`, made safe for the place in the page by `escaping`, and run by `program`.

Invariant: a template reaches the values it was given and nothing else: no attribute of a Python object, no file, no
clock; and it ends, within its steps, depth and output. Nothing here does I/O or keeps state in a module; the sandbox
process imports it, so its imports are few.
"""
