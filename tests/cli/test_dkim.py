"""digest dkim: from the configuration to what receivers see."""

import dns.name
import dns.zone
import pytest
from dns.rdtypes.ANY.TXT import TXT

from tests.commandline import Cli
from tests.mail.test_dkim import verified


@pytest.fixture
def signing(cli: Cli, monkeypatch: pytest.MonkeyPatch, rsa_pem: bytes) -> Cli:
    """A newsletter that signs its mails."""
    cli.configure("[dkim]\ndomain = 'example.org'\nselector = 's1'\n")
    (cli.folder / "dkim.pem").write_bytes(rsa_pem)
    monkeypatch.setenv("DIGEST_DKIM_KEY_FILE", "dkim.pem")
    return cli


def test_the_record_is_a_line_of_a_zone_file(signing: Cli) -> None:
    line = signing.ok("dkim", "show").out
    assert line.count("\n") == 1
    zone = dns.zone.from_text(f"$TTL 3600\n{line}", origin="example.org", relativize=False, check_origin=False)
    (record,) = zone.find_rdataset(dns.name.from_text("s1._domainkey.example.org"), "TXT")
    assert isinstance(record, TXT)
    assert len(record.strings) == 2
    value = b"".join(record.strings).decode()
    assert signing.ok("dkim", "show", "--json").record == {
        "name": "s1._domainkey.example.org",
        "type": "TXT",
        "value": value,
    }


def test_delivered_mail_verifies_with_the_shown_record(signing: Cli) -> None:
    record = signing.ok("dkim", "show", "--json").record
    signing.ok("subscriber", "add", "reader@example.org", "--keywords", "cat", "--confirmed")
    signing.ok("run", "--now", "2026-06-03T07:00:00Z")
    (file,) = (signing.folder / "outbox" / "new").iterdir()
    assert verified(file.read_bytes(), record["name"], record["value"])


def test_without_a_signature_it_says_how_to_set_one_up(cli: Cli) -> None:
    ran = cli("dkim", "show")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"error: emails are not signed; set dkim.domain and dkim.selector in {cli.folder}/config.toml, and "
        "DIGEST_DKIM_KEY_FILE to the file of a private key (`openssl genrsa -out dkim.pem 2048` makes one)\n"
    )


@pytest.mark.parametrize("command", [["dkim", "show"], ["deliver"]])
def test_an_unusable_key_is_reported_before_anything_is_sent(signing: Cli, command: list[str]) -> None:
    (signing.folder / "dkim.pem").write_text("hello")
    ran = signing(*command)
    assert ran.code == 2
    assert ran.err.startswith(f"error: {signing.folder}/dkim.pem: is not a private PEM key; ")
    assert ran.err.count("\n") == 1


def test_a_key_given_instead_of_a_file_is_never_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.configure('[dkim]\ndomain = "example.org"\nselector = "s1"\n')
    monkeypatch.setenv("DIGEST_DKIM_KEY_FILE", "-----BEGIN PRIVATE KEY-----\nMIIEsecret\n-----END PRIVATE KEY-----")
    ran = cli("dkim", "show")
    assert ran.code == 2
    assert "DIGEST_DKIM_KEY_FILE: contains a key; it must name the key's file" in ran.err
    assert "MIIE" not in ran.err
