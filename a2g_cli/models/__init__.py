"""Networks, and their checkpoints on disk."""
