"""An Admission that lets everything through, counts its permits and keeps what they were told."""

from datetime import UTC, datetime

from daemon.core.admission import Answered, Outcome
from daemon.core.errors import AppInactive, QuotaSpent

NEXT_WINDOW_AT = datetime(2026, 1, 1, 0, 15, tzinfo=UTC)


class CountingAdmission:
    """Behaves as the ledger does at a refusal: the permit raises."""

    def __init__(self) -> None:
        self.permits = 0
        self.lost = 0
        self.answers: list[Answered] = []

    async def permit(self) -> "CountingPermit":
        self.permits += 1
        return CountingPermit(self)


class CountingPermit:
    def __init__(self, admission: CountingAdmission) -> None:
        self._admission = admission

    async def answered(self, answer: Answered) -> None:
        self._admission.answers.append(answer)
        if answer.outcome is Outcome.RATE_LIMITED:
            raise QuotaSpent("429", NEXT_WINDOW_AT)
        if answer.outcome is Outcome.APP_INACTIVE:
            raise AppInactive("403", NEXT_WINDOW_AT)

    async def lost(self) -> None:
        self._admission.lost += 1
