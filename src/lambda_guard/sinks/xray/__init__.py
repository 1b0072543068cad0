"""X-Ray: `tracer` is told what happens, `span` and `calls` make documents of it, `sending` sends them.

`bridge` and `emitter` alone know the X-Ray SDK; they are imported where the user's code has imported that.
"""
