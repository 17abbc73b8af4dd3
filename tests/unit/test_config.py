"""Settings: three sources, one report of everything that is wrong, and no secret in it."""

from __future__ import annotations

import itertools
import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from daemon import config
from daemon.config.places import locate
from daemon.config.settings import SECTIONS
from daemon.science.fitness import Basis
from daemon.science.pace import GradeModel
from daemon.science.scoring import Choices
from daemon.science.wellness import Weights

PROJECT = Path(__file__).resolve().parents[2]
CLIENT_SECRET = "canary-client-secret"
VERIFY_TOKEN = "canary-verify-token"
WEBHOOK_SECRET = "canary-webhook-secret-0123"
KEY = Fernet.generate_key().decode()
OLDER_KEY = Fernet.generate_key().decode()

COMPLETE = f"""
[strava]
client_id = 12345
client_secret = "{CLIENT_SECRET}"
verify_token = "{VERIFY_TOKEN}"
webhook_secret = "{WEBHOOK_SECRET}"

[vault]
keys = ["{KEY}"]
"""


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("DOMESTIQUE__")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete file, named relatively, as a person would."""
    monkeypatch.chdir(tmp_path)
    path = Path("config.toml")
    path.write_text(COMPLETE)
    return path


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def problems(path: Path | None) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.load(path)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value).splitlines()


def line_of(path: Path, start: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if line.startswith(start))


# What is read


def test_a_file_with_nothing_but_the_required_settings_gives_every_default(file: Path) -> None:
    loaded = config.load(file)

    assert loaded.strava.client_id == 12345
    assert loaded.strava.api_url == "https://www.strava.com/api/v3"
    assert loaded.strava.signature_mode == "observe"
    assert loaded.quota.read_day_limit == 30000
    assert loaded.retention.streams_days == 7
    assert loaded.database.embedded
    assert [key.get_secret_value() for key in loaded.vault.keys] == [KEY]


def test_the_environment_wins_over_credentials_and_those_over_the_file(
    file: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(COMPLETE + "[web]\nport = 1\nhost = '10.0.0.1'\n[jobs]\nworkers = 1\n")
    (credentials / "web.port").write_text("2\n")
    (credentials / "jobs.workers").write_text("2\n")
    monkeypatch.setenv("DOMESTIQUE__WEB__PORT", "3")

    loaded = config.load(file)

    assert (loaded.web.port, loaded.jobs.workers, loaded.web.host) == (3, 2, "10.0.0.1")


def test_the_required_settings_may_all_come_from_outside_a_file(
    credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOMESTIQUE__STRAVA__CLIENT_ID", "7")
    (credentials / "strava.client_secret").write_text(CLIENT_SECRET + "\r\n")
    (credentials / "strava.verify_token").write_text(VERIFY_TOKEN)
    (credentials / "strava.webhook_secret").write_text(WEBHOOK_SECRET + "\n")
    (credentials / "vault.keys").write_text(f"{KEY}\n{OLDER_KEY}\n")
    (credentials / "..data").mkdir()  # as container mounts leave it

    loaded = config.load(None)

    assert loaded.strava.client_id == 7
    assert loaded.strava.client_secret.get_secret_value() == CLIENT_SECRET
    assert [key.get_secret_value() for key in loaded.vault.keys] == [KEY, OLDER_KEY]


@pytest.mark.parametrize("separator", [" ", ",", ", ", "\n", "\t"])
def test_several_keys_stand_in_one_variable(file: Path, monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    monkeypatch.setenv("DOMESTIQUE__VAULT__KEYS", separator.join([KEY, OLDER_KEY]))

    assert [key.get_secret_value() for key in config.load(file).vault.keys] == [KEY, OLDER_KEY]


def test_proxies_are_networks_from_a_list_or_one_variable_and_are_shown(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config.load(file).web.proxies == ("127.0.0.0/8", "::1/128")
    file.write_text(COMPLETE + "[web]\nproxies = ['10.0.0.7', '2001:db8::/32']\n")
    loaded = config.load(file)
    assert loaded.web.proxies == ("10.0.0.7/32", "2001:db8::/32")
    assert {row.name: row.value for row in config.describe(loaded)}["web.proxies"] == [
        "10.0.0.7/32",
        "2001:db8::/32",
    ]
    assert "10.0.0.7/32" not in config.secret_values(loaded)

    monkeypatch.setenv("DOMESTIQUE__WEB__PROXIES", "10.0.0.7, 10.0.0.8")
    assert config.load(file).web.proxies == ("10.0.0.7/32", "10.0.0.8/32")
    monkeypatch.setenv("DOMESTIQUE__WEB__PROXIES", "")
    assert config.load(file).web.proxies == ()


def test_a_relative_database_directory_starts_at_the_files_folder(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert config.load(Path("../config.toml")).database.directory.resolve() == tmp_path / "var"
    monkeypatch.setenv("DOMESTIQUE__DATABASE__DIRECTORY", "/srv/data")
    assert config.load(Path("../config.toml")).database.directory == Path("/srv/data")


def test_an_address_loses_its_last_slash_so_that_paths_can_be_joined(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOMESTIQUE__STRAVA__API_URL", "http://127.0.0.1:9000/api/v3/")

    assert config.load(file).strava.api_url == "http://127.0.0.1:9000/api/v3"


def test_nothing_can_be_changed_afterwards(file: Path) -> None:
    loaded = config.load(file)

    with pytest.raises(ValidationError, match="frozen"):
        loaded.web = loaded.web
    with pytest.raises(ValidationError, match="frozen"):
        loaded.web.port = 1
    assert isinstance(loaded.vault.keys, tuple)


# What is wrong


def test_an_unknown_key_is_told_with_its_line_and_the_nearest_name(file: Path) -> None:
    file.write_text(COMPLETE + "\n[quota]\n# a comment\nquater_seconds = 60\n")

    line = line_of(file, "quater_seconds")
    assert problems(file) == [
        f"config.toml:{line}: quota.quater_seconds is unknown; did you mean quota.quarter_seconds?"
    ]


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("[strafa]\nx = 1", "[strafa]", "strafa is unknown; did you mean strava?"),
        ("[strava.port]\nx = 1", "[strava.port]", "strava.port is unknown; did you mean web.port?"),
        ("[[web]]\nport = 1", "[[web]]", "web must be a table: write [web] on a line of its own"),
        ("[xyzzy]", "[xyzzy]", "xyzzy is unknown; the sections are strava, web, quota, database, vault"),
    ],
)
def test_a_wrong_table_is_told_at_its_header(file: Path, text: str, where: str, told: str) -> None:
    file.write_text(f"{COMPLETE}\n{text}\n")

    (problem,) = problems(file)
    assert problem.startswith(f"config.toml:{line_of(file, where)}: {told}")


def test_a_key_outside_any_table_is_told_where_it_belongs(file: Path) -> None:
    file.write_text("port = 80\n" + COMPLETE)

    assert problems(file) == ["config.toml:1: port is unknown; did you mean web.port?"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("web.port = 70000", "web.port must be at most 65535, got 70000"),
        ("web.port = -1", "web.port must be at least 0, got -1"),
        ("web.port = 'http'", "web.port must be a whole number, got 'http'"),
        ("web.port = 80.5", "web.port must be a whole number, got 80.5"),
        ("web.port = true", "web.port must be a number, got true or false"),
        ("web.port = [80]", "web.port must be a whole number, got a list"),
        ("web.host = 80", "web.host must be text, got 80"),
        ("web.host = ''", "web.host must be text of at least 1 character(s), got ''"),
        (
            "web.proxies = ['127.0.0.0/8', '10.0.0.300']",
            "web.proxies[1] must be an address or a network such as 10.0.0.7 or 10.0.0.0/24",
        ),
        (
            "web.proxies = ['10.0.0.7/24']",
            "web.proxies[0] must be an address or a network such as 10.0.0.7 or 10.0.0.0/24: bits after its end",
        ),
        ("web.proxies = 7", "web.proxies must be a list of texts, got 7"),
        ("quota.requests_per_second = 0", "quota.requests_per_second must be more than 0.0, got 0"),
        ("quota.requests_per_second = nan", "quota.requests_per_second must be a finite number, got nan"),
        ("quota.requests_per_second = '×'", "quota.requests_per_second must be a number, got '×'"),
        ("database.directory = 1979-05-27", "database.directory must be text, got a date or time"),
        ("database.pool_size = 1", "database.pool_size must be at least 2, got 1"),
        ("logs.level = 'loud'", "logs.level must be one of 'debug', 'info', 'warning' or 'error', got 'loud'"),
        ("retention.deauthorized_days = 31", "retention.deauthorized_days must be at most 30, got 31"),
        ("intervals.requests_per_second = 10", "intervals.requests_per_second must be at most 9.0, got 10"),
        (
            "science.hrv_weight = 0.06",
            "science.sleep_weight must leave hrv_weight + resting_hr_weight + sleep_weight at 0.1 or less",
        ),
        ("science.hrv_weight = 0.2", "science.hrv_weight must be at most 0.1, got 0.2"),
        ("logs.format = {}", "logs.format must be one of 'auto', 'json' or 'console', got a table"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected_and_what_came(file: Path, line: str, told: str) -> None:
    file.write_text(f"# first\n\n{line}\n{COMPLETE}")

    assert problems(file) == [f"config.toml:3: {told}"]


def test_a_secret_that_may_be_empty_is_long_enough_where_it_is_not_and_is_not_repeated(file: Path) -> None:
    assert config.load(file).intervals.webhook_secret.get_secret_value() == ""
    assert "" not in config.secret_values(config.load(file))
    file.write_text(f'{COMPLETE}\n[intervals]\nwebhook_secret = "canary"\n')

    (problem,) = problems(file)
    assert ": intervals.webhook_secret must be at least 22 of the characters" in problem
    assert "canary" not in problem


@pytest.mark.parametrize(
    "address", ["https://here.example/app", "https://here.example/app/", "http://127.0.0.1:80"]
)
def test_the_address_from_outside_may_have_a_path_and_a_subscription_may_be_kept_there(
    file: Path, address: str
) -> None:
    file.write_text(COMPLETE.replace("[vault]", f'callback_url = "{address}"\nkeep_subscription = true\n[vault]'))

    loaded = config.load(file)

    assert (loaded.strava.callback_url, loaded.strava.keep_subscription) == (address.rstrip("/"), True)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("callback_url = 'here.example'", "callback_url must be an https:// address"),
        ("callback_url = 'http://here.example'", "callback_url must be an https:// address"),
        ("callback_url = 'https://user:canary@here.example'", "callback_url must be an https:// address"),
        ("callback_url = 'https://here.example?canary'", "callback_url must be an https:// address"),
        ("callback_url = 'https://[canary'", "callback_url must be an"),
        ("callback_url = 'https://here.example/webhook/canary'", "callback_url must not hold the webhook's path"),
        ("keep_subscription = true", "keep_subscription needs strava.callback_url"),
        ("keep_subscription = 'perhaps'", "keep_subscription must be true or false"),
        ("callback_url = 'canary'\nkeep_subscription = true", "callback_url must be an https:// address"),
    ],
)
def test_a_wrong_address_from_outside_is_told_and_not_repeated(file: Path, lines: str, told: str) -> None:
    file.write_text(COMPLETE.replace("[vault]", f"{lines}\n[vault]"))

    (problem,) = problems(file)
    assert f": strava.{told}" in problem
    assert "canary" not in problem


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (
            "hrv_weight = 0.06",
            "sleep_weight must leave hrv_weight + resting_hr_weight + sleep_weight at 0.1 or less",
        ),
        ("hrv_weight = 0.11", "hrv_weight must be at most 0.1"),
        ("sleep_weight = -0.01", "sleep_weight must be at least 0"),
    ],
)
def test_weights_that_could_move_a_load_by_more_than_a_tenth_are_refused(
    file: Path, weights: str, told: str
) -> None:
    file.write_text(f"{COMPLETE}\n[science]\n{weights}\n")

    (problem,) = problems(file)
    assert f": science.{told}" in problem


def test_the_choices_of_science_are_read_from_its_section(file: Path) -> None:
    file.write_text(COMPLETE)
    assert config.load(file).science.choices() == Choices(GradeModel.STRAVA, Weights(), Basis.UTL)

    file.write_text(
        f'{COMPLETE}\n[science]\ngrade_model = "minetti"\nhrv_weight = 0\nresting_hr_weight = 0.06\n'
        'sleep_weight = 0.04\nfitness_basis = "raw"\n'
    )
    expected = Choices(GradeModel.MINETTI, Weights(0.0, 0.06, 0.04), Basis.RAW)
    assert config.load(file).science.choices() == expected


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("strava.com", "must be an address such as https://www.strava.com/api/v3"),
        ("ftp://strava.com", "must be an address such as https://www.strava.com/api/v3"),
        ("http://www.strava.com", "must be https://: http:// sends tokens in the clear"),
    ],
)
def test_tokens_are_only_sent_to_an_address_that_hides_them(
    file: Path, monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    monkeypatch.setenv("DOMESTIQUE__STRAVA__API_URL", address)

    (problem,) = problems(file)
    assert problem.startswith(f"environment variable DOMESTIQUE__STRAVA__API_URL: strava.api_url {told}")


def test_a_missing_secret_is_told_with_the_three_ways_to_give_it(file: Path) -> None:
    file.write_text(COMPLETE.replace(f'client_secret = "{CLIENT_SECRET}"\n', ""))

    (problem,) = problems(file)
    assert problem == (
        f"config.toml:{line_of(file, '[strava]')}: strava.client_secret is missing: "
        "add client_secret = … under [strava], or set DOMESTIQUE__STRAVA__CLIENT_SECRET, "
        "or give systemd a credential named strava.client_secret "
        "(Strava shows it at https://www.strava.com/settings/api)"
    )


def test_an_empty_file_is_told_all_that_it_lacks(file: Path) -> None:
    file.write_text("")

    missing = [problem.split()[1] for problem in problems(file) if " is missing: add " in problem]
    assert missing == [
        "strava.client_id", "strava.client_secret", "strava.verify_token", "strava.webhook_secret",
        "vault.keys",
    ]  # fmt: skip


def test_without_a_key_the_report_says_how_to_make_one(file: Path) -> None:
    file.write_text(COMPLETE.replace(f'"{KEY}"', ""))

    (problem,) = problems(file)
    assert problem.endswith(
        "vault.keys must be a list of at least one, got an empty list (make one: python -m daemon keys create)"
    )


def test_all_problems_come_at_once_the_files_first_and_in_its_order(
    file: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[wep]\n[web]\nport = 'x'\n" + COMPLETE.replace("12345", "0"))
    (credentials / "strava.client_sekret").write_text("x")
    (credentials / "jobs.workers").write_bytes(b"\xff")
    (credentials / "logs.level").mkdir()
    monkeypatch.setenv("DOMESTIQUE__FOO__BAR", "1")
    monkeypatch.setenv("DOMESTIQUE__QUOTA", "{}")
    monkeypatch.setenv("DOMESTIQUE__QUOTA__CONCURRENCY", "many")

    told = problems(file)

    assert [problem.partition(": ")[0] for problem in told] == [
        "config.toml:1",
        "config.toml:3",
        f"config.toml:{line_of(file, 'client_id')}",
        "credential jobs.workers",
        "credential logs.level",
        "credential strava.client_sekret",
        "environment variable DOMESTIQUE__FOO__BAR",
        "environment variable DOMESTIQUE__QUOTA",
        "environment variable DOMESTIQUE__QUOTA__CONCURRENCY",
    ]
    assert told[5].endswith("strava.client_sekret is unknown; did you mean strava.client_secret?")
    assert told[6].startswith("environment variable DOMESTIQUE__FOO__BAR: foo.bar is unknown")
    assert told[8].endswith("quota.concurrency must be a whole number, got 'many'")


def test_a_credential_folder_that_is_not_there_is_told(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "gone"))

    assert problems(file) == ["CREDENTIALS_DIRECTORY: cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("text", "where"),
    [("[web]\nport =\n", "config.toml:2"), ("[web\n", "config.toml:1"), ("a = '''\n", "last line")],
)
def test_a_syntax_error_is_told_with_its_line(file: Path, text: str, where: str) -> None:
    file.write_text(text)

    (problem,) = problems(file)
    assert where in problem
    assert "is not valid TOML: " in problem


def test_a_file_that_cannot_be_read_comes_with_advice(tmp_path: Path) -> None:
    (missing,) = problems(tmp_path / "none.toml")
    assert "there is no such file: copy config.toml from the project's root" in missing
    (folder,) = problems(tmp_path)
    assert "cannot be read: Is a directory: it must be a file that the daemon's user may read" in folder
    (tmp_path / "latin.toml").write_bytes("# Zürich".encode("latin-1"))
    (coding,) = problems(tmp_path / "latin.toml")
    assert coding.endswith("is not UTF-8 text: save it as UTF-8")


# What stays secret


def test_no_report_repeats_a_secret(file: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canaries = ["canary1", "canary-2", "canary " * 5, "canary-4", "canary:5", "canary" * 9, "987654321987"]
    file.write_text(
        f"""
        [strava]
        client_id = "{canaries[5]}"
        client_secret = "{canaries[0]}"
        verify_token = {canaries[6]}
        webhook_secret = "{canaries[1]}"
        [vault]
        keys = ["{canaries[2]}", "{KEY}", 3]
        [database]
        url = "mysql://user:{canaries[3]}@host/"
        """
    )
    (credentials / "strava.api_url").write_text(f"http://{canaries[4]}@www.strava.com")

    told = problems(file)

    assert len(told) == 8
    assert not [canary for canary in canaries if canary in "\n".join(told)]
    assert any("vault.keys[0] must be a Fernet key" in problem for problem in told)
    assert any(
        "client_secret must be text of at least 8 character(s), got text of 7" in problem for problem in told
    )


def test_neither_repr_nor_description_shows_a_secret(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DOMESTIQUE__DATABASE__URL", "postgresql://user:canary-db@db.example:6432/load?password=canary-q"
    )
    loaded = config.load(file)

    shown = repr(loaded) + str(loaded) + json.dumps(config.describe(loaded))

    assert "canary" not in shown
    assert KEY not in shown


def test_every_secret_is_handed_out_for_concealment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(config.secret_values(config.load(file))) == {CLIENT_SECRET, VERIFY_TOKEN, WEBHOOK_SECRET, KEY}

    url = "postgresql://user:p%40ss@db/load?password=other"
    monkeypatch.setenv("DOMESTIQUE__DATABASE__URL", url)
    assert {url, "p%40ss", "p@ss", "other"} <= set(config.secret_values(config.load(file)))


def test_the_description_tells_value_and_source_of_every_setting(
    file: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(COMPLETE + "[quota]\nconcurrency = 4\n")
    (credentials / "strava.verify_token").write_text("from a credential")
    monkeypatch.setenv("DOMESTIQUE__DATABASE__URL", "postgresql://user:pw@db.example:6432/load")

    rows = {row.name: (row.value, row.source) for row in config.describe(config.load(file))}

    assert list(rows) == [f"{section}.{key}" for section, model in SECTIONS.items() for key in model.model_fields]
    assert rows["quota.concurrency"] == (4, f"config.toml:{line_of(file, 'concurrency')}")
    assert rows["quota.quarter_seconds"] == (900, "default")
    assert rows["strava.client_secret"] == ("***", f"config.toml:{line_of(file, 'client_secret')}")
    assert rows["strava.verify_token"] == ("***", "credential strava.verify_token")
    assert rows["vault.keys"][0] == ["***"]
    assert rows["database.url"] == (
        "postgresql://***@db.example:6432/load",
        "environment variable DOMESTIQUE__DATABASE__URL",
    )


def test_the_description_of_an_inline_table_names_its_line(file: Path) -> None:
    file.write_text("web = { port = 0 }\n" + COMPLETE)

    rows = {row.name: row.source for row in config.describe(config.load(file))}

    assert (rows["web.port"], rows["web.host"]) == ("config.toml:1", "default")


# The file that we ship


def plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def test_the_shipped_file_holds_every_setting_at_its_default_and_nothing_else() -> None:
    text = (PROJECT / "config.toml").read_text()
    active = tomllib.loads(text)
    whole = tomllib.loads(re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE))

    fields = {section: set(model.model_fields) for section, model in SECTIONS.items()}
    assert {section: set(table) for section, table in whole.items()} == fields
    defaults = {
        section: {key: plain(info.default) for key, info in model.model_fields.items() if not info.is_required()}
        for section, model in SECTIONS.items()
    }
    assert active == defaults


def test_every_setting_of_the_shipped_file_is_explained_right_above_it() -> None:
    lines = (PROJECT / "config.toml").read_text().splitlines()

    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if re.match(r"#?[a-z_]+ = ", line) and not above.startswith("# ")
    ]
    assert bare == []


def test_the_shipped_file_lacks_only_what_has_no_default() -> None:
    told = problems(PROJECT / "config.toml")

    assert len(told) == 5
    assert all(" is missing: " in problem for problem in told)


# Lines


def test_nothing_in_a_value_or_a_comment_is_taken_for_a_key() -> None:
    text = '''\
# [comment] key = 1
top = """
[not.a.table]
not_a_key = 1 \\"""
""" # = [
[ "a b" . 'c#d' ] # ]
list = [ # key = 1
  "]", '[', """
]""", { x = [1] },
]
after.dotted."quo\\"ted" = { inner = "}" }
literal = \'\'\'
[x]
y = 1\'\'\'\'
[[array]]
last = 07:32:00
'''
    table = ("a b", "c#d")
    assert tomllib.loads(text)
    assert locate(text) == {
        ("top",): 2,
        ("a b",): 6,
        table: 6,
        (*table, "list"): 7,
        (*table, "after"): 11,
        (*table, "after", "dotted"): 11,
        (*table, "after", "dotted", 'quo"ted'): 11,
        (*table, "literal"): 12,
        ("array",): 15,
        ("array", "last"): 16,
    }


names = st.text("abc_-0", min_size=1, max_size=4)
texts = st.text("a\"'\\#=[]{}.,\n ", max_size=12)


@settings(max_examples=150)
@given(
    tables=st.dictionaries(
        names, st.dictionaries(names, st.tuples(texts, st.sampled_from(['"""', '"', "list"]), texts)), max_size=4
    )
)
def test_every_key_of_any_document_is_found_on_its_own_line(
    tables: dict[str, dict[str, tuple[str, str, str]]],
) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for table, keys in tables.items():
        expected[table,] = len(lines) + 1
        lines.append(f"[{table}] # {table!r}")
        for key, (text, form, comment) in keys.items():
            expected[table, key] = len(lines) + 1
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            value = {
                '"""': f'"""{escaped}"""',
                '"': json.dumps(text),
                "list": "[\n# ]\n" + json.dumps(text) + ",\n]",
            }[form]
            lines += f"{key} = {value} # {comment!r}".split("\n")
    document = "\n".join(lines)

    assert set(tomllib.loads(document)) == set(tables)
    assert locate(document) == expected


# The scheduled jobs


@pytest.mark.parametrize("name", ["UTC", "Europe/Zurich", "America/Argentina/Buenos_Aires", "Australia/Lord_Howe"])
def test_the_schedule_follows_any_zone_of_the_list(file: Path, name: str) -> None:
    file.write_text(COMPLETE + f'[schedule]\ntimezone = "{name}"\n')

    assert config.load(file).schedule.timezone == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Europe/Zürich", "Europe/Zurich"),
        ("Zurich", "Europe/Zurich"),
        ("", "Europe/Zurich, or UTC"),
        ("../etc/passwd", "Europe/Zurich, or UTC"),
        ("Europe", "Europe"),
        ("UTC+2", "UTC"),
    ],
)
def test_what_is_no_time_zone_is_told_what_one_looks_like(file: Path, name: str, meant: str) -> None:
    file.write_text(COMPLETE + f'[schedule]\ntimezone = "{name}"\n')

    (problem,) = problems(file)

    assert f"schedule.timezone must be a time zone of the IANA list such as {meant}" in problem
    assert "\\" not in problem


def test_the_policy_is_one_of_two(file: Path) -> None:
    file.write_text(COMPLETE + '[sync]\npolicy = "often"\n')

    (problem,) = problems(file)

    assert "sync.policy must be one of 'adaptive' or 'fixed', got 'often'" in problem
