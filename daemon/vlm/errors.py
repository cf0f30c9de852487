"""How asking a vision-language model fails. No message holds a secret, or text that the server sent."""

from alignment.errors import ExitCode, WatchwordError


class VlmError(WatchwordError):
    """A vision-language model gave no usable answer."""

    code = "vlm_failed"
    exit_code = ExitCode.UNREACHABLE
    remedy = "`watchword doctor CONFIG` tries the server"


class VlmUnreachable(VlmError):
    """No connection to the server of the model, or the server fails or is overloaded (status 429 or 5xx)."""

    code = "vlm_unreachable"
    retryable = True
    remedy = "start the server, or check the verifier's url and the network; the fallback applies meanwhile"


class VlmTimeout(VlmError):
    """The server of the model did not complete its answer in time."""

    code = "vlm_timeout"
    retryable = True
    remedy = "use a smaller model, fewer frames or a faster machine, or raise the verifier's timeout"


class VlmRefused(VlmError):
    """The server does not accept the request (status 3xx or 4xx), or the model declines to answer."""

    code = "vlm_refused"
    remedy = "check the verifier's url, model and key; the model must take pictures"


class VlmNonsense(VlmError):
    """The answer does not have the form that was asked for, or is too long."""

    code = "vlm_nonsense"
    remedy = "use a larger model, or a server that keeps to a JSON schema"


class VlmInterrupted(VlmError):
    """The question gave way to a more urgent one while it was asked."""

    code = "vlm_interrupted"
    retryable = True
    remedy = "nothing to do: it is asked again"


class VlmBudgetSpent(VlmError):
    """The calls or tokens that the configuration allows are used up; nothing was sent."""

    code = "vlm_budget_spent"
    retryable = True
    remedy = "wait, or raise calls_per_minute, calls_per_day or tokens_per_day of the verifier"
