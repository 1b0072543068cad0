"""From an event to what triggered the invocation: `table` holds a row for each trigger, `read` reads by them."""
