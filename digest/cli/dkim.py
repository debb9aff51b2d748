"""digest dkim …: the DNS record for the signature of mails."""

import typer

from digest.cli.options import ConfigOption, JsonOption, open_app
from digest.cli.output import print_json, print_text
from digest.errors import UsageError
from digest.mail.dkim import MAKE_KEY

commands = typer.Typer(help="DKIM: the signature that proves a mail comes from its domain.", no_args_is_help=True)

_STRING = 255  # bytes in one string of a TXT record (RFC 1035, 3.3)


@commands.command()
def show(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Print the DNS record that receivers check the signature with, as a line of a zone file."""
    with open_app(config) as app:
        signer = app.signer
    if signer is None:
        raise UsageError(
            f"mails are not signed; set dkim.domain and dkim.selector in {app.config.file}, "
            f"and DIGEST_DKIM_KEY_FILE to the file of a private key ({MAKE_KEY})"
        )
    name, value = signer.dns_name, signer.dns_record()
    if as_json:
        print_json({"name": name, "type": "TXT", "value": value})
    else:
        strings = [f'"{value[i : i + _STRING]}"' for i in range(0, len(value), _STRING)]
        print_text(f"{name}. IN TXT ( {' '.join(strings)} )")
