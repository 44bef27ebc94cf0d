"""What acts: policies turn what is seen and what is wanted into a plan."""
