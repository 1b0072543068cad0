"""The command group `lambda-guard dlq`."""

import click

from lambda_guard.tools.dlq.commands.discarding import discard
from lambda_guard.tools.dlq.commands.listing import list_letters
from lambda_guard.tools.dlq.commands.replaying import replay
from lambda_guard.tools.dlq.commands.showing import show
from lambda_guard.tools.dlq.commands.trying import try_letters

EPILOG = """\b
Exit codes:
  0  done; an empty queue is fine
  1  something failed, died again, was held back, or could not be read
  2  a wrong command line, filter, queue or journal
  3  there are letters, but none matches
  130  ended by Ctrl-C; nothing is lost
"""


@click.group(epilog=EPILOG)
def dlq() -> None:
    """See why messages and events died, and run them again.

    A dead-letter queue may hold letters of queues, of functions' asynchronous invocations and of other
    services, also mixed: each is recognised by itself.
    """


for command in (list_letters, show, try_letters, replay, discard):
    dlq.add_command(command)
