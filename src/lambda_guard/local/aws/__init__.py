"""The services around the functions, most of them moto's."""
