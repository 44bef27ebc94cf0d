"""Act2Goal's networks: world model, temporal hashing, action expert."""
