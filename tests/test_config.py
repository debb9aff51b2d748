"""config.toml is strict, and every error says where it is and how to fix it."""

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from digest.config import Config, ConfigFile, load
from digest.errors import ConfigError
from digest.security.addresses import parse_mailbox

EXAMPLE = Path(__file__).resolve().parents[1] / "config.example.toml"


def config_of(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def error_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, text)
    return str(caught.value).removeprefix(f"{tmp_path}/")


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    config = config_of(tmp_path, "")
    assert config.newsletter.name == "Daily Papers"
    assert config.delivery.transport == "maildir"
    assert config.database_file == tmp_path / "digest.db"


def test_the_example_shows_every_key_with_its_default() -> None:
    written = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    shown = ConfigFile.model_validate(written)
    assert shown.model_copy(update={"source": ()}) == ConfigFile()
    known = ConfigFile().model_dump(by_alias=True)
    for section, keys in known.items():
        assert section in written, section
        if isinstance(keys, dict):
            assert set(written[section]) == set(keys), section


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[newsleter]\n", "config.toml: newsleter: unknown key; did you mean 'newsletter'?"),
        ("[newsletter]\nnmae = 'x'", "config.toml: newsletter.nmae: unknown key; did you mean 'name'?"),
        ("[newsletter]\nfrm = 'x'", "config.toml: newsletter.frm: unknown key; did you mean 'from'?"),
        ("[delivery.smtp]\nprot = 1", "config.toml: delivery.smtp.prot: unknown key; did you mean 'port'?"),
        ("[delivery.smtp]\nport = 'x'", "config.toml: delivery.smtp.port: input should be a valid integer, not 'x'"),
        (
            "[delivery.smtp]\nport = 0",
            "config.toml: delivery.smtp.port: input should be greater than or equal to 1, not 0",
        ),
        ("[[source]]\nname = 'a'\nkind = 'text'", "config.toml: source[1].url: is missing"),
        (
            "[[source]]\nname='a'\nkind='fed'\nurl='x'",
            "config.toml: source[1].kind: no kind 'fed'; did you mean 'feed'?",
        ),
        ("[[source]]\nname='a'\nkind='zzz'\nurl='x'", "no kind 'zzz'; known are arxiv, feed, huggingface, text"),
        ("[newsletter]\ntimezone = 'Mars'", "config.toml: newsletter.timezone: no time zone 'Mars'"),
        ("[newsletter]\nbase_url = 'ftp://x'", "config.toml: newsletter.base_url: 'ftp://x' is not a web address"),
        ("[database]\nurl = 'mysql://x'", "config.toml: database.url: 'mysql://x': write sqlite:///FILE"),
        (
            "[delivery]\ntransport = 'pigeon'",
            "config.toml: delivery.transport: input should be 'maildir' or 'smtp', not",
        ),
        ("[dkim]\ndomain = 'example.org'", "config.toml: dkim: selector is missing; set both domain and selector"),
        ("[dkim]\nselector = 's1'", "config.toml: dkim: domain is missing; set both domain and selector"),
        (
            "[dkim]\ndomain = 'bücher.example'\nselector = 's1'",
            "config.toml: dkim.domain: 'bücher.example' is not made of ASCII letters",
        ),
        ("[dkim]\ndomain = 'example.org'\nselector = 's 1'", "config.toml: dkim.selector: 's 1' is not made of ASCII"),
        ("x = [", "config.toml: is not TOML: "),
        (
            "[delivery.smtp]\nhost = 'smtp://mail.example.org'",
            "delivery.smtp.host: 'smtp://mail.example.org' is not a host",
        ),
        ("[delivery.smtp]\nhost = 'mail.example.org:587'", "without scheme and port, such as mail.example.org"),
        ("[delivery.smtp]\nhost = 'mail..example.org'", "delivery.smtp.host: 'mail..example.org' is not a host"),
        ("[bounces.imap]\nhost = 'a b'", "bounces.imap.host: 'a b' is not a host; write its name or IP address"),
        ("[web]\nhost = '[::1]'", "web.host: '[::1]' is not a host; write its name or IP address"),
        ("[delivery.smtp]\nrate = inf", "delivery.smtp.rate: input should be a finite number, not inf"),
        ("[fetch]\ncontact = 'bücher@example.org'", "fetch.contact: 'bücher@example.org' is not one line of ASCII"),
        ('[fetch]\ncontact = "a\\nb"', "fetch.contact: 'a\\nb' is not one line of ASCII characters"),
        ("[fetch]\nallow_private = ['10.0.0.0/8']", "fetch.allow_private[1]: '10.0.0.0/8' is not a host"),
        ("[database]\nurl = 'sqlite:///'", "config.toml: database.url: 'sqlite:///': write sqlite:///FILE"),
        ('[database]\nurl = "sqlite:///\\u0000"', "write sqlite:///FILE"),
        ('[[source]]\nname = "a\\nb"\nkind = "text"\nurl = "x"', "source[1].name: 'a\\nb' is not one line of text"),
        ("[newsletter]\nfrom = ''", "config.toml: newsletter.from: is empty; write a text in quotes"),
        ("[newsletter]\nname = Daily", "Invalid value (at line 2, column 8); a text is written in quotes"),
        ("[newsletter]\npostal = 'x'", "newsletter.postal: unknown key; known are abstract_characters, base_url"),
        ("[newsletter]\nname = 5", "config.toml: newsletter.name: write a text in quotes, not 5"),
        ("[newsletter]\nname = ''", "config.toml: newsletter.name: '' is not one line of text"),
        ('[newsletter]\nname = "a\\u0000"', "config.toml: newsletter.name: "),
        ("newsletter = 'x'", "config.toml: newsletter: is a section; write the line [newsletter] above its keys"),
        (
            "[delivery]\nsmtp = 'x'",
            "delivery.smtp: is a section; write the line [delivery.smtp] above its keys, not 'x'",
        ),
        ("[delivery.smtp]\nport = '25'", "integer, not '25'; the default is 25"),
        ("[web]\nindexed = 'yes'", "config.toml: web.indexed: write true or false, not 'yes'"),
        (
            "[signup]\ndomains = 'example.org'",
            'signup.domains: write a list of texts in brackets, such as ["example.org"]',
        ),
        ("[source]\nname = 'a'", "config.toml: source: write the line [[source]] above the keys of each source"),
        ("[[source]]\nname = ''\nkind = 'feed'\nurl = 'x'", "source[1].name: is empty; write a text in quotes"),
        (
            "[[source]]\nname = 'a'\nkind = 'feed'\nurl = 'x'\nulr = 'x'",
            "source[1].ulr: unknown key; did you mean 'url'?",
        ),
        *(
            (f"{line} = 'hush'", f"{variable}")
            for line, variable in [
                (
                    "[delivery.smtp]\npassword",
                    "delivery.smtp.password: unknown key: secrets are never read from this file",
                ),
                ("[delivery.smtp]\npassword", "set the environment variable DIGEST_SMTP_PASSWORD"),
                ("[delivery]\nsmtp_password", "set the environment variable DIGEST_SMTP_PASSWORD"),
                ("[delivery.smtp]\nPassword", "set the environment variable DIGEST_SMTP_PASSWORD"),
                ("[bounces.imap]\npassword", "set the environment variable DIGEST_IMAP_PASSWORD"),
                ("[bounces]\nimap-passwd", "set the environment variable DIGEST_IMAP_PASSWORD"),
                (
                    "password",
                    "password: unknown key: secrets are never read from this file; set the environment variable",
                ),
                ("[newsletter]\npassword", "DIGEST_SMTP_PASSWORD or DIGEST_IMAP_PASSWORD"),
                ("[dkim]\nkey_file", "DIGEST_DKIM_KEY_FILE"),
                ("secret_key", "DIGEST_SECRET_KEY"),
            ]
        ),
    ],
)
def test_an_invalid_key_is_named_with_the_fix(tmp_path: Path, text: str, message: str) -> None:
    assert message in error_of(tmp_path, text)
    assert "\n" not in error_of(tmp_path, text)


def test_a_secret_in_the_file_is_not_shown(tmp_path: Path) -> None:
    assert "hush" not in error_of(tmp_path, "[delivery.smtp]\npassword = 'hush'")


@pytest.mark.parametrize("key", ["from", "reply_to"])
@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("Daily Papers", "'Daily Papers' is not an email address: "),
        ("Daily Papers <digest>", "'digest' is not an email address: "),
        ("Daily Papers <>", "'' is not an email address: "),
        ("a@example.org, b@example.org", "'a@example.org, b@example.org' is not an email address: "),
        ("<a@example.org> Papers", "is not a sender; write one such as Name <name@example.org>"),
        ("Papers <a@example.org", "is not a sender; write one such as Name <name@example.org>"),
        (
            "Doe, Jane <jane@example.org>",
            "a name with , needs double quotes; in the file, write '\"Doe, Jane\" <jane@example.org>'",
        ),
        (
            "Papers: daily <a@example.org>",
            'a name with : needs double quotes; in the file, write \'"Papers: daily" <a@',
        ),
        ('Bob "B" Doe <b@example.org>', "in the file, write '\"Bob B Doe\" <b@example.org>'"),
        ("Papers\\nBcc: x@example.org <a@example.org>", "is not a sender; write one such as Name <name@example.org>"),
    ],
)
def test_a_bad_sender_is_refused_when_the_file_is_read(tmp_path: Path, key: str, written: str, reason: str) -> None:
    quoted = written.replace('"', '\\"')
    error = error_of(tmp_path, f'[newsletter]\n{key} = "{quoted}"\n')
    assert error.startswith(f"config.toml: newsletter.{key}: ")
    assert reason in error


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("a@example.org", "", "a@example.org"),
        ("<a@EXAMPLE.org>", "", "a@example.org"),
        ("Daily Papers <a@example.org>", "Daily Papers", "a@example.org"),
        ("Dr. J. Doe (Papers) <a@example.org>", "Dr. J. Doe (Papers)", "a@example.org"),
        ('"Doe, \\"Jane\\"" <a@example.org>', 'Doe, "Jane"', "a@example.org"),
        ("Bücher & Co <a@bücher.example>", "Bücher & Co", "a@xn--bcher-kva.example"),
    ],
)
def test_a_sender_has_a_name_and_an_address(tmp_path: Path, written: str, name: str, address: str) -> None:
    config = config_of(tmp_path, f"[newsletter]\nfrom = '{written}'")
    assert parse_mailbox(config.newsletter.sender) == (name, address)


OWN = {
    "from": "Papers <papers@example.org>",
    "postal_address": "1 Cat Street",
    "base_url": "http://127.0.0.1:9000",
}
EXAMPLES = {
    "from": ["Daily Papers <digest@example.org>", None],
    "postal_address": ["Your institute, its street, its city", "Daily Papers, 1 Example Street, Example City", None],
    "base_url": ["http://127.0.0.1:8000", "http://127.0.0.1:8000/", None],
}


def sending(tmp_path: Path, values: Mapping[str, str | None], transport: str = "smtp") -> Config:
    keys = "\n".join(f"{key} = '{value}'" for key, value in values.items() if value is not None)
    return config_of(tmp_path, f"[delivery]\ntransport = '{transport}'\n[newsletter]\n{keys}\n")


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in EXAMPLES.items() for value in values])
def test_nothing_is_sent_by_smtp_with_an_example_value(tmp_path: Path, key: str, value: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        sending(tmp_path, OWN | {key: value}).check_own_values()
    assert f"config.toml: newsletter.{key}: still an example, so nothing is sent by SMTP; write " in str(refused.value)
    sending(tmp_path, OWN | {key: value}, "maildir").check_own_values()


def test_all_example_values_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"newsletter\.from, newsletter\.postal_address, newsletter\.base_url: "):
        sending(tmp_path, {}).check_own_values()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("from", "Other Papers <digest@example.org>"),
        ("from", "digest@localhost.localdomain"),
        ("postal_address", "x"),
        ("base_url", "http://localhost:8000"),
        ("base_url", "http://127.0.0.1:8000/papers"),
        ("base_url", "https://example.org"),
    ],
)
def test_any_other_value_is_taken(tmp_path: Path, key: str, value: str) -> None:
    sending(tmp_path, OWN | {key: value}).check_own_values()


@pytest.mark.parametrize("host", ["mail.example.org", "127.0.0.1", "::1", "mail_server", "bücher.example"])
def test_a_server_is_a_name_or_an_ip_address(tmp_path: Path, host: str) -> None:
    assert config_of(tmp_path, f"[delivery.smtp]\nhost = '{host}'").delivery.smtp.host == host


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    assert config_of(tmp_path, "\ufeff[newsletter]\nname = 'Cats'\n").newsletter.name == "Cats"


def test_white_space_around_the_address_of_a_source_is_left_out(tmp_path: Path) -> None:
    config = config_of(tmp_path, "[[source]]\nname = 'a'\nkind = 'feed'\nurl = ' https://example.org/feed '\n")
    assert config.source[0].url == "https://example.org/feed"


def test_a_folder_of_an_unknown_user_is_a_folder_with_a_tilde(tmp_path: Path) -> None:
    config = config_of(tmp_path, "[delivery.maildir]\npath = '~no-such-user/outbox'\n")
    assert config.path(config.delivery.maildir.path).name == "outbox"


def test_two_sources_cannot_share_a_name(tmp_path: Path) -> None:
    source = "[[source]]\nname = 'a'\nkind = 'text'\nurl = 'x'\n"
    assert "two sources are named 'a'" in error_of(tmp_path, source * 2)


def test_a_missing_file_is_reported_with_the_command_that_creates_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; create one with `digest init`"):
        load(tmp_path / "config.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read: it is not UTF-8 text; save it as UTF-8"):
        load(tmp_path / "config.toml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        load(tmp_path)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    config = config_of(tmp_path, "[database]\nurl = 'sqlite:///var/x.db'")
    assert config.database_file == tmp_path / "var" / "x.db"
    assert config.path("/elsewhere") == Path("/elsewhere")


def test_secrets_come_from_the_environment_and_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_PASSWORD", "hush")
    config = config_of(tmp_path, "")
    assert config.secrets.smtp_password.get_secret_value() == "hush"
    assert "hush" not in repr(config)


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    config = config_of(tmp_path, "")
    key = config.secret_key()
    assert len(key) >= 32
    assert config.secret_key() == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith(".")] == []


@pytest.mark.parametrize("content", ["", "\n", "k" * 31])
def test_a_file_that_holds_no_complete_secret_key_is_refused(tmp_path: Path, content: str) -> None:
    config = config_of(tmp_path, "")
    (tmp_path / "secret.key").write_text(content)
    with pytest.raises(ConfigError, match="secret.key: holds no complete key, .*; restore it from a backup"):
        config.secret_key()


def test_a_given_key_is_used_if_it_is_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY", "k" * 32)
    assert config_of(tmp_path, "").secret_key() == b"k" * 32
    monkeypatch.setenv("DIGEST_SECRET_KEY", "short")
    with pytest.raises(ConfigError, match="at least 32 characters"):
        config_of(tmp_path, "").secret_key()


def test_a_key_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = config_of(tmp_path, "[database]\nurl = 'sqlite:///file/x.db'")
    with pytest.raises(ConfigError, match="the key that signs links cannot be stored here"):
        config.secret_key()


DKIM = "[dkim]\ndomain = 'example.org'\nselector = 's1'"


def test_the_key_that_signs_mails_lies_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DKIM_KEY_FILE", "keys/dkim.pem")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "dkim.pem").write_bytes(b"a key")
    assert config_of(tmp_path, DKIM).dkim_key() == b"a key"


def test_signing_without_a_key_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, DKIM).dkim_key()
    assert str(caught.value) == (
        "environment: DIGEST_DKIM_KEY_FILE: is missing; it names the private key that signs for example.org, "
        "and `openssl genrsa -out dkim.pem 2048` makes one"
    )


def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DKIM_KEY_FILE", "nowhere.pem")
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, DKIM).dkim_key()
    assert str(caught.value) == (
        f"{tmp_path}/nowhere.pem: the key that signs emails cannot be read: No such file or directory; "
        "DIGEST_DKIM_KEY_FILE names this file"
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://bücher.example/papers/", "https://xn--bcher-kva.example/papers"),
        ("https://example.org:8443", "https://example.org:8443"),
    ],
)
def test_a_web_address_is_one_that_headers_can_hold(tmp_path: Path, written: str, read: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[newsletter]\nbase_url = "{written}"\n', encoding="utf-8")
    assert load(file).newsletter.base_url == read


@pytest.mark.parametrize(
    "written",
    [
        *("https://x.org/a b", "https://x.org/>", "https://x.org/ä", "https://[x"),
        *(
            "https://x.org/?a=1",
            "https://x.org/#b",
            "https://user:word@x.org",
            "https://x.org:99999",
            "https://x.org:x",
        ),
    ],
)
def test_a_web_address_that_links_cannot_begin_with_is_refused(tmp_path: Path, written: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[newsletter]\nbase_url = "{written}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="newsletter.base_url: .* is not a web address"):
        load(file)


SERVERS = {
    "delivery.smtp": "[delivery.smtp]\n",
    "bounces.imap": '[bounces]\ndomain = "b.example.org"\n[bounces.imap]\n',
}


@pytest.mark.parametrize("key", SERVERS)
@pytest.mark.parametrize("host", ["mail.example.org", "192.0.2.7", "localhost.example.org", "2001:db8::1"])
def test_a_password_is_not_sent_over_a_network_unencrypted(tmp_path: Path, key: str, host: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'{SERVERS[key]}host = "{host}"\nsecurity = "none"\nusername = "digest"\n')
    with pytest.raises(ConfigError) as caught:
        load(file)
    said = f"{key}: with security = \"none\" the password of 'digest' would go to {host} unencrypted; set security"
    assert said in str(caught.value)


@pytest.mark.parametrize("key", SERVERS)
@pytest.mark.parametrize(
    "keys",
    [
        'host = "localhost"\nusername = "u"\nsecurity = "none"',
        'host = "127.8.0.1"\nusername = "u"\nsecurity = "none"',
        'host = "::1"\nusername = "u"\nsecurity = "none"',
        'host = "mail.example.org"\nsecurity = "none"',
        'host = "mail.example.org"\nusername = "u"\nsecurity = "starttls"',
    ],
)
def test_a_password_may_go_to_this_machine_or_encrypted(tmp_path: Path, key: str, keys: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"{SERVERS[key]}{keys}\n")
    load(file)
