"""Fetching a data file: the right bytes or nothing, and a clear word either way."""

import hashlib
import http.server
import threading

import pytest

from helpers.course import Failed
from helpers.course.fetch import FILES, PublicFile, data_folder, fetch

CONTENT = b"customerID,Churn\n" + b"7590-VHVEG,No\n" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Source(http.server.BaseHTTPRequestHandler):
    """Answers well, wrongly, half or not at all, by path."""

    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        body = b"<html>moved</html>" if self.path == "/wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/broken" else body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def source():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def file_at(url):
    return PublicFile("table.csv", url, SHA256, "a table")


def test_the_right_file_is_fetched_once(source, tmp_path):
    path, fetched = fetch(file_at(f"{source}/right"), tmp_path / "data")
    assert fetched
    assert path.read_bytes() == CONTENT
    again, fetched = fetch(file_at("http://127.0.0.1:1/never-asked"), tmp_path / "data")
    assert (again, fetched) == (path, False)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/wrong", "is not the published file"),
        ("/broken", "no connection, or it broke off"),
        ("/missing", "answered 404"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(source, tmp_path, page, words):
    with pytest.raises(Failed, match=words):
        fetch(file_at(source + page), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_network_is_said_in_one_sentence(tmp_path):
    with pytest.raises(Failed, match="Check the network and try again"):
        fetch(file_at("http://127.0.0.1:1/closed"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_in_its_place_is_neither_used_nor_overwritten(source, tmp_path):
    (tmp_path / "table.csv").write_text("my own notes")
    with pytest.raises(Failed, match="is not the published file .*Move it away"):
        fetch(file_at(f"{source}/right"), tmp_path)
    assert (tmp_path / "table.csv").read_text() == "my own notes"


def test_the_folder_is_the_one_named_or_data(tmp_path, monkeypatch):
    monkeypatch.delenv("LIFECYCLE_DATA", raising=False)
    assert data_folder(tmp_path) == tmp_path / "data"
    monkeypatch.setenv("LIFECYCLE_DATA", "/elsewhere")
    assert str(data_folder(tmp_path)) == "/elsewhere"


def test_the_published_hash_is_that_of_the_real_file(telco_csv):
    assert hashlib.sha256(telco_csv.read_bytes()).hexdigest() == FILES["telco"].sha256


def test_the_command_fetches_says_where_and_what_to_type_next(
    source, tmp_path, lifecycle_here, telco_csv
):
    done = lifecycle_here("data", "telco", "--into", telco_csv.parent)
    assert done.returncode == 0
    assert "python3 run.py run -p TELCO_CSV" in done.stdout
    refused = lifecycle_here("data", "telco", "--into", tmp_path, "--url", f"{source}/wrong")
    assert refused.returncode == 1
    assert refused.stderr.startswith("lifecycle: What ")
    assert lifecycle_here("data", "nothing").returncode == 2
