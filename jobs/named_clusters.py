"""Clusters by name: where each one listens, and where its token lies. No token stands in the file itself."""

import difflib
import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from somnolens.config import Section
from somnolens.errors import SettingsError

CLUSTERS_VARIABLE = "SOMNOLENS_CLUSTERS"
CLUSTERS_FILES = (Path("clusters.yaml"), Path("~/.config/somnolens/clusters.yaml"))
RAY_TOKEN_FILE = Path("~/.ray/auth_token")
"""Where `ray get-auth-token --generate` puts it."""

NOT_FAR = {"localhost", "127.0.0.1", "::1"}
LOOKS_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|API_KEY|PRIVATE", re.IGNORECASE)


class NamedCluster(Section):
    """One Ray cluster, as the clusters file describes it."""

    address: str = Field(description="of the dashboard, as https://ray.lab.example.org or http://127.0.0.1:8265")
    auth: Literal["token", "none"] = "token"
    token_file: Path | None = Field(None, description="else RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH and ~/.ray/auth_token")
    ca_file: Path | None = Field(None, description="authority that signed the certificate, where the system has not")
    plain_http: bool = Field(False, description="send the token unencrypted to another machine; for closed networks")
    python: str = Field("python", description="of the environment that somnolens is installed in, on the cluster")
    env: dict[str, str] = Field({}, description="variables of the job; everybody on the cluster can read them")
    send: tuple[str, ...] = Field((), description="patterns of further files to send, as notes/*.json")

    @field_validator("address")
    @classmethod
    def _is_a_url(cls, address: str) -> str:
        if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname:
            raise ValueError(f"{address!r} is no address of a dashboard; write it as https://host or http://host:8265")
        return address.rstrip("/")

    @field_validator("env")
    @classmethod
    def _holds_no_secret(cls, env: dict[str, str]) -> dict[str, str]:
        if found := sorted(name for name in env if LOOKS_SECRET.search(name)):
            raise ValueError(
                f"{', '.join(found)} would be readable in the dashboard; keep it in a Secret of the cluster"
            )
        return env

    @model_validator(mode="after")
    def _tells_no_token_to_the_network(self) -> "NamedCluster":
        url = urlsplit(self.address)
        if url.scheme == "http" and self.auth == "token" and url.hostname not in NOT_FAR and not self.plain_http:
            raise ValueError(
                f"{self.address} would get the token unencrypted; use https or a port-forward, or say plain_http: true"
            )
        return self


def find_clusters_file(asked: Path | None = None) -> Path:
    """The file that is asked for, that of the environment, or the first usual one that is there.

    Raises
    ------
    SettingsError
    """
    named = asked or (Path(os.environ[CLUSTERS_VARIABLE]) if os.environ.get(CLUSTERS_VARIABLE) else None)
    places = [path.expanduser() for path in ((named,) if named else CLUSTERS_FILES)]
    for path in places:
        if path.is_file():
            return path
    raise SettingsError(
        f"There is no clusters file. Looked for {', '.join(map(str, places))}. "
        f"infra/clusters.yaml is an example; name yours with --clusters or {CLUSTERS_VARIABLE}."
    )


def read_clusters(path: Path) -> dict[str, NamedCluster]:
    """All clusters of a file, by name.

    Raises
    ------
    SettingsError
        With everything that is wrong at once.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise SettingsError(
            f"{path} must hold a name for each cluster and under it its address. See infra/clusters.yaml."
        )
    clusters, wrong = {}, []
    for name, values in content.items():
        try:
            clusters[str(name)] = NamedCluster.model_validate(values)
        except ValidationError as error:
            wrong += [_describe(str(name), one) for one in error.errors()]
    if wrong:
        raise SettingsError(f"{path} cannot be used: {'; '.join(wrong)}.")
    return clusters


def _describe(name: str, error: Any) -> str:
    key = ".".join([name, *map(str, error["loc"])])
    if error["type"] == "extra_forbidden":
        return f"{key} is not known; there are {', '.join(NamedCluster.model_fields)}"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}"


def read_cluster(name: str, asked: Path | None = None) -> NamedCluster:
    """The cluster of a name.

    Raises
    ------
    SettingsError
        With near misses.
    """
    path = find_clusters_file(asked)
    clusters = read_clusters(path)
    if name not in clusters:
        near = difflib.get_close_matches(name, clusters, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise SettingsError(f"{path} has no cluster {name!r}; it has {', '.join(clusters) or 'none'}.{hint}")
    return clusters[name]


def find_token(cluster: NamedCluster) -> tuple[str | None, str]:
    """The token of a cluster and where it was found; None for a cluster that asks for none.

    Raises
    ------
    SettingsError
        Where there is none.
    """
    if cluster.auth == "none":
        return None, "the cluster asks for none"
    if cluster.token_file is None and os.environ.get("RAY_AUTH_TOKEN"):
        return os.environ["RAY_AUTH_TOKEN"].strip(), "RAY_AUTH_TOKEN"
    path = (cluster.token_file or Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or RAY_TOKEN_FILE)).expanduser()
    if not path.is_file() or not (token := path.read_text(encoding="utf-8").strip()):
        raise SettingsError(
            f"There is no token for {cluster.address} in {path}. Put the cluster's there: on Kubernetes "
            "`kubectl get secret ray-auth-token -o jsonpath={.data.auth_token} | base64 -d`, elsewhere a copy of the "
            "head's ~/.ray/auth_token."
        )
    return token, str(path)
