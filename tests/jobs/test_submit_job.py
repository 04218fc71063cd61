"""What `somnolens submit` sends and what it keeps here; `make cluster-test` sends it to a real head."""

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import SettingsError
from somnolens.jobs.cluster import PROGRESS_VARIABLE, progress
from somnolens.jobs.log_view import PROGRESS, LogView
from somnolens.jobs.named_clusters import find_token, read_cluster, read_clusters
from somnolens.jobs.packing import choose_files, copy_files
from somnolens.jobs.submitting import Cluster, list_jobs, make_entrypoint
from tests.processes import find_port
from tests.repository.tree import ROOT


@pytest.fixture
def clusters(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    (tmp_path / "token").write_text("s3cret\n")
    path = tmp_path / "clusters.yaml"
    path.write_text(f"lab:\n  address: https://ray.example.org/\n  token_file: {tmp_path / 'token'}\n")
    return path


def write_files(folder: Path, **contents: str) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def invoke(*words: object):
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_a_dry_run_tells_all_that_would_be_sent_and_not_the_token(clusters, tmp_path, monkeypatch):
    work = write_files(tmp_path / "work", **{"mine.yaml": "train: {}", "night.edf": "0", "notes.json": "{}"})
    monkeypatch.chdir(work)
    options = ("--cluster", "lab", "--clusters", clusters, "--dry-run")
    answer = invoke("submit", "train-adapter", *options, "s3://a", "runs/1 2", "--set", "train.n_workers=4", "--resume")
    assert answer.exit_code == 0, answer.output
    command = "python -m somnolens.jobs.train_adapter s3://a 'runs/1 2' --set train.n_workers=4 --resume"
    assert f"command    {command}" in answer.output
    assert "to         https://ray.example.org\n" in answer.output
    assert "files      1, 0 kB" in answer.output
    assert "mine.yaml" in answer.output
    assert "RAY_AUTH_MODE=token ray job submit --address https://ray.example.org --working-dir ." in answer.output
    assert "s3cret" not in answer.output
    assert "night.edf" not in answer.output


def test_every_job_with_a_command_of_its_own_can_be_submitted():
    with_command = {path.stem for path in (ROOT / "jobs").glob("*.py") if "run_job(main)\n" in path.read_text()}
    assert set(list_jobs()) == with_command
    assert {"build_dataset", "train_adapter", "search_hyperparameters", "score_recordings"} <= with_command


def test_a_job_that_there_is_not_gets_a_near_miss(clusters):
    with pytest.raises(SettingsError, match=r"no job 'train_adaptor'; .* Did you mean train_adapter\?"):
        invoke("submit", "train_adaptor", "--cluster", "lab", "--clusters", clusters)


def test_a_cluster_that_there_is_not_gets_a_near_miss(clusters):
    with pytest.raises(SettingsError, match=r"no cluster 'labs'; it has lab. Did you mean 'lab'\?"):
        read_cluster("labs", clusters)


def test_the_example_of_the_repository_can_be_read():
    assert set(read_clusters(ROOT / "infra" / "clusters.yaml")) == {"laptop", "kubernetes", "machines", "lab"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lab: {address: ray.example.org}", "'ray.example.org' is no address of a dashboard"),
        ("lab: {address: 'http://ray.example.org'}", "would get the token unencrypted; use https"),
        ("lab: {address: 'https://a', env: {HF_TOKEN: x}}", "HF_TOKEN would be readable in the dashboard"),
        ("lab: {address: 'https://a', token: x}", "lab.token is not known; there are address, auth, token_file"),
        ("- lab", "must hold a name for each cluster"),
        ("lab: {", "is no YAML"),
    ],
)
def test_what_is_wrong_with_a_clusters_file_is_told(text, sentence, tmp_path):
    (tmp_path / "clusters.yaml").write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        read_clusters(tmp_path / "clusters.yaml")


def test_a_closed_network_may_do_without_tls(tmp_path):
    (tmp_path / "c.yaml").write_text("lab: {address: 'http://10.0.0.1:8265', plain_http: true}")
    assert read_cluster("lab", tmp_path / "c.yaml").address == "http://10.0.0.1:8265"


def test_the_token_is_the_clusters_own_before_that_of_the_environment(clusters, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the environment")
    assert find_token(read_cluster("lab", clusters)) == ("s3cret", str(tmp_path / "token"))
    (tmp_path / "c.yaml").write_text("lab: {address: 'https://a'}\nopen: {address: 'https://b', auth: none}")
    assert find_token(read_cluster("lab", tmp_path / "c.yaml")) == ("of the environment", "RAY_AUTH_TOKEN")
    assert find_token(read_cluster("open", tmp_path / "c.yaml"))[0] is None
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"There is no token for https://a in .*none"):
        find_token(read_cluster("lab", tmp_path / "c.yaml"))


def test_code_and_settings_are_sent_and_data_and_secrets_stay(tmp_path):
    sent = {"mine.yaml": "a: 1", "code/run.py": "", "code/deep/er.toml": ""}
    kept = {
        "night.edf": "",
        "subjects.csv": "",
        "report.json": "",
        ".env": "KEY=1",
        ".hidden/code.py": "",
        "secrets.yaml": "",
        "keys.yaml": "",
        "AWS_credentials.toml": "",
        "clusters.yaml": "",
        "runs/1/metrics.yaml": "",
        "env/pyvenv.cfg": "",
        "env/lib/module.py": "",
    }
    folder = write_files(tmp_path / "work", **sent, **kept)
    (folder / "link.py").symlink_to(folder / "night.edf")
    assert [str(path) for path in choose_files(folder)] == sorted(sent)
    assert [str(path) for path in choose_files(folder, ["*.json"])] == sorted([*sent, "report.json"])
    copy_files(folder, choose_files(folder), tmp_path / "copy")
    assert (tmp_path / "copy" / "code" / "deep" / "er.toml").is_file()


def test_a_pattern_cannot_ask_for_a_secret(tmp_path):
    assert choose_files(write_files(tmp_path, **{"secret.json": "{}"}), ["*.json"]) == []


@pytest.mark.parametrize("key", ["AKIA" + "B" * 16, "-----BEGIN RSA " + "PRIVATE KEY-----", "hf_" + "a" * 34])
def test_a_key_in_a_settings_file_stops_everything(key, tmp_path):
    folder = write_files(tmp_path, **{"a.yaml": "ok: 1\n", "b.yaml": f"x: 1\nkey: {key}\n"})
    with pytest.raises(SettingsError, match=r"b\.yaml:2 looks like a key\. Nothing was sent\."):
        choose_files(folder)


def test_a_home_folder_is_not_sent(tmp_path):
    with (tmp_path / "large.py").open("wb") as stream:
        stream.truncate(51_000_000)
    with pytest.raises(SettingsError, match="1 files of 51 MB to send"):
        choose_files(tmp_path)


def test_arguments_reach_the_job_as_they_are_written():
    assert make_entrypoint("a", ["it's", "$HOME", "a b"]) == "python -m somnolens.jobs.a 'it'\"'\"'s' '$HOME' 'a b'"


def test_a_cluster_that_does_not_answer_is_told_in_one_sentence(tmp_path):
    from somnolens.errors import ClusterError

    (tmp_path / "c.yaml").write_text(f"gone: {{address: 'http://127.0.0.1:{find_port()}', auth: none}}")
    with pytest.raises(ClusterError, match=r"does not answer .* Is the port-forward open"):
        Cluster(read_cluster("gone", tmp_path / "c.yaml"))


def draw(pieces: list[str], terminal: bool = False) -> str:
    console = Console(width=100, force_terminal=terminal, file=(file := open_text()), color_system=None)
    with LogView(console, "job") as view:
        for piece in pieces:
            view.write(piece)
    return file.getvalue()


def open_text():
    import io

    return io.StringIO()


def test_lines_are_written_once_wherever_the_pieces_are_cut():
    text = "first\nsecond line\nlast without end"
    for size in (1, 3, 100):
        assert draw([text[start : start + size] for start in range(0, len(text), size)]) == f"{text}\n"


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere():
    line = "progress: Rendering nights 3/12 SN001: 960 epochs\n"
    assert draw([line, "done\n"]) == f"{line}done\n"
    shown = draw([line, "done\n"], terminal=True)
    assert "progress:" not in shown
    assert "done" in shown


def test_a_submitted_job_writes_its_progress_as_lines(monkeypatch):
    monkeypatch.setenv(PROGRESS_VARIABLE, "1")
    console = Console(file=(file := open_text()), width=200)
    with progress(console, "Rendering nights", 3) as advance:
        for number in range(3):
            advance(note=f"SN{number}: [960] epochs")
    lines = file.getvalue().splitlines()
    assert lines[0] == "progress: Rendering nights 1/3 SN0: [960] epochs"
    assert lines[-1] == "progress: Rendering nights 3/3 SN2: [960] epochs"
    assert all(PROGRESS.fullmatch(line) for line in lines)


def test_progress_of_one_thing_is_told_in_hundredths(monkeypatch):
    monkeypatch.setenv(PROGRESS_VARIABLE, "1")
    console = Console(file=(file := open_text()), width=200)
    with progress(console, "Looking", 1) as advance:
        advance(0.25)
        advance(0.75, "all")
    assert file.getvalue().splitlines() == ["progress: Looking 25/100", "progress: Looking 100/100 all"]
