"""What peers do with a short-lived token, side by side with setle."""
