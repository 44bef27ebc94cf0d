"""Robots: the Protocol, and the drivers."""
