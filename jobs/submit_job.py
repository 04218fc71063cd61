"""`somnolens submit` and `somnolens jobs`: run a job on a cluster that is named in the clusters file.

    somnolens submit train_adapter --cluster lab s3://lab/dataset s3://lab/runs/7 --set train.n_workers=4
    somnolens jobs list --cluster lab

The log is shown until the job ends, and the exit code is the job's.
"""

import difflib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from somnolens.errors import SettingsError
from somnolens.jobs.named_clusters import NamedCluster, find_clusters_file, find_token, read_cluster
from somnolens.jobs.packing import choose_files

jobs = typer.Typer(no_args_is_help=True, help="Jobs on a cluster: list them, read their logs, stop one.")

ClusterName = Annotated[str, typer.Option("--cluster", help="name in the clusters file", envvar="SOMNOLENS_CLUSTER")]
ClustersFile = Annotated[Path | None, typer.Option("--clusters", help="clusters file; else SOMNOLENS_CLUSTERS")]
JobId = Annotated[str, typer.Argument(help="as `somnolens jobs list` shows it")]


def submit(
    job: Annotated[str, typer.Argument(help="as train_adapter; what follows goes to the job")],
    cluster: ClusterName,
    arguments: Annotated[list[str] | None, typer.Argument(help="of the job, options included")] = None,
    clusters: ClustersFile = None,
    working_dir: Annotated[Path, typer.Option("--working-dir", help="its code and settings go along")] = Path("."),
    driver_gpus: Annotated[float, typer.Option(min=0, help="GPUs of the job's own process")] = 0,
    driver_cpus: Annotated[float, typer.Option(min=0, help="processors of the job's own process")] = 0,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="show the log until the job ends")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what would be sent, and send nothing")] = False,
) -> None:
    """Run a job on a cluster, show its log, and end with its exit code."""
    from somnolens.jobs.submitting import make_entrypoint, make_submission_id

    console = Console(soft_wrap=True)
    name, found = _find_job(job), read_cluster(cluster, clusters)
    entrypoint, submission_id = make_entrypoint(name, arguments or (), found.python), make_submission_id(name)
    chosen = choose_files(working_dir, found.send)
    if dry_run:
        _describe(console, found, entrypoint, working_dir, chosen, submission_id)
        return
    _send(console, found, name, entrypoint, working_dir, chosen, submission_id, driver_gpus, driver_cpus)
    _say(console, f"{name} is submitted to {cluster} as {submission_id}, with {len(chosen)} files.")
    option = f"--cluster {cluster}" + (f" --clusters {clusters}" if clusters else "")
    _say(console, f"  somnolens jobs logs {submission_id} {option}\n  somnolens jobs stop {submission_id} {option}")
    if wait:
        raise typer.Exit(_follow(console, found, submission_id))


def _find_job(asked: str) -> str:
    from somnolens.jobs.submitting import list_jobs

    name, known = asked.replace("-", "_").removesuffix(".py").removeprefix("jobs/"), list_jobs()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise SettingsError(f"There is no job {asked!r}; there are {', '.join(known)}.{hint}")
    return name


def _send(console: Console, cluster: NamedCluster, name: str, *rest: Any) -> None:
    from somnolens.jobs.submitting import Cluster

    with console.status(f"Sending {name} to {cluster.address}"):
        Cluster(cluster).submit(name, *rest)


def _describe(
    console: Console, cluster: NamedCluster, entrypoint: str, folder: Path, chosen: list[Path], submission_id: str
) -> None:
    """What a dry run shows: everything that would leave this machine, apart from the token itself."""
    from somnolens.jobs.submitting import make_ray_line

    size = sum((folder / path).stat().st_size for path in chosen)
    lines = [
        f"to         {cluster.address}",
        f"token      {find_token(cluster)[1]}",
        f"job        {submission_id}",
        f"command    {entrypoint}",
        f"variables  {', '.join(f'{key}={value}' for key, value in cluster.env.items()) or 'none'}",
        f"files      {len(chosen)}, {size / 1000:,.0f} kB, of {folder.resolve()}",
        *(f"           {path}" for path in chosen),
        "the same with Ray's own command, which sends every file that git does not ignore:",
        f"  {make_ray_line(cluster, entrypoint, folder, submission_id)}",
        "Nothing was sent.",
    ]
    _say(console, "\n".join(lines))


def _follow(console: Console, cluster: NamedCluster, submission_id: str) -> int:
    from somnolens.jobs.log_view import LogView
    from somnolens.jobs.submitting import Cluster, find_exit_code

    opened = Cluster(cluster)
    try:
        with LogView(console, submission_id) as view:
            job = opened.follow(submission_id, view.write, view.note)
    except KeyboardInterrupt:
        _say(Console(stderr=True), f"The job goes on. To end it: somnolens jobs stop {submission_id}")
        raise
    state, why = str(job.status).lower(), f": {job.message}" if find_exit_code(job) and job.message else ""
    _say(Console(stderr=True, soft_wrap=True), f"{submission_id} {state}{why}")
    return find_exit_code(job)


@jobs.command("list")
def list_jobs_of_cluster(cluster: ClusterName, clusters: ClustersFile = None) -> None:
    """List the jobs of a cluster, the newest first."""
    from somnolens.jobs.log_view import format_time, format_took
    from somnolens.jobs.submitting import Cluster

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("job", "state", "exit", "began, UTC", "took"):
        table.add_column(heading, no_wrap=True)
    for job in Cluster(read_cluster(cluster, clusters)).list():
        code = "" if job.driver_exit_code is None else str(job.driver_exit_code)
        times = format_time(job.start_time), format_took(job.start_time, job.end_time)
        table.add_row(escape(job.submission_id), str(job.status).lower(), code, *times)
    Console().print(table if table.row_count else f"No job was submitted to {cluster} yet.")


@jobs.command("logs")
def show_log(
    job: JobId,
    cluster: ClusterName,
    clusters: ClustersFile = None,
    follow: Annotated[bool, typer.Option("--follow", help="until the job ends, with its exit code")] = False,
) -> None:
    """Show the log of a job so far, or until it ends."""
    from somnolens.jobs.submitting import Cluster

    found = read_cluster(cluster, clusters)
    if follow:
        raise typer.Exit(_follow(Console(soft_wrap=True), found, job))
    sys.stdout.write(Cluster(found).read_log(job))


@jobs.command("stop")
def stop_job(job: JobId, cluster: ClusterName, clusters: ClustersFile = None) -> None:
    """Ask a job to end; what it has finished is kept."""
    from somnolens.jobs.submitting import Cluster

    stopped = Cluster(read_cluster(cluster, clusters)).stop(job)
    _say(Console(), f"{job} is asked to end." if stopped else f"{job} had ended.")


@jobs.command("clusters")
def list_clusters(clusters: ClustersFile = None) -> None:
    """List the clusters that have a name."""
    from somnolens.jobs.named_clusters import read_clusters

    path = find_clusters_file(clusters)
    for name, one in read_clusters(path).items():
        _say(Console(), f"{name}  {one.address}")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
