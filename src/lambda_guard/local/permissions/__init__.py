"""What functions may do here: held to their roles' policies, as AWS holds them."""
