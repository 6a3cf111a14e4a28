"""Commands of `nflow` that have a file of their own, and how all of them speak."""
