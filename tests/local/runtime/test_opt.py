"""What becomes `/opt`: layers that are damaged, too large, or want to write elsewhere."""

import os
import re
import stat
import struct
import zipfile
from contextlib import contextmanager

import pytest

from lambda_guard.local import Function, LocalCloudError
from lambda_guard.local.runtime.layers import unpack


@pytest.fixture
def opt(tmp_path):
    """Return the directory that stands for `/opt`."""
    (tmp_path / "opt").mkdir()
    return tmp_path / "opt"


def archive(path, *entries):
    """Write a zip of (name, content, mode) in the order given; returns its path."""
    with zipfile.ZipFile(path, "w") as written:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            written.writestr(entry, content)
    return path


FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777


def refused(*layers, opt):
    """Return the message with which layers are refused."""
    with pytest.raises(LocalCloudError) as caught:
        unpack("shop", layers, opt)
    assert str(caught.value).startswith(f"function shop: the layer '{layers[-1]}' ")
    return str(caught.value).partition(f"'{layers[-1]}' ")[2]


@contextmanager
def untouched(folder):
    """Check that nothing in a folder but `opt` is written."""

    def seen():
        return {
            path: path.lstat().st_mtime_ns
            for path in folder.rglob("*")
            if "opt" not in path.relative_to(folder).parts
        }

    before = seen()
    yield
    assert seen() == before


@pytest.mark.parametrize(
    "entries",
    [
        [("../out.py", "x", FILE)],
        [("python/../../out.py", "x", FILE)],
        [("python", "..", LINK), ("python/out.py", "x", FILE)],
        [("python", "/", LINK), ("python/tmp/out.py", "x", FILE)],
        [("a", ".", LINK), ("b", "a/..", LINK), ("b/out.py", "x", FILE)],
    ],
)
def test_a_zip_that_leads_out_of_opt_is_refused(entries, opt, tmp_path):
    """By the names of its files, or over links in it: nothing is written elsewhere."""
    path = archive(tmp_path / "layer.zip", *entries)
    with untouched(tmp_path):
        assert refused(path, opt=opt) == f"leads out of /opt: {entries[-1][0]!r}"


def test_a_link_of_one_layer_doesnt_lead_another_out(opt, tmp_path):
    """Neither a zip nor a folder is written over it; a file in the link's own place replaces the link."""
    link = archive(tmp_path / "link.zip", ("python", "..", LINK))
    (tmp_path / "folder/python").mkdir(parents=True)
    (tmp_path / "folder/python/out.py").write_text("x")
    with untouched(tmp_path):
        assert refused(link, tmp_path / "folder", opt=opt) == "leads out of /opt: 'python/out.py'"
    (opt / "python").unlink()
    target = tmp_path / "target"
    target.write_text("theirs")
    replaced = archive(tmp_path / "replaced.zip", ("file", str(target), LINK))
    unpack("shop", (replaced, archive(tmp_path / "mine.zip", ("file", "mine", FILE))), opt)
    assert ((opt / "file").read_text(), target.read_text()) == ("mine", "theirs")


def test_an_absolute_name_is_one_below_opt(opt, tmp_path):
    """As of any archive that is unpacked somewhere."""
    unpack("shop", (archive(tmp_path / "layer.zip", ("/python/shared.py", "x", FILE)),), opt)
    assert (opt / "python/shared.py").read_text() == "x"


def test_links_of_a_zip_stay_links(opt, tmp_path):
    """Relative ones, and those to /opt, which is another directory here; a link to nothing harms nobody."""
    path = archive(
        tmp_path / "layer.zip",
        ("lib/libx.so", "libx.so.1", LINK),
        ("lib/liby.so", "/opt/lib/libx.so.1", LINK),
        ("lib/gone", "nowhere", LINK),
        ("lib/libx.so.1", "code", FILE),
    )
    unpack("shop", (path, path), opt)
    assert (opt / "lib/libx.so").readlink().as_posix() == "libx.so.1"
    assert (opt / "lib/libx.so").read_text() == (opt / "lib/liby.so").read_text() == "code"


def test_links_of_a_folder(opt, tmp_path):
    """One within the folder stays a link; one that leads out of it becomes a copy, as when the folder is zipped."""
    layer, source = tmp_path / "layer", tmp_path / "src"
    (source / "shop").mkdir(parents=True)
    (source / "shop/prices.py").write_text("prices = 1\n")
    (layer / "lib").mkdir(parents=True)
    (layer / "python").symlink_to("../src")
    (layer / "prices.py").symlink_to(source / "shop/prices.py")
    (layer / "lib/real").write_text("code")
    (layer / "lib/link").symlink_to("real")
    (layer / "lib/absolute").symlink_to(layer / "lib/real")  # would lead to where the layer was made
    unpack("shop", (layer,), opt)
    assert (opt / "python/shop/prices.py").read_text() == "prices = 1\n"
    assert not (opt / "python").is_symlink()
    assert not (opt / "prices.py").is_symlink()
    assert (opt / "lib/link").readlink().as_posix() == "real"
    assert not (opt / "lib/absolute").is_symlink()


def test_a_folder_that_holds_itself_is_refused(opt, tmp_path):
    """It would have no end."""
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer/above").symlink_to("..")
    assert refused(tmp_path / "layer", opt=opt) == f"holds itself, by the link '{tmp_path}/layer/above/layer'"


def test_a_layer_that_is_neither_folder_nor_zip_is_refused(opt, tmp_path):
    """A tar, a name that leads nowhere, and a pipe, which nobody waits for."""
    (tmp_path / "layer.tar").write_text("")
    os.mkfifo(tmp_path / "pipe")
    for name in ("layer.tar", "nowhere.zip", "pipe"):
        assert refused(tmp_path / name, opt=opt) == "isn't a directory or a zip archive"


def test_a_damaged_zip_is_refused(opt, tmp_path):
    """With the reason: a file that was changed, and one that needs a password."""
    path = archive(tmp_path / "layer.zip", ("python/shared.py", "content", FILE))
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))
    assert refused(path, opt=opt) == "can't be unpacked: Bad CRC-32 for file 'python/shared.py'"
    data = bytearray(path.read_bytes().replace(b"CONTENT", b"content"))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        struct.pack_into("<H", data, data.index(mark) + at, 1)
    path.write_bytes(data)
    assert "is encrypted, password required" in refused(path, opt=opt)


@pytest.mark.parametrize("name", ["", ".", "/", "python/.."])
def test_a_file_without_a_name_is_refused(name, opt, tmp_path):
    """As damaged as any other; it isn't written over `/opt`."""
    path = archive(tmp_path / "layer.zip", ("x" * len(name), "content", FILE))
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    with untouched(tmp_path):
        if name == "/":
            unpack("shop", (path,), opt)
        else:
            assert re.match("can't be unpacked|leads out of /opt", refused(path, opt=opt))
    assert list(opt.iterdir()) == []


def test_more_than_lambda_takes_is_refused_before_it_is_unpacked(opt, tmp_path):
    """A function's layers may have 250 MB together; a zip that says that it has more isn't unpacked."""
    (tmp_path / "folder").mkdir()
    with (tmp_path / "folder/data").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    path = archive(tmp_path / "layer.zip", ("data", b"x" * 1000, FILE))
    data = path.read_bytes()
    start = data.index(b"PK\1\2") + 24
    path.write_bytes(data[:start] + struct.pack("<I", 60 * 1024 * 1024) + data[start + 4 :])
    said = "is too large: Lambda takes 250 MB of a function and all its layers, unzipped"
    assert refused(path, path, path, path, path, opt=opt) == said
    assert refused(tmp_path / "folder", tmp_path / "folder", opt=opt) == said


def test_what_it_takes_to_start_is_given_back(tmp_path, monkeypatch):
    """A function whose layers can't be unpacked leaves no directory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    layer = archive(tmp_path / "layer.zip", ("../out.py", "x", FILE))
    with pytest.raises(LocalCloudError, match=re.escape("leads out of /opt: '../out.py'")):
        Function(name="shop", handler="app.handler", code=tmp_path, layers=(layer,))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_programs_and_libraries_of_a_layer_are_found(tmp_path):
    """`bin` is on PATH, `lib` on LD_LIBRARY_PATH, as on Lambda."""
    (tmp_path / "layer/bin").mkdir(parents=True)
    (tmp_path / "layer/bin/greet").write_text("#!/bin/sh\necho hello $LD_LIBRARY_PATH\n")
    (tmp_path / "layer/bin/greet").chmod(0o755)
    (tmp_path / "app.py").write_text(
        "import subprocess\n"
        "def handler(event, context):\n    return subprocess.run('greet', capture_output=True, text=True).stdout\n"
    )
    with Function(
        name="shop", handler="app.handler", code=tmp_path, layers=(tmp_path / "layer",)
    ) as function:
        said, opt = function.invoke().payload, function.settings.opt
    assert said == f"hello {tmp_path}:{tmp_path}/lib:{opt}/lib\n"
