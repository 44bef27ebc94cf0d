"""Export and import of other programs' formats: one file per format, behind one registry."""
