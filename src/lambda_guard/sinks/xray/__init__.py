"""X-Ray: `tracer` is told what happens, `span` makes documents of it, `document` cuts them to what a datagram holds.

`recorder` is the only importer of the X-Ray SDK, and only it is loaded late.
"""
