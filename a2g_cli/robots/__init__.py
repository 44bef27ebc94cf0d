"""Robots: the Protocol, and one file a driver."""
