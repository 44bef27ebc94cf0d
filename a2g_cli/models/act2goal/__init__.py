"""The networks of Act2Goal: world model, action expert, temporal hashing."""
