"""The configuration of a running server: its source, what is wrong with it, and what changes without a restart."""
