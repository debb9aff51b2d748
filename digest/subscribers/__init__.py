"""Who is on the list: how they come, pause, mute, move and leave, and what is known of them."""
