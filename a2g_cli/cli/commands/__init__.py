"""What each command does: one function a command, which returns what there is to print."""
