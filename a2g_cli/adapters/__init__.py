"""Adapters: their files, and the registry of a workspace."""
