"""What a template says of its functions, where a value that it leaves open is `Unknown` and never guessed."""
