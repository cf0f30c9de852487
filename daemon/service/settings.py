"""The settings of the shared services, made from the configuration."""

from daemon.config import Config, config_hash
from daemon.runtime.factory import SAMPLE
from workers.publish.redis.client import RedisSettings
from workers.redaction import RedactedUrl
from workers.services.settings import ServiceSettings


def settings_of(config: Config, redis: RedactedUrl) -> ServiceSettings:
    """Return the settings of the services; ``redis``: the server's URL, also of the embedded one."""
    where = config.evidence.where
    return ServiceSettings(
        encoder=config.models.encoder_options(),
        speech=config.speech.options(config.models.profile),
        aligner=config.models.aligner_options(),
        limits=config.limits.limits(),
        config_hash=config_hash(config),
        redis=RedisSettings(redis, config.redis.stream, config.redis.maxlen, config.redis.cluster),
        state_dir=config.state_dir,
        sample=SAMPLE,
        pictures=config.evidence_folder().local,
        remote_evidence=where if isinstance(where, RedactedUrl) else None,
        clips=config.evidence.options(),
        index=config.index.enabled,
    )
