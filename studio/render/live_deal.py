"""Who renders what of the film at work, and what of it is offered to others.

The film's `Share` keeps the samples; here is decided when there is one, when it is dealt out anew, and which offer
stands. An offer stands while it is good for anything: one that was replaced would have nodes give up what they are at.
"""

from __future__ import annotations

from studio.render.live_share import Offer, Range, Share, meets
from studio.render.live_wish import Desk, Wish

MOST_RANGES = 16  # in one offer; others follow when these have come


class Deal:
    """See the module."""

    def __init__(self) -> None:
        self.share: Share | None = None
        self.claims = 0  # how often samples of this machine were lent in the middle of a film
        self._of: Wish | None = None  # the wish that the share is of
        self._offer: Offer | None = None
        self._offered: tuple[Range, ...] = ()  # what was lent when it was made

    @property
    def own(self) -> tuple[Range, ...]:
        """Samples of this machine; none where it has all of them."""
        return self.share.own if self.share is not None else ()

    @property
    def look(self) -> bool:
        """Whether this machine's samples count for nothing."""
        return self.share is not None and self.share.look

    def begin(self, wish: Wish) -> None:
        """Deal out the film that begins. One that begins again keeps what came for it."""
        assert wish.settings is not None
        share = self.share
        if share is not None and self._of is not None and not self.another(self._of, wish):
            share.begin_again()
        elif wish.lends:
            total = wish.settings.samples
            self.share = Share(total, wish.lends, min(round(total * wish.share), total - 1))
        else:
            self.share = None
        self._of = wish

    def another(self, sent: Wish, wish: Wish) -> bool:
        """Whether a wish needs another film than that of an earlier one."""
        assert sent.settings is not None and wish.settings is not None
        if self.share is not None and sent.settings.samples != wish.settings.samples:
            return True  # the samples are dealt out, and would have to be dealt anew
        return sent.another_picture(wish)

    def change(self, wish: Wish, begun: int) -> bool:
        """Lend, or take back, in the middle of a film of which this machine has begun so many samples; whether that
        needs a film of its own."""
        share, lends = self.share, wish.lends
        assert wish.settings is not None
        mode = share.mode if share is not None else ""
        if lends == mode:
            return False
        if share is not None and not lends:
            look = share.look
            share.withdraw()
            return look
        if share is not None and mode:  # from one way of lending to another
            self.share = None
            return True
        if not begun and lends == "all":
            self.share = None
            return True
        self.share = share or Share(wish.settings.samples, "share", wish.settings.samples)
        self.share.claim(lends, begun, wish.share)
        self.claims += 1
        return False

    def confirmed(self, claim: int, begun: int) -> bool:
        """The worker says how far it is; False where it has to be told of its samples once more."""
        if self.share is None or not self.share.claiming or claim != self.claims or self.share.confirm(begun):
            return True
        self.claims += 1
        return False

    def is_of(self, generation: int) -> bool:
        """Whether the share is of the film of a generation."""
        return self._of is not None and self._of.generation == generation

    def offer(self, sent: Wish | None, desk: Desk, *, idle: bool) -> None:
        """Offer what is lent of the film at work, as long as it is; the same offer is the same object."""
        share, before = self.share, self._offer
        offer = None
        if share is not None and sent is not None and share.mode and not (share.claiming or idle):
            missing = share.missing
            if before is not None and before.generation == sent.generation and self._stands(before, share):
                offer = before
            elif missing:
                offer = Offer(sent.generation, sent.flat, sent.film_settings(), missing[:MOST_RANGES])
                self._offered = share.lent
        desk.lent_generation = sent.generation if share is not None and sent is not None else 0
        if offer is not before:
            self._offer = offer
            desk.offered(offer)

    def _stands(self, offer: Offer, share: Share) -> bool:
        missing = share.missing
        return share.anew or (self._offered is share.lent and (not missing or meets(offer.ranges, missing)))
