#!/usr/bin/python3
"""Runs each libFuzzer target of a -Dfuzz=true build for some seconds.

Inputs that reach new code are kept in <build>/corpus/<name>; a finding is
written to <build>/findings/<name>-* and ends with exit code 1. To keep a
finding as a test, fix it and copy the file to tests/fuzz/corpus/<name>/.
"""

import argparse
import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def fuzz(build: str, name: str, seconds: int) -> bool:
    grown = os.path.join(build, "corpus", name)
    findings = os.path.join(build, "findings")
    os.makedirs(grown, exist_ok=True)
    os.makedirs(findings, exist_ok=True)
    program = os.path.join(build, "tests", "fuzz", "fuzz_" + name)
    print(f"fuzz {name}: {seconds} s", flush=True)
    result = subprocess.run(
        [program, f"-max_total_time={seconds}", "-timeout=10",
         "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0",
         f"-artifact_prefix={findings}/{name}-",
         grown, os.path.join(HERE, "corpus", name)])
    return result.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--only", help="one target")
    args = parser.parse_args()
    build = os.path.abspath(args.build)
    names = sorted(os.path.basename(path)[len("fuzz_"):-len(".c")]
                   for path in glob.glob(os.path.join(HERE, "fuzz_*.c")))
    if args.only:
        if args.only not in names:
            print(f"no fuzz target '{args.only}'; there are: {', '.join(names)}")
            return 2
        names = [args.only]
    failed = [name for name in names if not fuzz(build, name, args.seconds)]
    for name in failed:
        print(f"fuzz {name}: FAILED, see {build}/findings/{name}-*")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
