"""What a request says beside what requests to the same place say, in plain Python: the oracle of the native step `payloads`.

Written from the page of the payload model (lean variant) and decision 14: dictionaries without a limit, one request after the other.
"""

from apisec_otel.testing.reference.payload.model import Model, Said, Sent

__all__ = ["Model", "Said", "Sent"]
