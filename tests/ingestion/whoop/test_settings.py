from __future__ import annotations

import base64

import pytest

from ingestion.errors import SettingError
from ingestion.whoop.settings import TERMS_CONFIRMED, WhoopSettings

# the same in every process of tests: it is part of their names
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
GOOD = {
    "WHOOP_API_BASE_URL": "http://127.0.0.1:9/developer",
    "WHOOP_OAUTH_BASE_URL": "http://127.0.0.1:9/oauth/oauth2",
    "WHOOP_CLIENT_ID": "client",
    "WHOOP_CLIENT_SECRET": "secret-of-the-app",
    "WHOOP_REDIRECT_URI": "http://127.0.0.1:8080/oauth/callback",
    "ENCRYPTION_KEY": KEY,
}


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    for name in ("WHOOP_TERMS_CONFIRMED", "WHOOP_RESOURCES", "WHOOP_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_read() -> None:
    settings = WhoopSettings.load()
    assert settings.webhook_secret == "secret-of-the-app"
    assert settings.encryption_keys == (KEY,)
    assert settings.scopes == (
        *("read:cycles", "read:recovery", "read:sleep", "read:workout"),
        "offline",
    )
    assert settings.webhook_tolerance_seconds == 7200


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHOOP_WEBHOOK_SECRET", "another-secret")
    shown = repr(WhoopSettings.load())
    assert not any(
        secret in shown for secret in (KEY, GOOD["WHOOP_CLIENT_SECRET"], "another-secret")
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WHOOP_CLIENT_ID", "", "is not set"),
        ("WHOOP_CLIENT_SECRET", "", "is not set"),
        ("WHOOP_CLIENT_SECRET", "secret-of-the-app\n", "blanks or line breaks"),
        ("WHOOP_REDIRECT_URI", "", "is not set"),
        ("WHOOP_REDIRECT_URI", "/oauth/callback", "is not an http(s) address"),
        ("WHOOP_REDIRECT_URI", "http://clutch.example.org/oauth/callback", "not encrypted"),
        ("WHOOP_API_BASE_URL", "api.prod.whoop.com", "is not an http(s) address"),
        ("WHOOP_RESOURCES", "cycle,heart", "'heart' is none of"),
        ("WHOOP_WEBHOOK_TOLERANCE_SECONDS", "-1", "not a number above 0"),
        ("ENCRYPTION_KEY", "", "is not set"),
        ("ENCRYPTION_KEY", "short", "key 1 is no Fernet key"),
        ("ENCRYPTION_KEY", f"{KEY},short", "key 2 is no Fernet key"),
        ("ENCRYPTION_KEY", f"{KEY}, {KEY}", "same key twice"),
    ],
)
def test_what_is_refused(name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match="Fix: ") as caught:
        WhoopSettings.load()
    assert caught.value.name == name
    assert says in str(caught.value)
    assert "secret-of-the-app" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["WHOOP_API_BASE_URL", "WHOOP_OAUTH_BASE_URL"])
def test_the_real_service_is_off_until_its_terms_are_covered(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name)
    for value in (None, "yes", "true"):
        if value is not None:
            monkeypatch.setenv("WHOOP_TERMS_CONFIRMED", value)
        with pytest.raises(SettingError, match="agreed in writing") as caught:
            WhoopSettings.load()
        assert caught.value.name == "WHOOP_TERMS_CONFIRMED"
    monkeypatch.setenv("WHOOP_TERMS_CONFIRMED", TERMS_CONFIRMED)
    assert "whoop.com" in WhoopSettings.load().api_base_url + WhoopSettings.load().oauth_base_url
