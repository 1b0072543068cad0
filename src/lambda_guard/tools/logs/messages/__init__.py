"""The lives of messages: who sent them, each attempt, dead-letter queues, replays."""
