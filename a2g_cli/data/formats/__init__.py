"""Recordings to and from other programs' formats: one file a format, behind one registry."""
