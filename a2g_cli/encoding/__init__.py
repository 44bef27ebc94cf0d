"""Encodes recordings to latents, and draws training batches from them."""
