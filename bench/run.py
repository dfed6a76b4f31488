#!/usr/bin/python3
"""Runs the measures and prints each figure beside its peer or floor.

    bench/run.py [--build DIR] [--quick] [--markdown FILE] [MEASURE ...]
    bench/run.py --list

Both sides of a ratio are measured in the same run on the same machine. The
result is also written to bench/results/<date>.json. A measure that cannot
run here says why, and is left out; a run that measured nothing fails.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import measures  # noqa: E402
from lib.context import Context, Row  # noqa: E402
from lib.process import Missing  # noqa: E402


def machine() -> dict[str, object]:
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": model, "cores": os.cpu_count(), "memory_gb": round(pages / 2**30, 1),
            "kernel": platform.release(), "load_before": os.getloadavg()[0]}


def commit() -> str:
    result = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                            capture_output=True, text=True)
    return result.stdout.strip() or "unknown"


def number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def cells(row: Row) -> list[str]:
    return [row.measure, row.what, f"{number(row.ours)} {row.unit}", row.beside or "",
            number(row.other), f"{row.ratio:.2f}x" if row.ratio is not None else "",
            row.aim or "", row.note or ""]


HEAD = ["measure", "figure", "ours", "beside", "value", "ours / beside", "aim", "note"]


def table(rows: list[Row]) -> str:
    lines = [HEAD] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in lines)


def markdown(report: dict, rows: list[Row]) -> str:
    facts = report["machine"]
    versions = ", ".join(f"{name} {value}" for name, value in sorted(report["versions"].items()))
    lines = [f"Measured {report['date'][:10]} at {report['commit']}: {facts['cores']} cores "
             f"({facts['cpu']}), {facts['memory_gb']} GB, kernel {facts['kernel']}. {versions}.",
             "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    for name, reason in report["left_out"].items():
        lines += ["", f"Left out: {name} ({reason})."]
    return "\n".join(lines) + "\n"


def run_all(context: Context, names: list[str]) -> tuple[list[Row], dict[str, str]]:
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for name in names:
        print(f"{name}: {measures.ALL[name].TITLE}", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            rows += measures.ALL[name].run(context)
            context.say(f"{time.monotonic() - began:.0f} s")
        except Missing as missing:
            left_out[name] = str(missing)
            context.say(f"left out: {missing}")
        except Exception as problem:  # the others are still worth measuring
            left_out[name] = f"failed: {problem}".splitlines()[0]
            traceback.print_exc()
    return rows, left_out


def save(report: dict) -> str:
    folder = os.path.join(HERE, "results")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, report["date"].replace(":", "") + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=2)
        file.write("\n")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench")
    parser.add_argument("--quick", action="store_true", help="small counts: does it work?")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table there")
    parser.add_argument("--list", action="store_true", help="the measures")
    parser.add_argument("measures", nargs="*", metavar="MEASURE")
    args = parser.parse_args()
    if args.list:
        for name, module in measures.ALL.items():
            print(f"{name:10} {module.TITLE}")
        return 0
    unknown = [name for name in args.measures if name not in measures.ALL]
    if unknown:
        parser.error(f"no measure {unknown[0]}; there are: {', '.join(measures.ALL)}")

    context = Context(os.path.abspath(os.path.join(ROOT, args.build)), args.quick)
    facts = machine()
    try:
        rows, left_out = run_all(context, args.measures or list(measures.ALL))
    finally:
        context.close()
        shutil.rmtree(context.dir, ignore_errors=True)
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(), "quick": args.quick, "machine": facts,
        "versions": context.versions, "left_out": left_out,
        "rows": [row.as_json() for row in rows],
    }
    if rows:
        print(table(rows))
        print(f"\nwritten to {os.path.relpath(save(report), ROOT)}")
    if args.markdown and rows:
        with open(args.markdown, "w", encoding="utf-8") as file:
            file.write(markdown(report, rows))
    for name, reason in left_out.items():
        print(f"left out: {name}: {reason}")
    return 0 if rows and not any(r.startswith("failed") for r in left_out.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
