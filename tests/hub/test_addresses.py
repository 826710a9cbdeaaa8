"""What a user may type for weights on the web, and what is refused before the web is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from i2i.errors import UsageError
from i2i.hub.addresses import InRepository, Remote, cache, is_address, parsed

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "inside", "address"),
    [
        ("hf://me/x/w.safetensors", InRepository("me/x", "w.safetensors", "main"), "hf://me/x/w.safetensors@main"),
        ("hf://me/x/w.safetensors@v1.0", InRepository("me/x", "w.safetensors", "v1.0"), None),
        ("hf://me/x.y/a/b/w.onnx@refs/pr/1", InRepository("me/x.y", "a/b/w.onnx", "refs/pr/1"), None),
        (
            "hf://me/x/a@2.safetensors",
            InRepository("me/x", "a@2.safetensors", "main"),
            "hf://me/x/a@2.safetensors@main",
        ),
        ("hf://me/x/w.PTH", InRepository("me/x", "w.PTH", "main"), "hf://me/x/w.PTH@main"),
    ],
)
def test_a_file_of_a_repository(text: str, inside: InRepository, address: str | None) -> None:
    remote = parsed(text)
    assert remote == Remote(address or text, inside.path.rpartition("/")[2], None, inside)
    assert parsed(f"{text}#sha256={DIGEST}").sha256 == DIGEST
    assert parsed(f"{text}#sha256={DIGEST}").place != remote.place
    assert str(parsed(f"{text}#sha256={DIGEST}")) == f"{remote.address}#sha256={DIGEST}"


def test_a_file_behind_a_url() -> None:
    text = "https://host.org:8443/a%20b/net%20G.safetensors?download=true"
    assert parsed(text) == Remote(text, "net G.safetensors")
    assert str(parsed(text)) == text
    assert parsed(text).place != parsed(text.replace("true", "1")).place


def test_paths_are_no_addresses() -> None:
    assert not any(map(is_address, ["w.safetensors", "/a/b.safetensors", "C:/w.safetensors", "a:b", "x/hf://y"]))
    assert all(map(is_address, ["hf://a", "https://b", "HTTP://c", "s3://d"]))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("http://host/w.safetensors", "comes over the net unprotected, for anybody to change; give https://…"),
        ("s3://bucket/w.safetensors", "fetched from hf://OWNER/REPOSITORY/FILE@REVISION and https://HOST/FILE only"),
        ("https://host/w.zip", "names no file that ends in .safetensors, .onnx, .bin,"),
        ("https://host/", "names no file that ends in .safetensors"),
        ("https://host/..%2f..%2f", "names no file that ends in .safetensors"),
        ("https://host/a%5c..%5cw.safetensors", "names no file that ends in"),
        ("https:///w.safetensors", "no such kind of URL; it reads https://HOST/FILE"),
        ("https://host:eight/w.safetensors", "no such kind of URL (Port could not be cast"),
        ("https://host/a b/w.safetensors", "no such kind of URL"),
        ("https://me:secret@host/w.safetensors", "an https address with a user's name or password in it"),
        ("https://host/w.safetensors#md5=ab", "# stands sha256= and 64 hexadecimal digits, or nothing; found 'md5=ab'"),
        ("https://host/w.safetensors#sha256=ab", "found 'sha256=ab'"),
        ("hf://me/w.safetensors", "names no file that ends in .safetensors"),
        ("hf://me/x/README.md", "names no file that ends in .safetensors"),
        ("hf://m e/x/w.safetensors", "'m e' is no name of an owner or a repository; it reads hf://OWNER/"),
        ("hf://../x/w.safetensors", "'..' is no name of an owner"),
        ("hf://me/a--b/w.safetensors", "'a--b' is no name of an owner"),
        ("hf://me/x/../../w.safetensors", "'../../w.safetensors' is no path in a repository"),
        ("hf://me/x//w.safetensors", "is no path in a repository"),
        ("hf://me/x/w.safetensors@", "'' is no revision: a branch, a tag or a commit"),
        ("hf://me/x/w.safetensors@../../etc", "'../../etc' is no revision"),
        ("hf://me/x/w.safetensors@a b", "'a b' is no revision"),
    ],
)  # fmt: skip
def test_what_is_refused_at_once(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(text)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("query", ["token=t", "X-Amz-Signature=t&a=b", "a=b&apiKey="])
def test_an_address_with_a_secret_in_it_is_refused_and_not_repeated(query: str) -> None:
    with pytest.raises(UsageError) as caught:
        parsed(f"https://host.org/w.safetensors?{query}")
    found = next(part.partition("=")[0] for part in query.split("&") if not part.startswith("a="))
    assert str(caught.value) == (
        f"an https address with {found}=… in it would be kept in plain text; fetch the file by other means, and name it"
    )


def test_without_a_home_it_is_said_which_variable_names_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(UsageError, match=r"^no home folder is known here; set XDG_CACHE_HOME to a folder of yours$"):
        cache()
