"""A reader's own pages, a file each: by the links in their mails, and at /settings for who is signed in."""

from digest.web.subscriber import address, data, feed, leave, mute, pause, read, settings

OWN_SAMPLES = (
    *settings.SAMPLES,
    *pause.SAMPLES,
    *mute.SAMPLES,
    *read.SAMPLES,
    *feed.SAMPLES,
    *address.SAMPLES,
    *data.SAMPLES,
    *leave.SAMPLES,
)
