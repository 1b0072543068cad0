"""The resources of a template, made by calls of their services' APIs."""
