"""kill -9 during sending: no mail is lost, few come twice. tests.faults.kills does it for longer."""

from pathlib import Path

from tests.faults.kills import PER_CONNECTION, trial
from tests.faults.newsletter import CONNECTIONS


def test_repeated_kills_lose_no_mail_and_double_no_more_than_promised(tmp_path: Path) -> None:
    with trial(tmp_path, mails=300, doubt="resend") as tried:
        tried.kill(4)
        tried.finish()
        figures = tried.figures("resend")
    assert figures.kills >= 2  # a busy machine may let a process end before its moment came
    assert (figures.lost, figures.parked) == (0, 0)
    assert figures.most_in_one_kill <= CONNECTIONS * PER_CONNECTION
    assert tried.newsletter.states() == {"sent": 300}
    assert len(set(tried.ledger.mails)) == 300  # what comes twice has the same Message-ID and the same bytes


def test_with_park_a_kill_leaves_mails_in_doubt_and_sends_none_twice(tmp_path: Path) -> None:
    with trial(tmp_path, mails=400, doubt="park") as tried:
        tried.kill(3)
        tried.finish()
        newsletter = tried.newsletter
        listed = newsletter.run("outbox", "list", "--state", "in-doubt", "--json", "--limit", "400")
        in_doubt = {record["to"]: str(record["id"]) for record in listed.records}
        arrived = {mail.recipient for mail in tried.ledger.mails}
        assert len(arrived) == len(tried.ledger.mails)
        assert set(newsletter.readers) - arrived <= set(in_doubt)
        assert newsletter.states() == {"sent": 400 - len(in_doubt), "in-doubt": len(in_doubt)}
        assert 1 <= len(in_doubt) <= tried.kills * CONNECTIONS * PER_CONNECTION

        came = [number for reader, number in in_doubt.items() if reader in arrived]
        newsletter.run("outbox", "resolve", "--arrived", *came)
        newsletter.run("outbox", "resolve", "--again", *(set(in_doubt.values()) - set(came)))
        tried.finish()
    assert newsletter.states() == {"sent": 400}
    assert sorted(mail.recipient for mail in tried.ledger.mails) == sorted(newsletter.readers)
