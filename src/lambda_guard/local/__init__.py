"""A local cloud: the real runtime client, queues and topics on loopback. Never imported by a function."""
