"""Plugins and custom steps: what their authors write, how they are found, kept and called. See README.md here."""
