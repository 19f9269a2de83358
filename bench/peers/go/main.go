// Go's time package, driven by the same seeds and parameters as the programs in C++ (../../README.md).
//
// Row go: a stopped timer is not armed again but replaced by another AfterFunc, as most code does; postponing is Reset.
// Row go-reset: one timer for each index, armed again by Reset.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const operationsPerTurn = 1024
const postponeDelay = 30 * time.Second

type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func indexBelow(drawn uint64, count uint64) int { return int(((drawn & 0xffffffff) * count) >> 32) }

func delayIn(drawn, fromUs, rangeUs uint64) time.Duration {
	return time.Duration((fromUs + (((drawn >> 32) * rangeUs) >> 32)) * 1000)
}

func churnDelay(drawn uint64) time.Duration { return delayIn(drawn, 1000, 59999000) }

// All timers, and what their callbacks note.
type timers struct {
	all   []*time.Timer
	reset bool
	fired atomic.Int64
	due   []time.Time // empty: lateness is not noted
	late  []int64
	mask  int
}

func newTimers(n int, reset bool) *timers { return &timers{all: make([]*time.Timer, n), reset: reset} }

func (t *timers) note(n int, stride int) {
	t.due = make([]time.Time, n)
	t.late = make([]int64, n)
	t.mask = stride - 1
}

func (t *timers) call(i int) {
	if t.due != nil && i&t.mask == 0 {
		late := int64(time.Since(t.due[i]))
		if late == 0 {
			late = 1 // 0 says that it did not fire
		}
		t.late[i] = late
	}
	t.fired.Add(1)
}

func (t *timers) cancel(i int) { t.all[i].Stop() }
func (t *timers) arm(i int, delay time.Duration) {
	if t.reset && t.all[i] != nil {
		t.all[i].Reset(delay)
		return
	}
	t.all[i] = time.AfterFunc(delay, func() { t.call(i) })
}
func (t *timers) postpone(i int, delay time.Duration) { t.all[i].Reset(delay) }
func (t *timers) replace(i int, delay time.Duration) {
	t.all[i].Stop()
	t.all[i] = time.AfterFunc(delay, func() { t.call(i) })
}

type measured struct {
	operations int
	elapsed    time.Duration
}

func repeatFor(length time.Duration, most int, operation func()) measured {
	done := measured{}
	begin := time.Now()
	for {
		for k := 0; k < operationsPerTurn; k++ {
			operation()
		}
		done.operations += operationsPerTurn
		done.elapsed = time.Since(begin)
		if done.elapsed >= length || done.operations >= most {
			return done
		}
	}
}

func measure(n int, length time.Duration, operation func()) measured {
	most := 2 * n
	if most < 20000 {
		most = 20000
	}
	warmUp := 5 * length
	if perTimer := time.Duration(n) * 200 * time.Nanosecond; warmUp < perTimer {
		warmUp = perTimer
	}
	repeatFor(warmUp, most, operation)
	return repeatFor(length, 1<<62, operation)
}

func (m measured) ns() float64 { return float64(m.elapsed.Nanoseconds()) / float64(m.operations) }

func answer(metric, unit string, value float64) { fmt.Printf("%s %s %g\n", metric, unit, value) }

func answerSamples(metric, unit string, values []int64) {
	var text strings.Builder
	for _, value := range values {
		if value != 0 {
			text.WriteByte(' ')
			text.WriteString(strconv.FormatInt(value, 10))
		}
	}
	fmt.Printf("samples %s %s:%s\n", metric, unit, text.String())
}

func cannot(why string) {
	fmt.Printf("cannot %s\n", why)
	os.Exit(3)
}

func cpu() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func kernelBytes(file, name string) int64 {
	text, _ := os.ReadFile(file)
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name) {
			value, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
			return value * 1024
		}
	}
	return 0
}

func sleepsOfAllThreads() int64 {
	var count int64
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		for _, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "voluntary_ctxt_switches:") {
				value, _ := strconv.ParseInt(strings.Fields(line)[1], 10, 64)
				count += value
			}
		}
	}
	return count
}

// Arms all timers ahead of the first that is due, and answers the instant that the offsets count from.
func (t *timers) armAhead(n int, offset func(k int) time.Duration) time.Time {
	for lead := time.Second; ; lead *= 3 {
		base := time.Now().Add(lead)
		for i := 0; i < n; i++ {
			at := base.Add(offset(i))
			t.due[i] = at
			t.arm(i, time.Until(at))
		}
		if time.Now().Before(base) {
			return base
		}
		for i := 0; i < n; i++ {
			t.cancel(i)
		}
		t.fired.Store(0)
	}
}

func (t *timers) awaitFired(n int, first, latest time.Time) {
	time.Sleep(time.Until(first))
	for t.fired.Load() < int64(n) {
		if time.Now().After(latest) {
			cannot(fmt.Sprintf("only %d fired in time", t.fired.Load()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

type round struct {
	workload string
	n        int
	threads  int
	length   time.Duration
	seed     uint64
	reset    bool
}

func (r round) filled() (*timers, *random) {
	t := newTimers(r.n, r.reset)
	draw := &random{r.seed}
	for i := range t.all {
		t.arm(i, churnDelay(draw.next()))
	}
	return t, draw
}

func (r round) churn() {
	t, draw := r.filled()
	answer("operation", "ns", measure(r.n, r.length, func() {
		drawn := draw.next()
		i := indexBelow(drawn, uint64(r.n))
		t.cancel(i)
		t.arm(i, churnDelay(drawn))
	}).ns())
}

func (r round) turnover() {
	t, draw := r.filled()
	answer("operation", "ns", measure(r.n, r.length, func() {
		drawn := draw.next()
		t.replace(indexBelow(drawn, uint64(r.n)), churnDelay(drawn))
	}).ns())
}

func (r round) postpone() {
	t := newTimers(r.n, r.reset)
	draw := &random{r.seed}
	for i := range t.all {
		t.arm(i, postponeDelay)
	}
	answer("operation", "ns", measure(r.n, r.length, func() {
		t.postpone(indexBelow(draw.next(), uint64(r.n)), postponeDelay)
	}).ns())
}

func (r round) ofAll(work func(thread int) measured) float64 {
	var all sync.WaitGroup
	done := make([]measured, r.threads)
	for k := 0; k < r.threads; k++ {
		all.Add(1)
		go func(k int) {
			defer all.Done()
			done[k] = work(k)
		}(k)
	}
	all.Wait()
	perNs := 0.0
	for _, m := range done {
		perNs += float64(m.operations) / float64(m.elapsed.Nanoseconds())
	}
	return 1 / perNs
}

func (r round) manyThreads() {
	t, _ := r.filled()
	own := r.n / r.threads
	churn := func(from, count int, seed uint64) measured {
		draw := &random{seed}
		return measure(own, r.length, func() {
			drawn := draw.next()
			i := from + indexBelow(drawn, uint64(count))
			t.cancel(i)
			t.arm(i, churnDelay(drawn))
		})
	}
	answer("churn, own timers", "ns", r.ofAll(func(k int) measured { return churn(k*own, own, r.seed+uint64(k)) }))
	answer("postpone, own timers", "ns", r.ofAll(func(k int) measured {
		draw := &random{r.seed + uint64(k)}
		return measure(own, r.length, func() {
			t.postpone(k*own+indexBelow(draw.next(), uint64(own)), postponeDelay)
		})
	}))
}

func (r round) fire() {
	t := newTimers(r.n, r.reset)
	t.note(r.n, 64)
	draw := &random{r.seed}
	arming := cpu()
	base := t.armAhead(r.n, func(int) time.Duration { return delayIn(draw.next(), 0, 1000000) })
	armed := cpu()
	end := base.Add(time.Second)
	t.awaitFired(r.n, end, end.Add(30*time.Second))
	answer("cpu per firing", "ns", float64(cpu()-armed)/float64(r.n))
	answer("cpu per arming", "ns", float64(armed-arming)/float64(r.n))
	answerSamples("lateness", "ns", t.late)
}

func (r round) lateness() {
	t := newTimers(r.n, r.reset)
	t.note(r.n, 1)
	draw := &random{r.seed}
	lengthUs := uint64(r.n) * 1000
	base := t.armAhead(r.n, func(int) time.Duration { return delayIn(draw.next(), 0, lengthUs) })
	end := base.Add(time.Duration(lengthUs) * time.Microsecond)
	t.awaitFired(r.n, end, end.Add(10*time.Second))
	answerSamples("lateness", "ns", t.late)
}

func (r round) memory() {
	debug.FreeOSMemory()
	before := kernelBytes("/proc/self/smaps_rollup", "Rss:")
	t := newTimers(r.n, r.reset)
	draw := &random{r.seed}
	for i := range t.all {
		t.arm(i, delayIn(draw.next(), 600000000, 60000000))
	}
	debug.FreeOSMemory()
	after := kernelBytes("/proc/self/smaps_rollup", "Rss:")
	answer("bytes per timer", "bytes", float64(after-before)/float64(r.n))
	runtime.KeepAlive(t)
}

func (r round) idle() {
	t := newTimers(r.n, r.reset)
	draw := &random{r.seed}
	for i := range t.all {
		t.arm(i, delayIn(draw.next(), 600000000, 60000000))
	}
	runtime.GC()
	time.Sleep(500 * time.Millisecond)
	sleeps, used := sleepsOfAllThreads(), cpu()
	time.Sleep(r.length)
	used = cpu() - used
	woken := float64(sleepsOfAllThreads()-sleeps-1) / r.length.Seconds()
	if woken < 0 {
		woken = 0
	}
	answer("wake-ups per second", "count", woken)
	answer("cpu per second", "ns", float64(used.Nanoseconds())/r.length.Seconds())
	runtime.KeepAlive(t)
}

func (r round) herd() {
	const others = 1000
	const stride = 16
	herdEnd := (r.n + stride - 1) / stride * stride
	t := newTimers(herdEnd+others*stride, r.reset)
	t.note(len(t.all), stride)
	draw := &random{r.seed}
	before := kernelBytes("/proc/self/smaps_rollup", "Rss:")
	base := time.Now().Add(3*time.Second + time.Duration(r.n)*2*time.Microsecond)
	arm := func(i int, at time.Time) {
		t.due[i] = at
		t.arm(i, time.Until(at))
	}
	for i := 0; i < r.n; i++ {
		arm(i, base.Add(500*time.Millisecond+delayIn(draw.next(), 0, 1000)))
	}
	for k := 0; k < others; k++ {
		arm(herdEnd+k*stride, base.Add(delayIn(draw.next(), 0, 2000000)))
	}
	end := base.Add(2 * time.Second)
	t.awaitFired(r.n+others, end, end.Add(30*time.Second))
	last := base
	for i := 0; i < r.n; i += stride {
		if at := t.due[i].Add(time.Duration(t.late[i])); at.After(last) {
			last = at
		}
	}
	answer("drain per firing", "ns", float64(last.Sub(base.Add(500*time.Millisecond)).Nanoseconds())/float64(r.n))
	answer("peak bytes per timer", "bytes", float64(kernelBytes("/proc/self/status", "VmHWM:")-before)/float64(r.n))
	answerSamples("herd's lateness", "ns", t.late[:herdEnd])
	answerSamples("others' lateness", "ns", t.late[herdEnd:])
}

const selectWidth = 8

func selectOne(from *[selectWidth]chan uint64) uint64 {
	select {
	case value := <-from[0]:
		return value
	case value := <-from[1]:
		return value
	case value := <-from[2]:
		return value
	case value := <-from[3]:
		return value
	case value := <-from[4]:
		return value
	case value := <-from[5]:
		return value
	case value := <-from[6]:
		return value
	case value := <-from[7]:
		return value
	}
}

func makeNumbers(capacity int) *[selectWidth]chan uint64 {
	var made [selectWidth]chan uint64
	for i := range made {
		made[i] = make(chan uint64, capacity)
	}
	return &made
}

func (r round) channel() {
	if r.n != selectWidth {
		cannot("its selects have 8 cases")
	}
	if r.reset {
		cannot("channels are measured in the row go")
	}
	const period = time.Millisecond
	var late []int64
	begin := time.Now()
	used := cpu()
	ticker := time.NewTicker(period)
	for {
		<-ticker.C
		now := time.Now()
		// The phase is kept, so the tick's deadline is the last multiple of the period; more than one late counts as less.
		late = append(late, int64(now.Sub(begin)%period))
		if now.Sub(begin) >= r.length {
			break
		}
	}
	answer("cpu per tick", "ns", float64((cpu()-used).Nanoseconds())/float64(len(late)))
	answerSamples("receive after a tick", "ns", late)
	ticker.Stop()

	quarter := r.length / 4
	timer := time.NewTimer(0)
	<-timer.C
	answer("receive after reset", "ns", measure(1, quarter, func() {
		timer.Reset(0) // Its value was received: there is nothing to drain.
		<-timer.C
	}).ns())

	draw := &random{r.seed}
	kept := makeNumbers(1)
	answer("select, one ready", "ns", measure(1, quarter, func() {
		kept[indexBelow(draw.next(), selectWidth)] <- 1
		selectOne(kept)
	}).ns())

	handed := makeNumbers(0)
	go func() {
		draw := &random{r.seed}
		for {
			handed[indexBelow(draw.next(), selectWidth)] <- 1
		}
	}()
	answer("select, handed over", "ns", measure(1, quarter, func() { selectOne(handed) }).ns())
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: bench_go ROW WORKLOAD [n=N threads=N seconds=S seed=X]")
		os.Exit(2)
	}
	r := round{workload: os.Args[2], n: 1000, threads: 1, length: 200 * time.Millisecond, seed: 1}
	r.reset = os.Args[1] == "go-reset"
	for _, argument := range os.Args[3:] {
		key, value, _ := strings.Cut(argument, "=")
		switch key {
		case "n":
			r.n, _ = strconv.Atoi(value)
		case "threads":
			r.threads, _ = strconv.Atoi(value)
		case "seconds":
			seconds, _ := strconv.ParseFloat(value, 64)
			r.length = time.Duration(seconds * 1e9)
		case "seed":
			r.seed, _ = strconv.ParseUint(value, 10, 64)
		}
	}
	fmt.Printf("version %s\nsharing any_thread\n", strings.TrimPrefix(runtime.Version(), "go"))
	rounds := map[string]func(){"churn": r.churn, "turnover": r.turnover, "postpone": r.postpone, "threads": r.manyThreads,
		"fire": r.fire, "lateness": r.lateness, "memory": r.memory, "idle": r.idle, "herd": r.herd, "channel": r.channel}
	run, known := rounds[r.workload]
	if !known {
		cannot("its program has no workload " + r.workload)
	}
	run()
}
