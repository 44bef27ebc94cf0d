"""What every other package speaks: types, errors, clock, workspace, files, locks, plugins."""
