"""Work that is the same for every test and therefore done once per process: migrations, queries, templates, checks.

`Store.upgrade`, newsletters with templates of their own, and commands in other processes still do all of it. Besides,
tests do not wait for the disk.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import sqlalchemy as sa

from digest.mail import Templates, compose, languages, mail_renderer, template_check
from digest.mail.fast.fragments import Fragment, split_template
from digest.mail.fast.renderer import Outline
from digest.mail.languages import Language
from digest.mail.mail_renderer import MailRenderer
from digest.mail.templates import shipped_folder
from digest.store import Store, sqlite

DURABLE = sqlite._PRAGMAS


@pytest.fixture(scope="session", autouse=True)
def _disk_not_waited_for() -> Iterator[None]:
    """Neither commits nor mails wait until the disk has them: no test cuts the power. Other processes still do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sqlite, "_PRAGMAS", tuple(each.replace("synchronous=FULL", "synchronous=OFF") for each in DURABLE)
        )
        patch.setattr(os, "fsync", lambda _file: None)
        patch.setattr(os, "sync", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _databases_migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """New databases are copies of one that the migrations made."""
    template = tmp_path_factory.mktemp("migrated") / "digest.db"
    Store.open(template).close()
    open_existing = Store.open

    def open_or_copy(file: Path) -> Store:
        if file.parent.is_dir() and not file.exists():
            shutil.copyfile(template, file)
        return open_existing(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", open_or_copy)
        yield


class _CompiledQueries(dict[tuple[object, ...], object]):
    """By query, and by the kind of database instead of the database."""

    def get(self, key: Any, default: object = None) -> object:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, compiled: object) -> None:
        super().__setitem__((type(key[0]), *key[1:]), compiled)


@pytest.fixture(scope="session", autouse=True)
def _queries_compiled_once() -> Iterator[None]:
    """All databases share the SQL that SQLAlchemy wrote for a query."""
    create, compiled = sa.create_engine, _CompiledQueries()

    def create_engine(*given: Any, **named: Any) -> sa.Engine:
        engine = create(*given, **named)
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sa, "create_engine", create_engine)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shipped_templates_compiled_once() -> Iterator[None]:
    """Newsletters that use only the shipped templates share the compiled templates and the catalogues of words."""
    environments: dict[str, jinja2.Environment] = {}
    parts: dict[tuple[str, str], Fragment] = {}
    catalogues: dict[Path, Language] = {}
    compile_templates, read_catalogue = Templates.environment, languages.read_catalogue

    def environment(self: Templates, language: Language) -> jinja2.Environment:
        if self._overriding is not None:
            return compile_templates(self, language)
        if language.code not in environments:
            environments[language.code] = compile_templates(self, language)
        return environments[language.code]

    def split(environment: jinja2.Environment, name: str, *rest: Any) -> Fragment:
        code = next((code for code, shared in environments.items() if shared is environment), None)
        if code is None:
            return split_template(environment, name, *rest)
        if (code, name) not in parts:
            parts[code, name] = split_template(environment, name, *rest)
        return parts[code, name]

    def read(file: Path) -> Language:
        if file.parent != shipped_folder() / "locale":
            return read_catalogue(file)
        if file not in catalogues:
            catalogues[file] = read_catalogue(file)
        return catalogues[file]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Templates, "environment", environment)
        patch.setattr(mail_renderer, "split_template", split)
        patch.setattr(languages, "read_catalogue", read)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shipped_templates_checked_once() -> Iterator[None]:
    """The sample mails are rendered from the shipped templates once, not for every newsletter."""
    checked: set[object] = set()
    check_mails = template_check.check_templates

    def check_templates(by: MailRenderer, templates: Templates, *, outlines: Iterable[Outline], **rest: Any) -> None:
        outlines = list(outlines)
        known = (by.language.code, outlines[0].mail.newsletter)
        if templates._overriding is not None or known not in checked:
            check_mails(by, templates, outlines=outlines, **rest)
            checked.add(known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "check_templates", check_templates)
        yield
