"""Who reads what of the marts, as dbt's exposures say it, against the SQL that is sent."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import sqlglot
import yaml
from sqlglot import exp

from dashboard import pages, queries
from dashboard.app import PREFIX, create_app
from dashboard.keys import read_keys
from ingestion.settings import PROJECT_ROOT
from tests.support import contract_queries

FOLDER = "dbt_project/models/exposures"
# of whose key it is
READS_NOTHING = {f"{PREFIX}/me"}


@pytest.fixture(scope="module")
def exposures() -> list[dict[str, Any]]:
    """As written; dbt itself refuses a reference to what is not there."""
    return [
        each
        for path in sorted((PROJECT_ROOT / FOLDER).glob("*.yml"))
        for each in yaml.safe_load(path.read_text())["exposures"]
    ]


@pytest.fixture(scope="module")
def marts() -> set[str]:
    return {path.stem for path in (PROJECT_ROOT / "dbt_project/models/marts").rglob("*.sql")}


@pytest.fixture(scope="module")
def endpoints() -> dict[str, Callable[..., Any]]:
    """Functions that answer, by address: every address below the prefix."""
    app = create_app({}, read_keys([]))
    found = {
        path: answering for path, answering in _answering(app.routes) if path.startswith(PREFIX)
    }
    described = {path for path in app.openapi()["paths"] if path.startswith(PREFIX)}
    assert described <= set(found), f"routes that this test does not find: {described - set(found)}"
    assert len(found) >= 7
    return found


def _answering(routes: Iterable[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for route in routes:
        # FastAPI keeps an included router as one route
        inner = getattr(route, "original_router", route)
        if getattr(inner, "routes", None):
            yield from _answering(inner.routes)
        elif hasattr(route, "endpoint") and not route.path.endswith("/openapi.json"):
            yield route.path, route.endpoint


def relations(query: str) -> set[str]:
    """Names of the relations that a query reads."""
    tree = sqlglot.parse_one(re.sub(r"%\((\w+)\)s", r":\1", query), read="postgres")
    named = {each.alias for each in tree.find_all(exp.CTE)}
    return {each.name for each in tree.find_all(exp.Table)} - named


def read_by(answering: Callable[..., Any]) -> set[str]:
    """Relations of every query that an endpoint asks, itself or through functions that it calls."""
    functions, waiting = set(), [answering]
    while waiting:
        function = waiting.pop()
        if function in functions:
            continue
        functions.add(function)
        module = inspect.getmodule(function)
        waiting += [
            called
            for name in function.__code__.co_names
            if inspect.isfunction(called := getattr(module, name, None))
            and called.__module__.startswith("dashboard")
        ]
    asked = {
        name
        for function in functions
        for name in re.findall(r"\bqueries\.([A-Z][A-Z0-9_]*)", inspect.getsource(function))
    }
    return set().union(*(relations(getattr(queries, name)) for name in asked))


def stands_on(exposure: dict[str, Any]) -> set[str]:
    return set(re.findall(r"ref\('(\w+)'\)", " ".join(exposure["depends_on"])))


def _written(names: set[str]) -> str:
    return "[" + ", ".join(f"ref('{name}')" for name in sorted(names)) + "]"


def test_every_endpoint_has_an_exposure_of_what_it_reads(
    endpoints: dict[str, Callable[..., Any]], exposures: list[dict[str, Any]], marts: set[str]
) -> None:
    said = {each["url"]: stands_on(each) for each in exposures if each["name"].startswith("api_")}
    wrong = []
    for path, answering in endpoints.items():
        reads = read_by(answering)
        if path in READS_NOTHING:
            assert not reads
        elif not reads:
            wrong.append(f"{path}: no query of dashboard/queries.py is found in its function")
        elif not reads <= marts:
            wrong.append(f"{path} reads what is no mart: {sorted(reads - marts)}")
        elif said.get(path) != reads:
            problem = "has no exposure" if path not in said else f"says {_written(said[path])}"
            wrong.append(f"{path} {problem}. In {FOLDER}/api.yml: depends_on: {_written(reads)}")
    wrong += [f"{path} is in {FOLDER}/api.yml and in no route" for path in {*said} - {*endpoints}]
    assert wrong == [], "\n".join(wrong)


def test_every_query_is_asked_by_an_endpoint(endpoints: dict[str, Callable[..., Any]]) -> None:
    """One that this test cannot see would be a relation that no exposure names."""
    modules = {inspect.getmodule(answering) for answering in endpoints.values()}
    text = "".join(inspect.getsource(module) for module in modules if module is not None)
    written = {name for name in vars(queries) if name.isupper()}
    assert written - set(re.findall(r"\bqueries\.([A-Z][A-Z0-9_]*)", text)) == set()


def asked_by(page: str) -> set[str]:
    """What the script of a page asks the API for, itself or in what it imports."""
    scripts, waiting, calls = set(), [f"{page}.js"], set()
    while waiting:
        script = waiting.pop()
        if script not in scripts:
            scripts.add(script)
            text = (pages.ASSETS / script).read_text()
            waiting += re.findall(r'from "\./(\w+\.js)"', text)
            calls |= set(re.findall(r'\b(?:get|all)\(\s*["`](/[^"`?]*)["`]', text))
    assert calls, f"no call of the API is found in {page}.js"
    return calls


def _address(call: str, endpoints: Iterable[str]) -> str:
    written = PREFIX + re.sub(r"\$\{[^}]*\}", "{}", call)
    fits = [path for path in endpoints if re.sub(r"\{\w+\}", "{}", path) == written]
    assert len(fits) == 1, f"a page asks for {call}, which is no address of the API"
    return fits[0]


def test_a_page_stands_on_what_its_endpoints_read(
    endpoints: dict[str, Callable[..., Any]], exposures: list[dict[str, Any]]
) -> None:
    pages_ = [each for each in exposures if each["name"].startswith("page_")]
    shown = {page.path: page for page in pages.PAGES if page.name != "sign_in"}
    assert {each["url"] for each in pages_} == shown.keys()
    wrong = []
    for page in pages_:
        calls = page["config"]["meta"]["endpoints"]
        asked = {_address(call, endpoints) for call in asked_by(shown[page["url"]].name)}
        if asked != set(calls):
            wrong.append(f"{page['name']} in {FOLDER}/pages.yml: endpoints: {sorted(asked)}")
        if unknown := [path for path in calls if path not in endpoints]:
            wrong.append(f"{page['name']} calls what is no address of the API: {unknown}")
            continue
        reads = set().union(*(read_by(endpoints[path]) for path in calls))
        if stands_on(page) != reads:
            wrong.append(f"{page['name']} in {FOLDER}/pages.yml: depends_on: {_written(reads)}")
    assert wrong == [], "\n".join(wrong)


def test_modeling_reads_what_its_exposures_say(exposures: list[dict[str, Any]]) -> None:
    said = {
        each["config"]["meta"]["code"]: stands_on(each)
        for each in exposures
        if "code" in each.get("config", {}).get("meta", {})
    }
    read: dict[str, set[str]] = {code: set() for code in said}
    elsewhere = set()
    for path in (PROJECT_ROOT / "modeling").rglob("*.py"):
        names = set(re.findall(r"\banalytics\.(\w+)", path.read_text()))
        of = path.relative_to(PROJECT_ROOT).as_posix()
        owner = next((code for code in said if of == code or of.startswith(f"{code}/")), None)
        if owner is not None:
            read[owner] |= names
        elif names:
            elsewhere.add(of)
    assert elsewhere == set(), f"they read marts and have no exposure in {FOLDER}/models.yml"
    assert read == said


def test_bi_tools_stand_on_what_the_contract_queries_read(exposures: list[dict[str, Any]]) -> None:
    (said,) = (stands_on(each) for each in exposures if each["name"] == "bi_tools")
    assert said == relations(contract_queries.LEADERBOARD) | relations(
        contract_queries.PLAYER_SEASON
    )


def test_every_exposure_is_described(exposures: list[dict[str, Any]]) -> None:
    bare = [
        each["name"]
        for each in exposures
        if not (
            each["description"].strip()
            and each["label"]
            and each["url"]
            and each["maturity"]
            and each["type"]
            and each["owner"]["name"]
        )
    ]
    assert bare == []
    for each in exposures:
        if each["url"].startswith("docs/methods"):
            assert (PROJECT_ROOT / each["url"]).exists(), each["url"]
