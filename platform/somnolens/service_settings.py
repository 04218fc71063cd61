"""Settings of the scoring service; `config.Settings.serve` holds them."""

from typing import Final

from pydantic import Field

from somnolens.section import Count, Positive, Section

MB: Final = 1_000_000
"""What the settings count whose names end in `_mb`."""


class ServeSettings(Section):
    """The scoring service."""

    adapter: str = Field("embedded", description="adapter folder, 'embedded', or REGISTRY#promoted")
    min_replicas: int = Field(1, ge=0)
    max_replicas: Count = 2
    target_ongoing_requests: Positive = 4.0
    upscale_delay_s: float = Field(15.0, ge=0, description="load must last so long before another scorer is started")
    downscale_delay_s: float = Field(300.0, ge=0, description="and be gone so long before one is stopped")
    gpus_per_replica: float = Field(0, ge=0)
    cpus_per_replica: Positive = 1
    max_batch_size: Count = Field(8, description="pictures in one pass; on a CPU more only makes single epochs wait")
    batch_wait_s: float = Field(0.02, ge=0)
    ingress_replicas: Count = Field(1, description="processes that take bytes, check and answer")
    worker_replicas: Count = Field(1, description="processes that read, prepare, draw and explain, one CPU each")
    nights_at_once: Count = Field(2, description="nights in the memory of one worker; others wait")
    nights_folder: str = Field(
        "",
        description="where nights lie: a folder all machines share, or a bucket; empty: a private temporary one",
    )
    keep_h: float = Field(24.0, gt=0, le=24 * 365, description="hours until a night that is kept is emptied")
    most_nights: Count = Field(100, description="nights kept at once, 70 MB each; one more is answered with 503")
    max_simulated_h: float = Field(12.0, gt=0, le=24, description="longest simulated night, hours")
    url_prefixes: tuple[str, ...] = Field(
        (), description="buckets or folders in them that recordings may be fetched from, as s3://lab/nights/"
    )
    max_queued_requests: Count = Field(200, description="waiting requests; one more is answered with 503")
    max_upload_mb: Count = Field(512, description="largest recording or npy")
    max_json_mb: Count = Field(64, description="largest JSON, which takes ten times its size in memory")
    max_night_s: Positive = Field(900.0, description="a night that takes longer has failed")
    ready_timeout_s: Positive = Field(5.0, description="a forward pass that takes longer is not ready")
    keys_file: str = Field("", description="hashed API keys, by `somnolens keys`; else the variable SOMNOLENS_KEYS")
    insecure: bool = Field(False, description="ask nobody for a key, and answer this machine only")
    requests_at_once: Count = Field(64, description="under way in one ingress replica; one more is told to come back")
    requests_per_key: Count = Field(32, description="of those, by one key; each ingress replica counts for itself")
    nights_per_hour: Count = Field(600, description="by one key in one ingress replica")
    max_night_hours: Positive = Field(26.0, description="longest recording")
    request_timeout_s: Positive = Field(840.0, description="a request that takes longer is given up")
    upload_idle_s: Positive = Field(30.0, description="an upload that stands still so long is given up")
    private_hosts: tuple[str, ...] = Field((), description="hosts of those that may have an address of this network")
    fetch_timeout_s: Positive = 120.0
    registry: str = Field("", description="adapters that ?model=NAME may name; its promoted one is the default")
    models: dict[str, str] = Field({}, description="further adapters by name")
    models_in_memory: Count = Field(2, description="adapters that a scorer keeps loaded")
    registry_poll_s: Positive = Field(5.0, description="how often promotions are looked for")
    drift_nights: Count = Field(50, description="newest nights that are held against the validation profile")
    drift_z: Positive = Field(4.0, description="standard errors off the profile that raise the alarm")
