"""The policy: who asks, by which credential, and whether that principal may."""

from collections.abc import Mapping

import pytest

from serving.access.keys import Holder, Keys, digest_of
from serving.access.policy import Policy
from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.principal import Principal, Right

MODEL, NONE = ModelSpec("m"), ModelSpec("")
Fields = Mapping[str, str] | list[tuple[str, str | bytes]]


def holder(name: str, *rights: Right, key: str = "", models: tuple[str, ...] | None = None, **more: object) -> Holder:
    """Somebody with these rights, by default with the key ``key-of-NAME``."""
    principal = Principal(name=name, rights=frozenset(rights), models=models)
    return Holder(principal=principal, digests=(digest_of(key or f"key-of-{name}"),), **more)  # type: ignore[arg-type]


KEYS = Keys(
    [
        holder("all", *Right),
        holder("reader", Right.READ),
        holder("some", Right.PREDICT, Right.READ, models=("m", "n*")),
        holder("late", *Right, expires_at=100.0),
        holder("cert", Right.PREDICT, certificates=("c.example.com", "other")),
        holder("cert2", Right.PREDICT, certificates=("d.example.com",)),
    ]
)


def ask(
    fields: Fields = (),  # type: ignore[assignment]
    right: Right | None = Right.PREDICT,
    address: ModelSpec = MODEL,
    certificate: tuple[str, ...] = (),
    *,
    now: float = 0.0,
) -> Principal | None:
    """Who may; raises ServingError."""
    context = RequestContext("REST", fields=fields, right=right, shown=lambda: certificate)
    Policy(KEYS, lambda: now).admit(context, address, 0)
    return context.principal


def refused(*args: object, **more: object) -> tuple[Code, str]:
    """The error of what is refused."""
    with pytest.raises(ServingError) as raised:
        ask(*args, **more)  # type: ignore[arg-type]
    return raised.value.code, raised.value.text


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"authorization": "Bearer key-of-all"}, id="bearer"),
        pytest.param({"authorization": "bEARER   key-of-all "}, id="any case, more blanks"),
        pytest.param({"x-api-key": "key-of-all"}, id="x-api-key"),
        pytest.param([("Authorization", "Bearer key-of-all")], id="pairs"),
        pytest.param([("X-API-KEY", "key-of-all"), ("authorization", "Bearer key-of-all")], id="both, the same"),
        pytest.param([("x-bin", b"\0"), ("x-api-key", "key-of-all")], id="beside binary metadata"),
    ],
)
def test_a_key_names_its_principal(fields: Fields) -> None:
    """In either header, whose name has no case."""
    principal = ask(fields)
    assert principal is not None
    assert principal.name == "all"


EXPECTED = "expected a key, as authorization: Bearer KEY or as x-api-key: KEY"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, f"The request has no key; {EXPECTED}", id="none"),
        pytest.param({"x-api-key": "key-of-nobody"}, "The key of the request is unknown", id="unknown"),
        pytest.param({"x-api-key": "KEY-OF-ALL"}, "The key of the request is unknown", id="keys have a case"),
        pytest.param({"x-api-key": "key-of-all\udcff"}, "The key of the request is unknown", id="no characters"),
        pytest.param({"x-api-key": " "}, f"x-api-key is empty; {EXPECTED}", id="empty"),
        pytest.param(
            {"authorization": "Basic a2V5"}, f"authorization has another form than Bearer KEY; {EXPECTED}", id="basic"
        ),
        pytest.param(
            {"authorization": "key-of-all"}, f"authorization has another form than Bearer KEY; {EXPECTED}", id="bare"
        ),
        pytest.param(
            {"authorization": "Bearer "}, f"authorization has another form than Bearer KEY; {EXPECTED}", id="no key"
        ),
        pytest.param(
            [("x-api-key", "key-of-all"), ("authorization", "Bearer key-of-reader")],
            "The request has several keys; expected one",
            id="two headers",
        ),
        pytest.param(
            [("x-api-key", "key-of-all"), ("X-Api-Key", "key-of-reader")],
            "The request has several keys; expected one",
            id="one header twice",
        ),
    ],
)
def test_without_a_key_nobody_is_known(fields: Fields, expected: str) -> None:
    """The text says what was expected, and never what was given."""
    assert refused(fields) == (Code.UNAUTHENTICATED, expected)


def test_a_second_value_counts_after_headers_were_looked_at() -> None:
    """Whoever asked for a header before, say for the request's id."""
    context = RequestContext("REST", fields=[("x-api-key", "key-of-reader"), ("x-api-key", "key-of-all")])
    assert context.headers["x-api-key"] == "key-of-all"
    with pytest.raises(ServingError, match="several keys"):
        Policy(KEYS).admit(context, MODEL, 0)


def test_rights() -> None:
    """The refusal names the principal and the right."""
    assert refused({"x-api-key": "key-of-reader"}) == (
        Code.PERMISSION_DENIED,
        "reader lacks the right predict, which this request needs",
    )
    assert ask({"x-api-key": "key-of-reader"}, Right.READ) is not None


def test_what_everybody_may_needs_no_key() -> None:
    """Health; nobody is known then, and a bad key does not matter."""
    assert ask(right=None) is None
    assert ask({"x-api-key": "key-of-nobody"}, None) is None


@pytest.mark.parametrize("right", [Right.PREDICT, Right.READ])
def test_models(right: Right) -> None:
    """Other models than its own are refused by name, whether they exist or not."""
    fields = {"x-api-key": "key-of-some"}
    assert ask(fields, right, ModelSpec("nx")) is not None
    assert refused(fields, right, ModelSpec("other")) == (
        Code.PERMISSION_DENIED,
        "some may not use model other",
    )


def test_no_model() -> None:
    """What names none may be read, for it is shown in part; there is no way to predict past the list."""
    fields = {"x-api-key": "key-of-some"}
    assert ask(fields, Right.READ, NONE) is not None
    code, text = refused(fields, Right.PREDICT, NONE)
    assert (code, text) == (Code.PERMISSION_DENIED, "The request names no model, and some may use some alone")
    assert ask({"x-api-key": "key-of-all"}, Right.PREDICT, NONE) is not None


def test_an_expired_key_says_so() -> None:
    """From its time on, by the clock of each request."""
    assert ask({"x-api-key": "key-of-late"}, now=99.9) is not None
    assert refused({"x-api-key": "key-of-late"}, now=100.0) == (
        Code.UNAUTHENTICATED,
        "The credential of late expired at 1970-01-01T00:01:40Z",
    )


def test_a_certificate_names_its_principal() -> None:
    """One of its names is enough; a key that is there counts instead."""
    principal = ask(certificate=("unknown", "c.example.com"))
    assert principal is not None
    assert principal.name == "cert"
    principal = ask({"x-api-key": "key-of-all"}, certificate=("c.example.com",))
    assert principal is not None
    assert principal.name == "all"
    assert refused({"x-api-key": "x"}, certificate=("c.example.com",))[1] == "The key of the request is unknown"


def test_certificates_that_name_nobody() -> None:
    """None of its names is known, or they are those of several."""
    assert refused(certificate=("x",)) == (
        Code.UNAUTHENTICATED,
        f"The request has no key, and the client's certificate is unknown; {EXPECTED}",
    )
    assert ask(certificate=("c.example.com", "other")) is not None
    assert refused(certificate=("c.example.com", "d.example.com")) == (
        Code.UNAUTHENTICATED,
        "The client's certificate is that of cert and cert2; expected one of them, or a key",
    )


def test_a_shared_context_is_decided_for_each_request() -> None:
    """Requests of one connection: a key that is gone from the file stops at the next of them."""
    policy = Policy(KEYS)
    context = RequestContext("REST", fields={"x-api-key": "key-of-all"})
    policy.admit(context, MODEL, 0)
    assert context.principal is not None
    policy.keys = Keys([])
    with pytest.raises(ServingError, match="unknown"):
        policy.admit(context, MODEL, 0)
    assert context.principal is None


def test_contexts_show_no_keys() -> None:
    """They get into no log by way of a representation."""
    context = RequestContext("REST", fields=[("x-api-key", "key-of-all")])
    Policy(KEYS).admit(context, MODEL, 0)
    assert "key-of-all" not in repr(context)
