"""The checks of tools/: each must find what it is there for.

They look at a small tree of our own: a check that finds nothing on a clean
tree proves nothing.
"""

import os
import shutil
import subprocess

import pytest

from fixtures import ROOT


@pytest.fixture
def tree(tmp_path):
    """A checkout with the tools and an empty src/."""
    shutil.copytree(os.path.join(ROOT, "tools"), tmp_path / "tools")
    for layer in ("base", "store", "engine", "jobs"):
        (tmp_path / "src" / layer).mkdir(parents=True)
    (tmp_path / "Makefile").write_text("all: deps ## build\ntest-unit test-e2e: test-%:\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def check(tree, name: str) -> tuple[int, str]:
    result = subprocess.run([tree / "tools" / name], capture_output=True, text=True)
    return result.returncode, result.stdout


@pytest.mark.parametrize("layer, line, says", [
    ("base", '#include "jobs/hub.h"', 'base/ may not include "jobs/hub.h"'),
    ("store", '#include "engine/engine.h"', 'store/ may not include "engine/engine.h"'),
    ("jobs", '#include "agent/priv.h"', "private to agent/"),
    ("jobs", '#include "hub.h"', 'write the folder, "jobs/hub.h"'),
    ("jobs", "#include <sqlite3.h>", "belongs to store/"),
    ("jobs", '#include "nowhere/x.h"', "no such layer"),
])
def test_layers_finds(tree, layer, line, says):
    (tree / "src" / layer / "x.c").write_text(f"/* x */\n{line}\n")
    code, said = check(tree, "check-layers")
    assert code == 1
    assert f"src/{layer}/x.c:2: " in said and says in said


def test_layers_allows_downwards(tree):
    (tree / "src/jobs/x.c").write_text(
        '#include "base/err.h"\n#include "store/jobs.h"\n#include "agent/wire.h"\n')
    assert check(tree, "check-layers") == (0, "check-layers: ok\n")


@pytest.mark.parametrize("line, says", [
    ("	strcpy(a, b);", "strcpy"),
    ("	x = atoi(s);", "atoi: use parse_int"),
    ("	free(p);", "free: use mem_free"),
    ("	x = 1; // note", "//: use /* */"),
])
def test_banned_finds(tree, line, says):
    (tree / "src/jobs/x.c").write_text(line + "\n")
    code, said = check(tree, "check-banned")
    assert code == 1
    assert "src/jobs/x.c:1: " in said and says in said


def test_banned_reads_code_only(tree):
    (tree / "src/jobs/x.c").write_text(
        '/* strcpy(a, b) */\nputs("atoi(1) // no");\nmy_free(p);\np->free(p);\n')
    assert check(tree, "check-banned") == (0, "check-banned: ok\n")


def test_banned_exemption_names_a_reason_and_must_be_needed(tree):
    source = tree / "src/jobs/x.c"
    source.write_text("/* allow: free, the library's own memory */\nfree(p);\n")
    assert check(tree, "check-banned")[0] == 0
    source.write_text("/* allow: free, the library's own memory */\nmem_free(p);\n")
    assert "the exemption for free is not needed" in check(tree, "check-banned")[1]


@pytest.mark.parametrize("name, line", [
    ("x.js", "el.innerHTML = text;"), ("x.js", "el.insertAdjacentHTML('beforeend', text)"),
    ("pages/x.js", "document.write(text)"), ("x.js", "eval(text)"), ("x.js", "new Function(text)"),
    ("x.js", "setTimeout('go()', 1)"), ("x.js", "el.setAttribute('onclick', text)"),
    ("x.js", "link.href = 'javascript:go()'"), ("tests/x.test.mjs", "el.outerHTML"),
    ("index.html", '<p onclick="go()">'), ("index.html", '<p style="color: red">'),
])
def test_banned_finds_text_that_becomes_markup(tree, name, line):
    path = tree / "dashboard" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"/* innerHTML is not for us */\n{line}\n")
    code, said = check(tree, "check-banned")
    assert code == 1 and f"dashboard/{name}:2: " in said


def test_size_finds_long_functions_and_files(tree):
    (tree / "src/jobs/x.c").write_text("int f(void)\n{\n" + "\tx();\n" * 81 + "}\n")
    (tree / "src/jobs/y.c").write_text("int x;\n" * 701)
    code, said = check(tree, "check-size")
    assert code == 1
    assert "f() has 81 lines" in said and "src/jobs/y.c: 701 lines" in said


@pytest.mark.parametrize("text, says", [
    ("[a](missing.md)", "no such file"),
    ("[a](#nowhere)", "no such heading"),
    ("run `make nothing`", "`make nothing`: no such target"),
    ("run `scripts/none`", "`scripts/none`: no such file"),
])
def test_docs_finds(tree, text, says):
    (tree / "README.md").write_text(f"# Here\n\n{text}\n")
    code, said = check(tree, "check-docs")
    assert code == 1
    assert says in said


def test_docs_allows_what_is_there(tree):
    (tree / "README.md").write_text(
        "# What is here\n\n[a](#what-is-here) [b](README.md) [c](https://example.com/x)\n"
        "`make all` `make test-e2e` `tools/check-docs` and make it so\n")
    assert check(tree, "check-docs") == (0, "check-docs: ok\n")


@pytest.mark.parametrize("name", ["check-banned", "check-docs", "check-layers", "check-size"])
def test_this_checkout_passes(name: str) -> None:
    result = subprocess.run([os.path.join(ROOT, "tools", name)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
