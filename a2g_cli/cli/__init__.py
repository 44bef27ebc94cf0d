"""The command line: what is typed, one file a command."""
