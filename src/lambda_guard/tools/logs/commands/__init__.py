"""The subcommands: options in, work done elsewhere, text out."""
