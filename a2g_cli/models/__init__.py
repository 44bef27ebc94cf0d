"""Networks alone, and the checkpoints that they are read from."""
