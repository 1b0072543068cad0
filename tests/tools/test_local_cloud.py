"""What `local up` prints of functions' lines."""

from lambda_guard.local.runtime.log_group import LogEvent
from lambda_guard.tools.local_cloud import BlockPrinter

ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"


def test_what_has_not_ended_is_its_functions(capsys):
    """At the end, an invocation without its REPORT is shown under the function's name, and once."""
    printer = BlockPrinter()
    for at, message in enumerate((f"START RequestId: {ID} Version: $LATEST", "at work")):
        printer.write("orders", LogEvent(1_796_000_000_000 + at, "2026/11/29/[$LATEST]0123", message))
    assert capsys.readouterr().out == ""
    printer.close()
    said = capsys.readouterr().out
    assert " orders:$LATEST " in said
    assert said.count("at work") == 1
