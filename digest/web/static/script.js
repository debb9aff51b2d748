// What pages do on top where scripts run. Everything works without.
"use strict";
