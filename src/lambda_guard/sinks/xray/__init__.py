"""The trace sink.

`span` opens and closes the invocation's place in its trace, `document` makes what X-Ray reads, `recorder` is the only
importer of the X-Ray SDK, and only it is loaded late.
"""
