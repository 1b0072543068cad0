"""`lambda-guard dlq`: dead letters listed, shown, tried on this machine, replayed and discarded.

A *dead letter* is a message in a dead-letter queue, with what is known of how it died; a *delivery* takes it to its
*target*, a queue or a function; a *replay* delivers and deletes; its *journal* holds each letter before that.

Pure: `message`, `letter`, `recognition`, `where`, `delivery`, `report`, `summary`.
In touch with AWS: `queue`, `targets`, `sending`, `streams`. On the disk: `journal`, `write_ahead`.
"""
