"""`lambda-guard policy`: the command."""

import re
from collections.abc import Sequence
from pathlib import Path

import click

from lambda_guard.iam.resources import ACCOUNT, REGION, Place
from lambda_guard.tools.logs.commands.options import between, checked, say_tally, time_options
from lambda_guard.tools.logs.readers import reader_for
from lambda_guard.tools.logs.selection import Target
from lambda_guard.tools.options import least_options, output_option, put
from lambda_guard.tools.policy.diff.command import Comparison, diff_options
from lambda_guard.tools.policy.evidence import Evidence
from lambda_guard.tools.policy.formats.options import Form, format_options
from lambda_guard.tools.policy.gathering import gathered
from lambda_guard.tools.policy.insights import insights_option
from lambda_guard.tools.policy.needs import Needs, needs_of
from lambda_guard.tools.policy.unmade import code_at, code_option, say_unmade
from lambda_guard.tools.terminal import say, warn

_EPILOG = """\b
Examples:
  lambda-guard policy --function orders --since 14d -o orders.json
  lambda-guard policy app.log old.log.gz --function orders --account 123456789012 --region eu-west-1
  lambda-guard policy --function orders --since 21d --code template.yaml    what of the code no invocation called
  lambda-guard policy --function orders --since 21d --insights 2.50    count by Logs Insights, for $2.50 at most
  lambda-guard policy app.log --function orders --format terraform -o orders.tf
  lambda-guard policy app.log --function shop-Orders-1A2B3C --format sam --template template.yaml --stack shop
  lambda-guard policy --log-group '/aws/lambda/shop-*' --function shop-orders --since 30d --dead-letters ARN
  lambda-guard policy --function orders --since 21d --diff orders-role        what the role grants beside that
  lambda-guard policy --function orders --since 21d --diff template.yaml --json

\b
Exit codes:
  0  the policy allows everything that was seen; with --diff: so does what is compared, and nothing else
  1  something that was called isn't in it, or a source couldn't be read: standard error says what and why;
     with --diff: differences, or something that couldn't be read
  2  a wrong command line
"""


@click.command(name="policy", epilog=_EPILOG)
@click.argument("paths", nargs=-1, metavar="[SOURCE]...", type=click.Path(allow_dash=True))
@click.option(
    "--function", required=True, metavar="NAME", help="Whose policy; without SOURCE, its log group is read."
)
@click.option(
    "--log-group", "groups", multiple=True, metavar="NAME", help="Read these log groups; * and ? match."
)
@time_options
@click.option("--account", metavar="ID", help="The function's account, where the records don't tell it.")
@click.option("--region", metavar="NAME", help="The function's Region, where the records don't tell it.")
@click.option(
    "--dead-letters",
    metavar="ARN",
    help="The queue or topic that Lambda sends failed events to: no record tells it.",
)
@least_options
@insights_option
@code_option
@format_options
@diff_options
@output_option
def policy(  # noqa: PLR0917 - click passes options by name
    paths: Sequence[str],
    function: str,
    groups: Sequence[str],
    since: str | None,
    until: str | None,
    account: str | None,
    region: str | None,
    dead_letters: str | None,
    least_invocations: int,
    least_days: int,
    dollars: float | None,
    code: Path | None,
    form: Form,
    comparison: Comparison | None,
    output: Path | None,
) -> int:
    """Make the IAM policy that a function needs, from the AWS calls in its invocation records.

    Standard output gets the policy alone; standard error gets what it rests on, what no call shows and is
    there all the same, and what was called and can't be in it. An operation whose action isn't known is named; none is
    guessed, and nothing is widened to * without a word.

    What was observed isn't all that is needed: an error path that never ran called nothing. A policy from little
    evidence is a draft, and the name of each of its statements says so. SOURCE is as for `lambda-guard invocations`.
    """
    _check(function, account, region, dead_letters)
    selection = between(since, until)
    target = checked(Target(tuple(paths), tuple(groups), () if paths or groups else (function,)))
    source = code_at(code, function) if code is not None else None
    with reader_for(target, selection) as reader:
        evidence = gathered(reader, selection, function, (account, region), dollars)
    place = evidence.place(region, account)
    needs = needs_of(evidence, place, dead_letters)
    unmade = source.unmade(evidence.calls) if source is not None else []
    doubts = evidence.doubts(least_invocations, least_days)
    doubts += ["its code has AWS calls that no invocation made"] * bool(unmade)
    made = form.made(evidence, needs, place, doubts)
    if comparison is None:
        text, differs = form.text(made), bool(needs.unknown)
    else:
        text, differs = comparison.report(evidence, needs, place, doubts, source)
    put(text, output)
    if output is not None:
        say(f"wrote {output}")
    if source is not None:
        say_unmade(source, unmade)
    _say(evidence, needs, place, doubts)
    if comparison is None:
        form.say(made)
    return max(differs, evidence.stopped, say_tally(reader.tally, evidence.invocations, filtered=True))


def _check(function: str, account: str | None, region: str | None, dead_letters: str | None) -> None:
    """Refuse what would come to stand in the policy and isn't what it should be."""
    checks = (
        (function, r"[A-Za-z0-9_-]+", "the name of a function", "orders"),
        (account, ACCOUNT.pattern, "an account", "123456789012"),
        (region, REGION.pattern, "a Region", "eu-west-1"),
        (
            dead_letters,
            r"arn:aws[a-z-]*:(sqs|sns):[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+",
            "the ARN of a queue or topic",
            "arn:aws:sqs:eu-west-1:123456789012:failed",
        ),
    )
    for value, pattern, what, example in checks:
        if value is not None and not re.fullmatch(pattern, value):
            raise click.UsageError(f"{value!r} isn't {what}: write it as in {example}")


def _say_where(place: Place) -> None:
    say(
        f"resources without an ARN are in account {place.account or 'unknown'}, Region {place.region or 'unknown'}, "
        "as typed or as every ARN of the records has it: --account and --region name others"
    )


def _say(evidence: Evidence, needs: Needs, place: Place, doubts: Sequence[str]) -> None:
    _say_where(place)
    for line in evidence.lines():
        say(line)
    for why, actions in needs.unseen.items():
        say(f"no call shows {', '.join(actions)}: {why}")
    for line in dict.fromkeys(needs.wider):
        say(f"wide: {line}")
    for line in dict.fromkeys(needs.unknown):
        warn(f"not in the policy: {line}")
    say(
        "not known from records: calls while the environment starts, by code of the module, VPC interfaces, keys that "
        "services use in the function's name, calls without botocore"
    )
    if doubts:
        warn(f"a draft: {'; '.join(doubts)}")
