"""Least privilege: the IAM policy that a function needs, from the AWS calls that its records tell of."""
