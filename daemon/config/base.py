"""Base class of all configuration sections."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the configuration. Unknown keys are errors; instances are immutable."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
    )
