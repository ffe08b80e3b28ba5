"""Detectors made in YAML of river's models: what is refused and where, what they say, that neither cuts nor starts matter."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tests.otlp import call, request, stored

from apisec_otel import builtin
from apisec_otel.cli import cli
from apisec_otel.config import read
from apisec_otel.config.packaged import packaged
from apisec_otel.config.schema import schema
from apisec_otel.config.show import show
from apisec_otel.errors import ConfigError
from apisec_otel.processors.detect import Detect
from apisec_otel.testing import scenarios
from apisec_otel.testing.scenarios import Scenario, plan_of, run_native, run_reference

STORIES = Path(__file__).parents[2] / "scenarios" / "odd_sizes"
GOOD = {
    "river": "anomaly.HalfSpaceTrees",
    "features": {"size": "response_size", "errors": {"share": "failed", "by": "session", "within": "5m"}},
}


def configured(settings: dict[str, Any], *more: dict[str, Any]) -> Any:
    """A configuration in which they are the settings of `odd_sizes`."""
    tree = {"processors": {"detect": {"detectors": {"odd_sizes": settings}}}}
    return read([packaged("replay"), *(f"yaml:{json.dumps(each)}" for each in (tree, *more))])


def detect_of(config: Any) -> Detect:
    return next(each.settings for each in config.used() if isinstance(each.settings, Detect))


def refused(folder: Path, lines: str) -> str:
    """What is said of a file whose detector has these lines, the first of them being line 5."""
    file = folder / "odd.yaml"
    text = "processors:\n  detect:\n    detectors:\n      odd_sizes:\n" + "".join(f"        {line}\n" for line in lines.splitlines())
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read([packaged("replay"), file])
    return str(error.value).replace(f"{file}:", "line ").replace("processors::detect::detectors::odd_sizes", "odd_sizes")


FEATURE = "river: anomaly.HalfSpaceTrees\nfeatures:\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("river: anomaly.HalfSpaceTree\nfeatures: {a: duration}", "line 5: odd_sizes::river: river has no anomaly.HalfSpaceTree; there is"),
        ("river: anomaly.LODA\nmodel: {bins: 3}\nfeatures: {a: duration}", "line 6: odd_sizes::model::bins: anomaly.LODA takes no bins"),
        (
            "river: anomaly.HalfSpaceTrees\nmodel:\n  height: 40\nfeatures: {a: duration}",
            "line 7: odd_sizes::model::height: `height` is 40",
        ),
        ("river: anomaly.LODA\nmodel: {n_bins: [3]}", "line 6: odd_sizes::model::n_bins: a number, a text, true or false is wanted"),
        ("river: anomaly.HalfSpaceTrees", "line 4: odd_sizes::features: name at least one"),
        (
            FEATURE + "  size: respons_size",
            "line 7: odd_sizes::features::size: there is no column respons_size; did you mean response_size?",
        ),
        (FEATURE + "  path: path", "line 7: odd_sizes::features::path: path is a key, and a number or a flag is wanted; count it"),
        (FEATURE + "  paths: {distinct: status}", "features::paths::distinct: status is a number, and a key is wanted; allowed: actor, "),
        (
            FEATURE + "  paths:\n    distinct: path\n    withn: 5m",
            "line 9: odd_sizes::features::paths::withn: unknown key; did you mean within?",
        ),
        (
            FEATURE + "  paths: {distinct: path, within: 2d}",
            "features::paths::within: input should be less than or equal to 1 day; got '2d'",
        ),
        (FEATURE + "  both: {count: failed, rate: failed}", "odd_sizes::features::both: says what is counted by exactly one of count, "),
        (FEATURE + "  size: 5", "line 7: odd_sizes::features::size: a column is wanted, or a tally such as {distinct: path"),
        (FEATURE + "  Size: duration", "line 7: odd_sizes::features::Size: string should match"),
        (FEATURE + "  a: duration\nby: [service, succeeded]", "line 8: odd_sizes::by: succeeded is a flag, and a key is wanted"),
        (
            FEATURE + "  a: duration\nwhere: custom.internal",
            "line 8: odd_sizes::where: there is no column custom.internal; allowed: always",
        ),
        (FEATURE + "  a: duration\nrows: trace", "line 8: odd_sizes::rows: input should be 'request' or 'step'; got 'trace'"),
        (FEATURE + "  a: duration\nmoode: off", "line 8: odd_sizes::moode: unknown key; did you mean mode? allowed: at_least, by, entity"),
        ("features: {a: duration}", "line 4: odd_sizes: unknown; allowed: auth_bruteforce, "),
        ("features: {a: duration}", "; one of your own has the key river"),
    ],
)
def test_a_mistake_is_told_at_its_line_with_what_is_allowed(tmp_path: Path, lines: str, said: str) -> None:
    assert said in refused(tmp_path, lines)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert refused(tmp_path, "river: anomaly.Trees\nby: servce\nfeatures: {a: path}").count("\n") == 2


def test_columns_of_ones_own_are_taken_by_their_kind(tmp_path: Path) -> None:
    columns = {
        "processors": {
            "requests": {"columns": {"tenant": {"from": ["app.tenant"], "as": "key"}, "rows": {"from": ["app.rows"], "as": "number"}}}
        }
    }
    config = configured({"river": "anomaly.HalfSpaceTrees", "by": "custom.tenant", "features": {"rows": "custom.rows"}}, columns)
    assert "custom.rows" in detect_of(config).plan(custom=config.custom_columns()).requests.columns["odd_sizes"]
    with pytest.raises(ConfigError, match=r"features::rows: custom.tenant is a key, and a number or a flag is wanted"):
        configured({**GOOD, "features": {"rows": "custom.tenant"}}, columns)


def test_what_is_printed_reads_back_as_the_same() -> None:
    config = configured(
        {**GOOD, "model": {"n_trees": 25}, "rows": "step", "by": "endpoint", "where": "succeeded", "mode": "shadow", "q": 1e-3}
    )
    printed = show(config)
    assert detect_of(read([f"yaml:{printed}"])) == detect_of(config)
    written = yaml.safe_load(printed)["processors"]["detect"]["detectors"]["odd_sizes"]
    assert written["features"] == {"size": "response_size", "errors": {"share": "failed", "by": ["session"], "within": "5m"}}
    assert (written["mode"], written["q"], written["by"]) == ("shadow", 1e-3, ["endpoint"])


def test_mode_q_and_rows_are_as_for_any_detector() -> None:
    def running(**settings: Any) -> list[tuple[str, float]]:
        return [(mode, q) for id, _, mode, q in detect_of(configured({**GOOD, **settings})).running() if id == "odd_sizes"]

    assert running() == [("alert", 1e-4)]
    assert running(mode="shadow", q=0.01) == [("shadow", 0.01)]
    assert running(mode="off") == []
    plans = detect_of(configured({**GOOD, "rows": "step"})).plan()
    assert "odd_sizes" in {each.detector for each in plans.steps.statements} - {each.detector for each in plans.requests.statements}


def test_validate_tells_what_it_costs() -> None:
    native, python = (configured({**GOOD, "river": f"anomaly.{name}"}).notes for name in ("HalfSpaceTrees", "LODA"))
    assert [note for note in native if "Python" in note] == []
    assert any("odd_sizes: anomaly.HalfSpaceTrees runs natively, and takes up to 122 kB for each service" in note for note in native)
    assert any("model anomaly.LODA runs Python 3 times for each row: " in note for note in python)


def test_editors_know_it() -> None:
    found = schema()["properties"]["processors"]["patternProperties"]["^detect(/.+)?$"]["properties"]["detectors"]
    (made,) = found["additionalProperties"]["anyOf"]
    assert made["required"] == ["river"]
    assert {"river", "features", "mode", "q"} <= set(made["properties"])


def test_components_lists_it() -> None:
    found = json.loads(CliRunner().invoke(cli, ["components", "--json"]).stdout)
    assert [each["key"] for each in found["made_in_yaml"]] == ["river"]
    assert "odd_sizes" not in builtin.known("detectors")


def story(**settings: Any) -> Scenario:
    attack = scenarios.load(STORIES / "attack_large.yaml")
    return dataclasses.replace(attack, settings={**attack.settings, **settings})


def test_a_model_in_python_is_the_same_however_it_is_cut_and_started() -> None:
    told = story(river="anomaly.LODA", model={"n_random_cuts": 10}, rows="step")
    raised = run_native(told, plan_of(told))
    assert len([row for row, _ in raised if row > 0]) > 5
    assert raised == run_native(told, plan_of(told), cut=7) == run_reference(told, plan_of(told))


def test_another_seed_is_another_model() -> None:
    specs = {plan_of(story(model={"seed": seed, "n_trees": 10, "height": 6, "window_size": 100})).spec for seed in (0, 0, 1)}
    assert len(specs) == 2


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """The story as traces and its detector as configuration."""
    traces, config = tmp_path / "traces.pb", tmp_path / "odd.yaml"
    traces.write_bytes(scenarios.rows_to_spans(story()))
    config.write_text(yaml.safe_dump({"processors": {"detect": {"detectors": {"odd_sizes": story().settings}}}}), encoding="utf-8")
    return stored(traces, traces.read_bytes()), str(config)


def test_replay_and_explain_name_what_is_odd(files: tuple[str, str]) -> None:
    traces, config = files
    sources = ["--config", "packaged:replay", "--config", config, "--format", "json"]
    lines = [json.loads(line) for line in CliRunner().invoke(cli, ["replay", traces, *sources]).stdout.splitlines()]
    assert all("odd_sizes" in line["detectors"] for line in lines if line["type"] == "request")
    (found, *_) = [line for line in lines if line["type"] == "finding" and line["detector"] == "odd_sizes"]
    assert found["reason"].startswith("unlike others of the same service: size 90,000 (usually ")
    (row,) = CliRunner().invoke(cli, ["explain", "odd_sizes", traces, *sources, "--limit", "1"]).stdout.splitlines()
    assert json.loads(row)["signals"][0]["sentence"] == found["reason"]


def test_explain_of_a_name_that_is_not_there_says_which_are(files: tuple[str, str]) -> None:
    traces, config = files
    result = CliRunner().invoke(cli, ["explain", "odd_size", traces, "--config", "packaged:replay", "--config", config])
    assert "did you mean odd_sizes?" in str(result.exception) + result.output


def test_coverage_says_where_it_is_blind(tmp_path: Path) -> None:
    settings = {"processors": {"detect": {"detectors": {"odd_sizes": {**GOOD, "features": {"size": "response_size"}}}}}}
    config = tmp_path / "odd.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    traces = stored(tmp_path / "traces.pb", *(request(call(number, "/orders", at=number)) for number in range(60)))
    told = CliRunner().invoke(cli, ["coverage", traces, "--config", "packaged:replay", "--config", str(config)]).output
    assert "odd_sizes" in told
    assert "response_size" in told
