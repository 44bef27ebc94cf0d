"""What all other packages use: types, errors, clock, workspace, configuration, plugins, files, locks."""
