"""The command group `lambda-guard dlq`."""

import click

from lambda_guard.tools.dlq.commands.changing import discard, replay
from lambda_guard.tools.dlq.commands.looking import list_letters, show
from lambda_guard.tools.dlq.commands.status import status
from lambda_guard.tools.dlq.commands.trying import try_letters

EPILOG = """\b
Exit codes:
  0  done; an empty queue is fine
  1  something failed, died again, was held back, or couldn't be read
  2  a wrong command line, filter, queue or journal
  3  there are letters, but none matches
  130  interrupted with Ctrl-C; nothing is lost
"""


@click.group(epilog=EPILOG)
def dlq() -> None:
    """See why messages and events died, and run them again.

    A dead-letter queue may hold the messages of a queue, events of functions' asynchronous invocations,
    and what other services couldn't deliver, also mixed. Here, all of them are letters; where each came
    from is recognised automatically.
    """


for command in (list_letters, show, try_letters, replay, status, discard):
    dlq.add_command(command)
