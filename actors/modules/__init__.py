"""The node types users draw with, as scripts: nFlow's default modules. A database's modules replace them by name."""
