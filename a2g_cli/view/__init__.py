"""A local page over a workspace: what happens now, sessions, episodes, adapters. It reads files, and changes none."""
