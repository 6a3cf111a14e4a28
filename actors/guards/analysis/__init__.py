"""The static analysis of scripts: `Analyzer` looks through one text, `Inspector` decides what that means for flows."""
