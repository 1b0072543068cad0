"""The system that records draw: functions, and the queues, topics and buses between them."""
