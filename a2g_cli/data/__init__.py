"""What is kept on disk: recordings, goals, other programs' formats, and the relabelling of episodes in hindsight."""
