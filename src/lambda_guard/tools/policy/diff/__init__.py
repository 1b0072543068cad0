"""What a role grants beside what a function's records show."""
