"""CloudWatch Logs as a source: which groups, what is asked of the service, and what is filtered here."""
