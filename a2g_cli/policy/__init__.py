"""Act2Goal: world model, temporal hashing, action expert."""
