"""`lambda-guard audit`: the checklist for production, held against templates and accounts."""
