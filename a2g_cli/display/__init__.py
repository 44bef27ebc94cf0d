"""What a person sees: live views, images in the terminal, videos."""
