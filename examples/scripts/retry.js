// A retry with backoff: sleep is a promise, other timers go on meanwhile.
let attempts = 0;

async function unreliable() {
  if (++attempts < 4) throw new Error('attempt ' + attempts + ' failed');
  return 'attempt ' + attempts + ' succeeded';
}

async function retry(work, wait) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      console.log(error.message + ', again in ' + wait + ' ms');
      await sleep(wait);
      wait *= 2;
    }
  }
}

retry(unreliable, 10).then(console.log);
