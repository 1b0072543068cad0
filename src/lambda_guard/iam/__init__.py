"""AWS IAM as data: which actions an API call needs, on which resources, and what a policy allows."""
