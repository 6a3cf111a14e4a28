"""The audit: security events, written one after the other where they can be read and not quietly changed.

`trail` is the door others call, `recorder` the actor behind it, `ledger` the file, `chain` what makes cuts and edits of
it show.
"""
