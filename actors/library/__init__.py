"""What nFlow keeps in its database: apps, modules, templates, users, tokens, named queries, and versions of apps."""
