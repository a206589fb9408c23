"""Who is calling, and what proves it: keys, tokens, sessions, passwords."""
