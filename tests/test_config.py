"""config.toml is strict, and every error says where it is and how to fix it."""

import stat
import tomllib
from pathlib import Path

import pytest

from digest.config import Config, ConfigFile, load
from digest.errors import ConfigError

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
    ],
)
def test_an_invalid_key_is_named_with_the_fix(tmp_path: Path, text: str, message: str) -> None:
    assert message in error_of(tmp_path, text)
    assert "\n" not in error_of(tmp_path, text)


def test_two_sources_cannot_share_a_name(tmp_path: Path) -> None:
    source = "[[source]]\nname = 'a'\nkind = 'text'\nurl = 'x'\n"
    assert "two sources are named 'a'" in error_of(tmp_path, source * 2)


def test_a_missing_file_is_reported_with_the_command_that_creates_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; create one with `digest init`"):
        load(tmp_path / "config.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "config.toml")


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


@pytest.mark.parametrize("written", ["https://x.org/a b", "https://x.org/>", "https://x.org/ä", "https://[x"])
def test_a_web_address_that_headers_cannot_hold_is_refused(tmp_path: Path, written: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[newsletter]\nbase_url = "{written}"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="newsletter.base_url: .* is not a web address"):
        load(file)
