"""The traffic lab: what it makes is OTLP, the same each time, and as its truth says."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apisec_otel import _native
from apisec_otel.receivers.otlp_json_file import OtlpFile, Stored
from apisec_otel.semconv import vocabulary_json
from examples.lab import cli
from examples.lab.attacks import ATTACKS
from examples.lab.attacks.scene import STRENGTHS
from examples.lab.catalogue import catalogue, chosen, uncovered
from examples.lab.lab import PLACES, PRINCIPALS, Lab, Setting
from examples.lab.simulation import START, Simulation
from examples.lab.truth import Truth

SMALL = Setting(scale=0.01, attacks=tuple(ATTACKS))
FEW = Setting(scale=0.005, attacks=("auth.spray", "bola.walk", "inj.rules"))
SERVER = 2
MIB = 1 << 20


@dataclass
class Run:
    """A run of the lab, all of it kept."""

    setting: Setting
    requests: list[bytes] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)

    def __post_init__(self) -> None:
        lab = Lab(self.setting, on_truth=lambda at, told: self.truth.append(json.loads(told)))
        self.requests = [made for _, made in lab.records()]
        self.made = lab.made

    def spans(self) -> Iterator[Any]:
        for made in self.requests:
            for group in ExportTraceServiceRequest.FromString(made).resource_spans:
                for scope in group.scope_spans:
                    yield from scope.spans


@pytest.fixture(scope="module")
def small() -> Run:
    return Run(SMALL)


@pytest.fixture(scope="module")
def few() -> Run:
    return Run(FEW)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(few: Run) -> None:
    again, other = Run(FEW), Run(replace(FEW, seed=8))
    assert digest(again) == digest(few)
    assert again.truth == few.truth
    assert digest(other) != digest(few)


def digest(run: Run) -> str:
    return hashlib.sha256(b"".join(run.requests)).hexdigest()


def test_another_start_shifts_all_times_and_nothing_else(few: Run) -> None:
    later = Run(replace(FEW, start=START + 3600))
    assert [each["time"] - 3600 * 10**9 for each in later.truth] == [each["time"] for each in few.truth]


def test_both_codecs_read_every_span(small: Run) -> None:
    spans = list(small.spans())
    assert len(spans) == small.made.spans
    vocabulary = _native.Vocabulary(vocabulary_json(), bytes(16))
    assert sum(_native.decode([made], vocabulary).spans for made in small.requests) == len(spans)
    assert len({span.span_id for span in spans}) == len(spans)
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 and span.name for span in spans)
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


def test_spans_form_trees_that_cross_services(small: Run) -> None:
    services: dict[bytes, set[str]] = {}
    ids = {span.span_id for span in small.spans()}
    for made in small.requests:
        for group in ExportTraceServiceRequest.FromString(made).resource_spans:
            name = next(each.value.string_value for each in group.resource.attributes if each.key == "service.name")
            for span in (span for scope in group.scope_spans for span in scope.spans):
                services.setdefault(span.trace_id, set()).add(name)
                assert not span.parent_span_id or span.parent_span_id in ids
    assert max(map(len, services.values())) >= 3
    kinds = Counter(span.kind for span in small.spans())
    assert set(kinds) == {1, SERVER, 3}
    assert kinds[3] > 10_000


def test_each_line_of_truth_has_its_span(small: Run) -> None:
    servers = {(span.trace_id.hex(), span.span_id.hex()): span for span in small.spans() if span.kind == SERVER}
    assert len(small.truth) == small.made.requests
    for told in small.truth:
        span = servers[told["trace_id"], told["span_id"]]
        assert abs(span.start_time_unix_nano - told["time"]) < 2 * 10**9 + (span.end_time_unix_nano - span.start_time_unix_nano)


def test_every_attack_of_the_catalogue_happens_at_every_strength(small: Run) -> None:
    assert set(catalogue()) == set(ATTACKS)
    happened = Counter((told["attack"], told["strength"]) for told in small.truth if told["attack"])
    assert set(happened) == {(id, strength) for id, attack in ATTACKS.items() for strength in attack.strengths}
    for told in small.truth:
        assert (told["attack"] is None) == (told["step"] == 0)


def test_what_shows_in_spans_is_what_the_catalogue_says(small: Run) -> None:
    shown = Counter((told["attack"], told["strength"]) for told in small.truth if told["visible"])
    for id, attack in ATTACKS.items():
        since = catalogue()[id].spans
        for strength in attack.strengths:
            as_strong = strength if strength in ("weak", "strong") else "medium"
            expected = since != "never" and STRENGTHS.index(as_strong) >= STRENGTHS.index(since)
            # Where an answer's size shows depends on whether a gateway tells it.
            if id not in ("size.outlier", "exfil.volume"):
                assert (shown[id, strength] > 0) == expected, (id, strength)


def test_steps_of_a_campaign_are_in_order_of_time(small: Run) -> None:
    campaigns: dict[str, list[Truth]] = {}
    for told in small.truth:
        if told["campaign"]:
            campaigns.setdefault(told["campaign"], []).append(told)
    for name, lines in campaigns.items():
        assert [each["step"] for each in sorted(lines, key=lambda each: each["time"])] == list(range(1, len(lines) + 1)), name
    slow = [lines for name, lines in campaigns.items() if " slow " in name and len(lines) > 20]
    assert min(lines[-1]["time"] - lines[0]["time"] for lines in slow) > 4 * 3600 * 10**9
    crowds = [lines for name, lines in campaigns.items() if name.startswith(("auth.bruteforce distributed", "bola.walk distributed"))]
    assert all(len({each["principal"] for each in lines}) > 10 for lines in crowds)


def test_honest_people_do_the_same_with_and_without_attacks(few: Run) -> None:
    quiet = Run(replace(FEW, attacks=()))
    honest = [each for each in few.truth if each["attack"] is None]
    assert sorted(each["trace_id"] for each in honest) == sorted(each["trace_id"] for each in quiet.truth)


def test_the_population_is_of_the_asked_size_and_has_its_hours() -> None:
    places = [Simulation(api, 7, 200_000, 1.0) for api in PLACES.values()]
    assert sum(len(each.place.people.everybody()) for each in places) == PRINCIPALS
    run = Run(Setting(scale=0.08))
    assert run.made.requests == pytest.approx(0.08 * 200_000, rel=0.15)
    for name, api in PLACES.items():
        assert run.made.places[name] / run.made.requests == pytest.approx(api.share, abs=0.08)
        people = [told for told in run.truth if told["environment"] == name and told["kind"] in ("shopper", "app", "customer", "member")]
        hours = Counter((told["time"] // 10**9 - START) // 3600 for told in people)
        busiest = max(range(24), key=api.day.__getitem__)
        assert hours[busiest] > 4 * hours[3]
    noise = sum(told["kind"] == "noise" for told in run.truth)
    assert 2 <= noise <= 60


def test_a_deploy_changes_the_version_and_what_is_asked_of_the_database() -> None:
    run = Run(Setting(scale=0.03, places=("saas",)))
    versions, statements = set(), Counter()
    for made in run.requests:
        for group in ExportTraceServiceRequest.FromString(made).resource_spans:
            told = {each.key: each.value.string_value for each in group.resource.attributes}
            if told["service.name"] == "tracker":
                versions.add(told["service.version"])
                texts = [each.value.string_value for scope in group.scope_spans for span in scope.spans for each in span.attributes]
                statements.update(text for text in texts if "feature_" in text)
    assert versions == {"1.1.0", "1.2.0", "1.3.0", "1.4.0"}
    assert statements


def test_a_week_holds_no_more_than_a_day() -> None:
    lab = Lab(Setting(days=7, scale=0.02, places=("bank",)))
    process, held, made = psutil.Process(), dict[int, int](), 0
    for at, request in lab.records():
        made += len(request)
        held.setdefault(int(at - START) // 86_400, process.memory_info().rss)
    grown = max(held.values()) - held[1]
    assert made > 25 * MIB
    assert grown < 10 * MIB


def test_files_are_read_by_replay_and_the_truth_lies_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--days", "2", "--quiet-days", "1", "--scale", "0.005", "--attacks", "bola.walk,scan", "--gzip", "--environment", "shop"]
    assert cli.main(["--out", str(tmp_path), *arguments]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"day-{day}.{kind}" for day in (1, 2) for kind in ("otlp.pb.gz", "truth.jsonl")
    ]
    items = list(OtlpFile(str(tmp_path / "day-2.otlp.pb.gz")))
    assert items
    assert all(isinstance(item, Stored) and not item.json for item in items)
    attacks = [{json.loads(line)["attack"] for line in (tmp_path / f"day-{day}.truth.jsonl").read_text().splitlines()} for day in (1, 2)]
    assert attacks == [{None}, {None, "bola.walk", "scan.trw", "scan.honey", "scan.ua"}]
    said = capsys.readouterr()
    assert said.out == ""
    assert "requests:" in said.err


def test_attacks_without_a_detector_are_called_uncovered(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert uncovered(["bola.walk", "dep.redirect"], ["bola_walk"]) == ["dep.redirect"]
    assert cli.main(["--out", str(tmp_path), "--scale", "0.002", "--attacks", "bola.walk,dep.redirect", "--environment", "bank"]) == 0
    assert "uncovered: dep.redirect\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say either --out DIR or --to ENDPOINT"),
        (["--out", "x", "--attacks", "bolla"], "no attack 'bolla'; there are all, none, "),
        (["--out", "x", "--strengths", "mild"], "no strength 'mild'; there are weak, medium"),
        (["--out", "x", "--days", "0"], "--days is 1 or more"),
        (["--out", "x", "--environment", "zoo"], "invalid choice: 'zoo'"),
    ],
)
def test_what_cannot_be_made_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert said in capsys.readouterr().err


def test_an_endpoint_that_does_not_listen_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.lab.sinks.TRIES", 1)
    assert cli.main(["--to", "http://127.0.0.1:1", "--scale", "0.001", "--speed", "1e9"]) == 1
    assert "lab: http://127.0.0.1:1: " in capsys.readouterr().err


def test_families_and_ids_are_chosen_by_their_words() -> None:
    assert chosen("bola.walk, gql") == ("bola.walk", "gql.cost")
    assert chosen("none") == ()
    assert set(chosen("all")) == set(ATTACKS)
