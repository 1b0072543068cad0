"""A function's log group: what it keeps, and its files."""

import stat

from lambda_guard.local.runtime.log_group import LogEvent, LogGroup


def test_files_are_their_owner_s_alone(tmp_path):
    """Log lines may hold anybody's data."""
    group = LogGroup("/aws/lambda/orders", tmp_path)
    group.write(LogEvent(1, "2026/s", "one"))
    group.close()
    (path,) = (tmp_path / "aws" / "lambda" / "orders").iterdir()
    assert (path.name, path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("2026-s.log", "one\n", 0o600)


def test_a_full_disk_names_the_file_and_stops_no_function(tmp_path, caplog):
    """It is said once; every event is still kept in memory and passed on."""
    path = tmp_path / "aws" / "lambda" / "orders" / "full.log"
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    group, heard = LogGroup("/aws/lambda/orders", tmp_path), []
    group.listen(heard.append)
    events = [LogEvent(number, "full", "x") for number in range(3)]
    for event in events:
        group.write(event)
    group.close()
    assert caplog.messages == [f"{path}: No space left on device; later lines are in no file"]
    assert group.events() == heard == events
