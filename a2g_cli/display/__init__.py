"""What a person sees: live views, pictures in the terminal, videos."""
