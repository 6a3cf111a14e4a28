"""`/debug`: what the runtime looks like from inside, for its operators (Go: debug_endpoints.go; the manuals).

One file for each family of endpoints, `access.py` for who is let in, `table.py` for the list of them all. Invariants:
no answer shows a secret, the text of a script or a session's id; every answer is bounded; what costs something costs it
only while it is asked for.
"""
