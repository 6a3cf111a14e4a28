"""What only a sandbox process has: its orders, its scripts, its realms. The parent never imports it."""
