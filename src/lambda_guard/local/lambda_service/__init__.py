"""The Lambda service: invocations, retries, event source mappings, schedules."""
