"""`lambda-guard dlq`: dead letters listed, shown, tried on this machine, replayed and discarded.

What decides is pure: `message`, `letter`, `shapes`, `where`, `packing`, `report`. What touches AWS is thin:
`queue`, `targets`, `delivery`, `streams`. `journal` is what makes a replay survive its own end.
"""
