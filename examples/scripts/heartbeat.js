// A heartbeat with a watchdog: it stops beating, and the watchdog says so.
let beats = 0;
const watchdog = timeout(() => console.log('no beat for 100 ms: it is dead'), 100);
const heart = setInterval(() => {
  console.log('beat', ++beats);
  watchdog.refresh(); // postponed, and only ever fires when nobody does this
  if (beats === 5) clearInterval(heart);
}, 20);
