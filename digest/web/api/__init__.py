"""The JSON API for programs that have a token: what admins do on the web, one file for each noun."""
