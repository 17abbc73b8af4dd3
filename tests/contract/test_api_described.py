"""A daemon against its own description: whatever is sent, each answer is one that openapi.json promises.

Schemathesis makes requests that fit the description, and others that do not. It may change and delete what it
likes: the daemon is this test's own, and all that it calls is the sandbox on this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, CheckContext, CheckFunction, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from tests.flow.conftest import MakeHouse
from tests.support.daemon import WEBHOOK_SECRET
from tests.support.signed_in import sign_in

NOWHERE: Final = "https://127.0.0.1:1/"
EACH: Final = 2  # requests that fit, and requests that do not, to each address
# After these there is nobody left to ask about.
LAST: Final = ("POST /me/disconnect", "DELETE /athletes/{athlete_id}")
ORDER: Final = ("GET", "PUT", "POST", "DELETE")  # what is there is looked at before it is changed, and then removed


def no_unpromised_server_error(context: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """Health may be bad, and say so as is promised; a webhook may be asked to send again; nothing else may be."""
    promised = case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("content", {})
    is_sent_again = case.operation.path.startswith("/webhook/")  # where a busy machine took too long to store it
    if response.status_code == 503 and ("application/json" in promised or is_sent_again):
        return None
    return not_a_server_error(context, response, case)


CHECKS: Final[list[CheckFunction]] = [
    no_unpromised_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


class Caller:
    """Somebody with these headers, who knows what is there in some places of a path; `seen` are the statuses."""

    def __init__(self, url: str, headers: Mapping[str, str], known: Mapping[str, Any]) -> None:
        self._url = url
        self._headers = dict(headers)
        self._known = known
        self.seen: dict[str, set[int]] = {}

    def explore(self, document: dict[str, Any], times: int) -> None:
        """Send requests to every address, some fitting and some not, and check each answer."""
        for operation in operations(document):
            self._send(operation, GenerationMode.POSITIVE, times)
            if operation.path_parameters or operation.query or operation.body:  # else nothing can be wrong
                self._send(operation, GenerationMode.NEGATIVE, times)

    def _send(self, operation: Any, mode: GenerationMode, times: int) -> None:
        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=times,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def send(case: Case[Any]) -> None:
            if mode.is_positive:
                for name in case.path_parameters.keys() & self._known:
                    case.path_parameters[name] = self._known[name]
            if isinstance(case.body, dict) and "url" in case.body:  # what is called must be on this machine
                case.body["url"] = NOWHERE
            answer = case.call_and_validate(base_url=self._url, headers=self._headers, checks=CHECKS)
            self.seen.setdefault(operation.label, set()).add(answer.status_code)

        send()


def operations(document: dict[str, Any]) -> Iterator[Any]:
    """Yield every address; here answers may not hold what is not described, though clients are to bear it."""
    for name, shape in document["components"]["schemas"].items():
        if "properties" in shape and name != "Problem":
            shape.setdefault("additionalProperties", False)
    schema = schemathesis.openapi.from_dict(document)
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    assert len(found) == sum(len(methods) for methods in document["paths"].values())
    for each in sorted(found, key=lambda each: (each.label in LAST, ORDER.index(each.method.upper()))):
        if not is_endless(each):
            yield each


def is_endless(operation: Any) -> bool:
    """Tell whether its answer goes on until somebody leaves: the tests of the live pages read those."""
    return "text/event-stream" in operation.definition.raw["responses"].get("200", {}).get("content", {})


async def test_whatever_is_sent_each_answer_is_one_that_the_description_promises(make_house: MakeHouse) -> None:
    daemon = await make_house(athletes=2)
    athlete_id, _ = await daemon.import_athletes()
    ride = await daemon.sandbox.make_activity(athlete_id=athlete_id, seed=1, duration=600, event=False)
    headers = {"Authorization": f"Bearer {await daemon.new_token('operate')}"}
    async with daemon.look_inside() as connection:
        headers |= (await sign_in(connection, athlete_id, datetime.now(UTC))).changing
    known = {"athlete_id": athlete_id, "activity_id": ride, "secret": WEBHOOK_SECRET}
    stranger, insider = Caller(daemon.url, {}, {}), Caller(daemon.url, headers, known)
    status, document = await daemon.get("/openapi.json")
    assert status == 200

    await asyncio.to_thread(stranger.explore, document, 1)
    await asyncio.to_thread(insider.explore, document, EACH)

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            label = f"{method.upper()} {path}"
            if operation["security"] and label in stranger.seen:
                assert stranger.seen[label] <= {401, 429}, label  # many wrong tokens are not even looked up
    assert insider.seen["GET /scheduler/runs"] >= {200, 400}
    assert insider.seen["POST /sync/test/{athlete_id}"] >= {200, 400}
    stored = insider.seen["POST /webhook/{secret}"]
    assert 404 in stored and stored & {200, 503}
    assert not daemon.log_lines("request.broke")
