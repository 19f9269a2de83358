// tokio's Sleep on a runtime with one worker thread, with the same seeds and parameters as the programs in C++
// (../../../README.md). The waker is the callback: nothing is spawned for a timer.
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

const OPERATIONS_PER_TURN: u64 = 1024;
const POSTPONE_DELAY: Duration = Duration::from_secs(30);
const NOT_FIRED: i64 = i64::MIN;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }
}

fn index_below(drawn: u64, count: u64) -> usize {
    (((drawn & 0xffffffff) * count) >> 32) as usize
}

fn delay_in(drawn: u64, from_us: u64, range_us: u64) -> Duration {
    Duration::from_micros(from_us + (((drawn >> 32) * range_us) >> 32))
}

fn churn_delay(drawn: u64) -> Duration {
    delay_in(drawn, 1_000, 59_999_000)
}

/// What the callbacks note. Leaked, so that wakers may point into it.
struct Sink {
    fired: AtomicU64,
    epoch: Instant,
    due_ns: Vec<AtomicI64>, // since the epoch; empty: lateness is not noted
    late_ns: Vec<AtomicI64>,
    mask: usize,
}

static mut SINK: *const Sink = std::ptr::null();

fn sink() -> &'static Sink {
    unsafe { &*SINK }
}

impl Sink {
    fn call(&self, i: usize) {
        if !self.due_ns.is_empty() && i & self.mask == 0 {
            let now = self.epoch.elapsed().as_nanos() as i64;
            self.late_ns[i].store(now - self.due_ns[i].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.fired.fetch_add(1, Ordering::Release);
    }
}

/// A waker whose data is the index of its timer.
static CALLS: RawWakerVTable = RawWakerVTable::new(
    |index| RawWaker::new(index, &CALLS),
    |index| sink().call(index as usize),
    |index| sink().call(index as usize),
    |_| {},
);

fn poll(sleep: Pin<&mut Sleep>, i: usize) {
    let waker = unsafe { Waker::from_raw(RawWaker::new(i as *const (), &CALLS)) };
    if sleep.poll(&mut Context::from_waker(&waker)).is_ready() {
        sink().call(i);
    }
}

struct Timers(Vec<Option<Pin<Box<Sleep>>>>);

impl Timers {
    fn cancel(&mut self, i: usize) {
        self.0[i] = None;
    }
    fn arm(&mut self, i: usize, delay: Duration) {
        let mut sleep = Box::pin(tokio::time::sleep(delay));
        poll(sleep.as_mut(), i);
        self.0[i] = Some(sleep);
    }
    fn postpone(&mut self, i: usize, delay: Duration) {
        let sleep = self.0[i].as_mut().unwrap();
        sleep.as_mut().reset(tokio::time::Instant::now() + delay);
        poll(sleep.as_mut(), i);
    }
}

fn repeat_for(length: Duration, most: u64, operation: &mut dyn FnMut(u64)) -> f64 {
    let begin = Instant::now();
    let mut operations = 0;
    loop {
        operation(OPERATIONS_PER_TURN);
        operations += OPERATIONS_PER_TURN;
        let elapsed = begin.elapsed();
        if elapsed >= length || operations >= most {
            return elapsed.as_nanos() as f64 / operations as f64;
        }
    }
}

fn measure(n: usize, length: Duration, operation: &mut dyn FnMut(u64)) {
    repeat_for(std::cmp::max(5 * length, Duration::from_nanos(200 * n as u64)), std::cmp::max(2 * n as u64, 20_000), operation);
    answer("operation", "ns", repeat_for(length, u64::MAX, operation));
}

fn answer(metric: &str, unit: &str, value: f64) {
    println!("{} {} {}", metric, unit, value);
}

fn answer_samples(metric: &str, unit: &str, values: &[AtomicI64]) {
    let mut text = String::new();
    for value in values {
        let late = value.load(Ordering::Relaxed);
        if late != NOT_FIRED {
            text.push_str(&format!(" {}", late));
        }
    }
    println!("samples {} {}:{}", metric, unit, text);
}

fn cannot(why: &str) -> ! {
    println!("cannot {}", why);
    std::process::exit(3)
}

fn kernel_bytes(file: &str, name: &str) -> i64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|word| word.parse::<i64>().ok()).unwrap_or(0) * 1024
}

/// Of the whole process, from the scheduler's own account (user and system ticks are too coarse).
fn cpu_ns() -> i64 {
    let mut all = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        all += text.split_whitespace().next().and_then(|word| word.parse::<i64>().ok()).unwrap_or(0);
    }
    all
}

struct Round {
    n: usize,
    length: Duration,
    random: Random,
    timers: Timers,
}

impl Round {
    /// Arms all timers ahead of the first that is due, and answers the instant that the offsets count from.
    fn arm_ahead(&mut self, range_us: u64) -> Instant {
        let mut lead = Duration::from_secs(1);
        loop {
            let base = Instant::now() + lead;
            for i in 0..self.n {
                let at = base + delay_in(self.random.next(), 0, range_us);
                sink().due_ns[i].store(at.duration_since(sink().epoch).as_nanos() as i64, Ordering::Relaxed);
                self.timers.arm(i, at.saturating_duration_since(Instant::now()));
            }
            if Instant::now() < base {
                return base;
            }
            for i in 0..self.n {
                self.timers.cancel(i);
            }
            sink().fired.store(0, Ordering::Relaxed);
            lead *= 3;
        }
    }

    fn await_fired(&self, first: Instant, latest: Instant) {
        std::thread::sleep(first.saturating_duration_since(Instant::now()));
        while sink().fired.load(Ordering::Acquire) < self.n as u64 {
            if Instant::now() > latest {
                cannot(&format!("only {} fired in time", sink().fired.load(Ordering::Relaxed)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn arm_all(&mut self, delay: fn(u64) -> Duration) {
        for i in 0..self.n {
            let drawn = self.random.next();
            self.timers.arm(i, delay(drawn));
        }
    }

    fn churn(&mut self) {
        self.arm_all(churn_delay);
        let (n, length) = (self.n, self.length);
        measure(n, length, &mut |count| {
            for _ in 0..count {
                let drawn = self.random.next();
                let i = index_below(drawn, n as u64);
                self.timers.cancel(i);
                self.timers.arm(i, churn_delay(drawn));
            }
        });
    }

    fn postpone(&mut self) {
        self.arm_all(|_| POSTPONE_DELAY);
        let (n, length) = (self.n, self.length);
        measure(n, length, &mut |count| {
            for _ in 0..count {
                let i = index_below(self.random.next(), n as u64);
                self.timers.postpone(i, POSTPONE_DELAY);
            }
        });
    }

    fn fire(&mut self) {
        let arming = cpu_ns();
        let base = self.arm_ahead(1_000_000);
        let armed = cpu_ns();
        let end = base + Duration::from_secs(1);
        self.await_fired(end, end + Duration::from_secs(30));
        answer("cpu per firing", "ns", (cpu_ns() - armed) as f64 / self.n as f64);
        answer("cpu per arming", "ns", (armed - arming) as f64 / self.n as f64);
        answer_samples("lateness", "ns", &sink().late_ns);
    }

    fn lateness(&mut self) {
        let length_us = self.n as u64 * 1000;
        let base = self.arm_ahead(length_us);
        let end = base + Duration::from_micros(length_us);
        self.await_fired(end, end + Duration::from_secs(10));
        answer_samples("lateness", "ns", &sink().late_ns);
    }

    fn memory(&mut self) {
        let before = kernel_bytes("/proc/self/smaps_rollup", "Rss:");
        self.arm_all(|drawn| delay_in(drawn, 600_000_000, 60_000_000));
        let after = kernel_bytes("/proc/self/smaps_rollup", "Rss:");
        answer("bytes per timer", "bytes", (after - before) as f64 / self.n as f64);
    }

    fn idle(&mut self) {
        self.arm_all(|drawn| delay_in(drawn, 600_000_000, 60_000_000));
        std::thread::sleep(Duration::from_millis(500));
        let before = cpu_ns();
        std::thread::sleep(self.length);
        answer("cpu per second", "ns", (cpu_ns() - before) as f64 / self.length.as_secs_f64());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() < 3 {
        eprintln!("usage: bench_tokio tokio WORKLOAD [n=N seconds=S seed=X]");
        std::process::exit(2);
    }
    let value = |key: &str| arguments.iter().find_map(|argument| argument.strip_prefix(key));
    let n: usize = value("n=").map_or(1000, |text| text.parse().unwrap());
    let seconds: f64 = value("seconds=").map_or(0.2, |text| text.parse().unwrap());
    let seed: u64 = value("seed=").map_or(1, |text| text.parse().unwrap());
    let workload = arguments[2].as_str();
    let noted = if workload == "fire" || workload == "lateness" { n } else { 0 };
    unsafe {
        SINK = Box::into_raw(Box::new(Sink {
            fired: AtomicU64::new(0),
            epoch: Instant::now(),
            due_ns: (0..noted).map(|_| AtomicI64::new(0)).collect(),
            late_ns: (0..noted).map(|_| AtomicI64::new(NOT_FIRED)).collect(),
            mask: if workload == "fire" { 63 } else { 0 },
        }));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let _inside = runtime.enter();
    println!("version {}\nsharing any_thread", env!("TOKIO_VERSION"));
    let timers = Timers((0..n).map(|_| None).collect());
    let mut round = Round { n, length: Duration::from_secs_f64(seconds), random: Random(seed), timers };
    match workload {
        "churn" | "turnover" => round.churn(),
        "postpone" => round.postpone(),
        "fire" => round.fire(),
        "lateness" => round.lateness(),
        "memory" => round.memory(),
        "idle" => round.idle(),
        _ => cannot(&format!("its program has no workload {}", workload)),
    }
    std::process::exit(0);
}
