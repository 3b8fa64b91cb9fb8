"""No password gets into what is shown."""

import pytest

from labelbench_ray.redaction import redacted


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////runs/mlflow.db", "sqlite:////runs/mlflow.db"),
        ("http://user:s3cret@host:5000/path", "http://***@host:5000/path"),
        ("http://s3cret@host", "http://***@host"),
        (
            "postgresql+psycopg2://user:s3cret@host/db?sslmode=require",
            "postgresql+psycopg2://***@host/db?sslmode=require",
        ),
        ("postgresql://user:s3c@re/t@host/db", "postgresql://***@host/db"),
        (
            "postgresql://host/db?user=me&password=s3cret&sslmode=require",
            "postgresql://host/db?user=me&password=***&sslmode=require",
        ),
        ("s3://bucket/prefix?access_key=s3cret", "s3://bucket/prefix?access_key=***"),
    ],
)
def test_an_address_without_who_signs_in_and_with_what(address: str, shown: str):
    assert redacted(address) == shown


def test_addresses_inside_a_text():
    text = "API request to http://u:s3cret@host/api failed, (see 'http://u:s3cret@host'); mail me@example.org"
    assert redacted(text) == "API request to http://***@host/api failed, (see 'http://***@host'); mail me@example.org"


@pytest.mark.parametrize("secret", ["s3cret", "s3%40cret"])
def test_a_password_that_stands_alone(secret: str):
    address = f"postgresql://user:{secret}@host/db"
    assert redacted("login with s3cret and s3@cret failed", address).count("***") == 1
