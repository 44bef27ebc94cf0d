"""Adapters on disk, and which of them is active."""
