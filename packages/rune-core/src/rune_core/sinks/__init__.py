"""Where events can go. Each is registered by ``rune_core.builtin`` through the public hook."""
