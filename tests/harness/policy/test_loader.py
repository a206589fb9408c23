"""A user's own policy, right and wrong."""

from __future__ import annotations

import pytest

from harness.errors import PolicyError
from harness.policy import load_policies, load_policy


@pytest.fixture
def own(tmp_path):
    """Writes a policy file that extends production's."""

    def write(text, head='profile = "production"\nextends = "production"\n'):
        path = tmp_path / "own.toml"
        path.write_text(head + text, encoding="utf-8")
        return path

    return write


def refuse(path):
    with pytest.raises(PolicyError) as refusal:
        load_policy(path)
    assert str(path) in refusal.value.what
    assert refusal.value.remedy
    return refusal.value.what


def test_a_file_says_only_what_differs(own):
    policy = load_policy(own('[cors]\norigins = ["https://mine.example"]\n'))

    assert policy.cors.origins == ("https://mine.example",)
    assert policy.cors.methods == load_policy("production").cors.methods
    assert policy.source.endswith("own.toml")


def test_a_route_is_added_to_the_table_of_roles(own):
    policy = load_policy(own('[roles]\n"GET /mine" = ["reader"]\n'))

    assert policy.may("reader", "GET /mine")
    assert policy.may("admin", "GET /admin/users")


def test_an_own_file_takes_the_place_of_its_profile_alone(own):
    policies = load_policies(own("[server]\nworkers = 7\n"))

    assert policies["production"].server.workers == 7
    assert policies["staging"] == load_policy("staging")


def test_a_control_is_ruled_out_with_a_reason(own):
    policy = load_policy(own('[not_applicable]\n"middleware.auth.tokens" = "this server issues no tokens"\n'))

    assert policy.not_applicable["middleware.auth.tokens"] == "this server issues no tokens"
    assert "deployment.environments.staging" in policy.not_applicable


def test_a_complete_file_needs_no_base(own):
    assert "server: missing" in refuse(own("", head='profile = "production"\n'))


def test_an_unknown_profile_is_answered_with_the_nearest():
    with pytest.raises(PolicyError, match='unknown profile "produktion": did you mean "production"'):
        load_policy("produktion")


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(PolicyError, match=r"nowhere\.toml"):
        load_policy("nowhere.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rate]\nkey = { qouta = 1 }\n", 'rate.key.qouta: unknown key; did you mean "quota"?'),
        ("[cros]\n", 'cros: unknown key; did you mean "cors"?'),
        ("[server]\nworkers = 0\n", "server.workers: should be greater than or equal to 1, not 0"),
        ('[server]\nworkers = "4"\n', "server.workers: should be a valid integer, not '4'"),
        ("[server]\nworkers = true\n", "server.workers"),
        ("[server]\nbody_timeout_s = inf\n", "server.body_timeout_s: should be a finite number"),
        ("[server]\nbody_timeout_s = -1.0\n", "server.body_timeout_s"),
        ("server = 3\n", "server: "),
        ("not_applicable = 3\n", "not_applicable: "),
        ('[cors]\norigins = ["*"]\n', "cors.origins.0"),
        ('[cors]\norigins = ["https://a.example/"]\n', "cors.origins.0"),
        ('[cors]\nheaders = ["X-API-Key"]\n', "cors.headers.0"),
        ('[roles]\n"GET /mine" = ["raeder"]\n', 'roles."GET /mine": unknown role; did you mean "reader"?'),
        ('[roles]\n"mine" = ["reader"]\n', "roles.mine"),
        ('[credentials]\n"POST /auth/tokens" = "key"\n', 'did you mean "POST /auth/token"?'),
        ('[auth]\nroles = ["reader", "writer", "admin"]\n', 'roles lacks "anonymous"'),
        ("[auth]\nsession_idle_ttl_s = 99999.0\n", "session_idle_ttl_s is longer"),
        ('[logging]\nrequest_id = "["\n', "request_id is not a regular expression"),
        ('[addresses]\ndenied = ["somebody"]\n', "addresses.denied.0"),
        ('[tls]\nprofile = "old"\n', "tls.profile: should be 'intermediate' or 'modern', not 'old'"),
        (
            '[environment]\ntransport = "plain"\n',
            'transport is "plain": say why in not_applicable."middleware.security.tls"',
        ),
        (
            '[not_applicable]\n"middleware.security.tls" = "nobody looks at it"\n',
            'the transport is "tls", so it applies',
        ),
        ("[gate]\nrequired = []\n", "gate.required"),
        ("[releases.watch]\nat_most_s = 0.5\n", "releases.watch: at_most_s is shorter than for_s"),
        ('[releases]\nsurvive = ["cookies"]\n', "releases.survive.0"),
        ('[gate]\nrequired = ["middelware.*"]\n', 'gate.required: no control matches "middelware.*"'),
        (
            '[not_applicable]\n"middleware.cors.origin" = "a good reason"\n',
            "not_applicable: no control matches",
        ),
        ('[not_applicable]\n"middleware.cors.origins" = ""\n', "not_applicable.middleware.cors.origins"),
    ],
)
def test_a_mistake_names_file_and_key(own, text, said):
    assert said in refuse(own(text))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('profile = "live"\nextends = "production"\n', "profile: should be"),
        ('profile = "production"\nextends = "prodution"\n', 'extends: unknown profile "prodution"'),
        ('profile = "production"\nextends = ["production"]\n', "extends: unknown profile"),
        ('profile = "production"\nextends = "production"\nsource = "me"\n', "source: unknown key"),
    ],
)
def test_a_mistake_at_the_top_names_file_and_key(own, head, said):
    assert said in refuse(own("", head=head))
