"""A strict reader of the Prometheus text format 0.0.4.

Source: "Exposition formats", prometheus.io/docs/instrumenting.
"""

import math
import re
from typing import NamedTuple

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL},?)*)\}})? (\S+)")
_SUFFIXES = ("_bucket", "_sum", "_count")

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    type: str
    help: str
    samples: dict[tuple[str, Labels], float]

    def value(self, **labels: str) -> float:
        (found,) = [v for (_, have), v in self.samples.items() if dict(have) == labels]
        return found


def _check_histogram(name: str, family: Family) -> None:
    """Each series of buckets rises to +Inf, which is the count."""
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (sample, labels), value in family.samples.items():
        if sample == name + "_bucket":
            bound = float(dict(labels)["le"])
            rest = tuple(label for label in labels if label[0] != "le")
            series.setdefault(rest, []).append((bound, value))
    assert series, f"{name} has no buckets"
    for labels, buckets in series.items():
        assert [b for b, _ in buckets] == sorted({b for b, _ in buckets}), f"{name}: bounds"
        counts = [count for _, count in buckets]
        assert counts == sorted(counts), f"{name}: not cumulative"
        assert buckets[-1][0] == math.inf, f"{name}: no +Inf"
        assert family.samples[name + "_count", labels] == counts[-1]
        assert family.samples[name + "_sum", labels] >= 0


def parse(text: str) -> dict[str, Family]:
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    helps: dict[str, str] = {}
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            assert name not in helps, f"two HELP of {name}"
            helps[name] = words
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name not in families, f"two TYPE of {name}"
            assert kind in ("counter", "gauge", "histogram", "untyped")
            families[name] = Family(kind, helps[name], {})
            current = name
        else:
            match = _SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line!r}"
            sample, labels = match[1], tuple(re.findall(_LABEL, match[2] or ""))
            family = families[current]
            allowed = ([current + s for s in _SUFFIXES] if family.type == "histogram"
                       else [current])
            assert sample in allowed, f"{sample} stands under {current}"
            assert len(dict(labels)) == len(labels), f"a label twice: {line}"
            assert (sample, labels) not in family.samples, f"twice: {line}"
            value = float(match[5])
            assert family.type != "counter" or value >= 0
            family.samples[sample, labels] = value
    for name, family in families.items():
        if family.type == "histogram":
            _check_histogram(name, family)
        assert family.type != "counter" or name.endswith("_total"), name
    return families
