"""The description that is made of endpoints, held against what they say."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from daemon.web.endpoints import Endpoint, Who
from daemon.web.openapi import PROBLEM_JSON, document
from daemon.web.problems import CONFLICT, NOT_FOUND, NOT_STORED
from tests.support.described import Ask, Done, Part, Sent, Whole, endpoint


def described(*endpoints: Endpoint, **messages: type) -> dict[str, Any]:
    made = document(endpoints, messages)
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(made)] == []
    return made


def operation(only: Endpoint) -> dict[str, Any]:
    (methods,) = described(only)["paths"].values()
    ((method, found),) = methods.items()
    assert method == only.method.lower()
    return dict(found)


def types(found: dict[str, Any], status: int) -> list[str]:
    schema = found["responses"][str(status)]["content"][PROBLEM_JSON]["schema"]
    return list(schema["allOf"][1]["properties"]["type"]["enum"])


def test_parameters_have_their_bounds_and_an_absent_one_is_no_null() -> None:
    found = operation(endpoint("GET", "/rides/{ride_id}/{word}", Who.READ, answers=Whole, query=Ask))
    ride, word, sport, days, must, known = found["parameters"]

    assert (ride["name"], ride["in"], ride["required"], ride["schema"]["minimum"]) == ("ride_id", "path", True, 1)
    assert (word["schema"]["type"], word["required"]) == ("string", True)
    assert sport["schema"] == {"$ref": "#/components/schemas/Sport"}
    assert (sport["required"], sport["description"]) == (False, "Only this one.")
    assert days["schema"] == {"type": "integer", "minimum": 1, "maximum": 30, "default": 7}
    assert (must["in"], must["required"]) == ("query", True)
    assert known == {"$ref": "#/components/parameters/IfNoneMatch"}


def test_a_part_of_the_path_may_be_told_by_its_endpoint() -> None:
    kind = Annotated[str, Field(pattern="^[a-z]+$")]
    found = operation(endpoint("DELETE", "/things/{id}", Who.OPERATE, in_path={"id": kind}))
    assert found["parameters"][0]["schema"] == {"type": "string", "pattern": "^[a-z]+$"}


def test_answers_may_gain_fields_and_bodies_may_not() -> None:
    made = described(
        endpoint("GET", "/wholes", Who.READ, answers=Whole), endpoint("POST", "/wholes", Who.OPERATE, body=Sent)
    )
    shapes = made["components"]["schemas"]

    assert "additionalProperties" not in shapes["Whole"]
    assert shapes["Sent"]["additionalProperties"] is False
    assert shapes["Part"]["additionalProperties"] is False  # it is sent as well
    assert set(shapes["Whole"]["required"]) == {"state", "parts", "by_sport", "at"}  # an answer holds its defaults
    assert shapes["Sent"]["required"] == ["parts"]


def test_descriptions_are_whole_sentences_in_a_clients_words() -> None:
    shapes = described(endpoint("GET", "/wholes", Who.READ, answers=Whole))["components"]["schemas"]

    assert shapes["Part"]["description"] == "A part; null stands for nothing."
    assert not any("title" in shape for shape in shapes.values())


def test_who_may_is_told_as_security_and_what_a_door_refuses_as_problems() -> None:
    read = operation(endpoint("GET", "/a", Who.READ, answers=Whole))
    operate = operation(endpoint("PUT", "/a", Who.OPERATE, body=Sent, answers=Whole))
    athlete = operation(endpoint("DELETE", "/me", Who.ATHLETE))
    anyone = operation(endpoint("GET", "/a", Who.ANYONE, answers=Whole))

    assert read["security"] == [{"token": ["read"]}, {"operatorSession": []}]
    assert operate["security"] == [{"token": ["operate"]}, {"operatorSession": [], "csrf": []}]
    assert athlete["security"] == [{"athleteSession": [], "csrf": []}]
    assert anyone["security"] == []
    assert set(anyone["responses"]) == {"200", "304"}
    assert types(read, 401) == ["/problems/token-needed", "/problems/token-not-good"]
    assert types(athlete, 401) == ["/problems/sign-in-needed"]
    assert types(operate, 403) == ["/problems/not-allowed", "/problems/forged"]
    assert {"400", "408", "413", "415", "429", "503"} <= set(operate["responses"])
    assert "429" not in athlete["responses"]
    assert read["responses"]["503"]["headers"].keys() == {"Retry-After"}


def test_a_status_that_is_an_answer_and_a_refusal_is_both() -> None:
    found = operation(
        endpoint("GET", "/a", Who.ANYONE, answers=Whole, also={503: Part}, problems=(NOT_STORED, CONFLICT))
    )["responses"]

    assert found["503"]["content"].keys() == {"application/json", PROBLEM_JSON}
    assert found["503"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Part"}
    assert found["409"]["description"] == CONFLICT.title


def test_an_athletes_address_may_not_find_him_and_its_own_problem_stands_beside() -> None:
    found = operation(endpoint("GET", "/athletes/{athlete_id}/x", Who.READ, answers=Whole, problems=(NOT_FOUND,)))
    assert types(found, 404) == ["/problems/not-found", "/problems/unknown-athlete"]


def test_what_is_no_json_is_named_and_has_no_tag() -> None:
    found = operation(endpoint("GET", "/me/export", Who.ATHLETE, produces="application/zip"))
    empty = operation(endpoint("DELETE", "/a", Who.OPERATE, status=204))

    assert found["responses"]["200"] == {"description": "OK", "content": {"application/zip": {}}}
    assert "304" not in found["responses"]
    assert empty["responses"]["204"] == {"description": "No Content"}


def test_the_same_endpoints_make_the_same_bytes() -> None:
    endpoints = [
        endpoint("GET", "/b", Who.READ, answers=Whole),
        endpoint("POST", "/a", Who.OPERATE, body=Sent, answers=Part | Whole),
    ]
    first, second = document(endpoints), document(endpoints)
    assert first == second
    assert list(first["paths"]) == ["/b", "/a"]
    names = list(first["components"]["schemas"])
    assert names == sorted(names)


def test_a_message_is_told_as_the_request_that_its_receiver_is_to_expect() -> None:
    made = described(endpoint("GET", "/a", Who.READ, answers=Whole), ride=Done)
    (hook,) = made["webhooks"]["ride"].values()
    body = hook["requestBody"]["content"]["application/json"]["schema"]

    assert (hook["summary"], hook["description"]) == ("A ride is done.", "And nobody is tired.")
    assert body["required"] == ["type", "timestamp", "data"]
    assert body["properties"]["type"] == {"const": "ride"}
    assert body["properties"]["data"] == {"$ref": "#/components/schemas/Done"}
    assert made["components"]["schemas"]["Done"]["required"] == ["ride_id", "note"]
    assert "additionalProperties" not in made["components"]["schemas"]["Done"]  # a field may be added
    headers = [made["components"]["parameters"][each["$ref"].rpartition("/")[2]] for each in hook["parameters"]]
    assert {each["name"] for each in headers} == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert "notifications" in {tag["name"] for tag in made["tags"]}


def test_a_description_without_messages_has_none() -> None:
    assert described(endpoint("GET", "/a", Who.READ, answers=Whole))["webhooks"] == {}
