"""SAM and CloudFormation templates, read: what they declare, for whoever runs, checks or extends it."""
