// Package pool splits work over a few goroutines that stay warm between
// operators.
//
// The parts of a job are claimed one by one by compare-and-swap on one word
// that holds the job's epoch and the range of parts that is left. The caller
// claims too, so it never waits for a worker that sleeps: on a busy machine it
// does all parts alone. It takes parts from the front and every other worker
// from the back, so that what one job left in a core's caches the next finds
// there: lines that another core wrote come ten times as slowly. Workers spin for a quarter of a millisecond after the
// last part they saw, which covers the gap between two operators, and then
// park, so an idle pool costs nothing.
package pool

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/teff-ml/teff/ops/internal/cpu"
)

// Task is work in parts. Do computes part i on the given worker; the caller is
// worker 0. Parts run in any order and at the same time.
type Task interface{ Do(i, worker int) }

// spinTime is how long an idle worker waits awake.
const spinTime = 250 * time.Microsecond

// The claim word: epoch in the high bits, then the end of the range of parts
// that is left, then its start.
const (
	partBits = 22
	partMask = 1<<partBits - 1
	maxParts = partMask
)

// Pool is a caller and its workers. A nil Pool is the caller alone. Run may be
// called from several goroutines: one has the workers, the others work alone.
type Pool struct {
	threads int
	w       *workers
}

// workers is what the goroutines hold; they do not hold the Pool, so that one
// nobody uses any more is collected and its goroutines end.
type workers struct {
	word    atomic.Uint64
	task    Task // of the current epoch; written before word, read after a claim
	done    atomic.Int64
	busy    atomic.Bool
	parked  atomic.Int32
	wake    chan struct{}
	started bool // under busy
	n       int  // goroutines
	quit    atomic.Bool
	failed  atomic.Pointer[failure]
	wg      sync.WaitGroup
}

// failure is a panic on its way from a worker to the caller.
type failure struct{ value any }

// New makes a pool of that many threads, the caller's included; 0 or less is
// GOMAXPROCS. Goroutines start with the first job that can use them.
func New(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, w: &workers{n: threads - 1, wake: make(chan struct{}, threads)}}
	runtime.AddCleanup(p, (*workers).stop, p.w)
	return p
}

// Threads is the number of workers a task may see, the caller included.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return p.threads
}

// Run calls t.Do for every part in [0, n) and returns when all are done. It
// does not allocate. A panic in a part comes out of Run.
func (p *Pool) Run(n int, t Task) {
	if n <= 1 || p == nil || p.threads == 1 || n > maxParts || !p.w.busy.CompareAndSwap(false, true) {
		for i := range n {
			t.Do(i, 0)
		}
		return
	}
	w := p.w
	if w.quit.Load() {
		w.busy.Store(false)
		for i := range n {
			t.Do(i, 0)
		}
		return
	}
	if !w.started {
		w.start()
	}
	w.run(n, t)
	runtime.KeepAlive(p)
}

func (w *workers) start() {
	w.started = true
	for i := range w.n {
		w.wg.Add(1)
		go w.loop(i + 1)
	}
}

func (w *workers) run(n int, t Task) {
	w.task = t
	w.done.Store(0)
	epoch := w.word.Load()>>(2*partBits) + 1
	w.word.Store(epoch<<(2*partBits) | uint64(n)<<partBits)
	for range min(int(w.parked.Load()), n-1) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	defer w.release(n)
	for w.claim(0) {
	}
}

// release waits for parts that workers still compute, also when the caller's
// own part panicked: nobody may touch the task after Run.
func (w *workers) release(n int) {
	// Take what is unclaimed when the caller's part panicked.
	for {
		old := w.word.Load()
		next, end := old&partMask, old>>partBits&partMask
		if next >= end {
			break
		}
		if w.word.CompareAndSwap(old, old&^partMask|end) {
			w.done.Add(int64(end - next))
		}
	}
	for i := 0; w.done.Load() < int64(n); i++ {
		cpu.Relax(4)
		if i > 4096 {
			runtime.Gosched()
		}
	}
	w.task = nil
	f := w.failed.Swap(nil)
	w.busy.Store(false)
	if f != nil {
		panic(f.value)
	}
}

// After is the part that a worker takes after part i, if nobody else has by then; it may be none of the job's.
func After(i, worker int) int {
	if worker&1 != 0 {
		return i - 1
	}
	return i + 1
}

// claim takes one part and computes it; false when there is none left.
func (w *workers) claim(worker int) bool {
	for {
		old := w.word.Load()
		part, end := old&partMask, old>>partBits&partMask
		if part >= end {
			return false
		}
		left := old + 1
		if worker&1 != 0 {
			part, left = end-1, old-1<<partBits
		}
		if w.word.CompareAndSwap(old, left) {
			w.part(int(part), worker)
			return true
		}
	}
}

func (w *workers) part(i, worker int) {
	defer w.finish(worker)
	w.task.Do(i, worker)
}

// finish counts a part as done. A worker's panic is kept for the caller, and
// before the count: once the last part is counted the caller leaves Run.
func (w *workers) finish(worker int) {
	if worker != 0 {
		if v := recover(); v != nil {
			w.failed.CompareAndSwap(nil, &failure{fmt.Sprintf("%v (in a worker)", v)})
		}
	}
	w.done.Add(1)
}

func (w *workers) loop(id int) {
	defer w.wg.Done()
	for {
		last := time.Now()
		for i := 0; ; i++ {
			if w.quit.Load() {
				return
			}
			if w.work(id) {
				last, i = time.Now(), 0
				continue
			}
			cpu.Relax(8)
			if i&31 == 31 && time.Since(last) > spinTime {
				break
			}
		}
		w.parked.Add(1)
		// A job may have come between the last look and the mark.
		if !w.pending() && !w.quit.Load() {
			<-w.wake
		}
		w.parked.Add(-1)
	}
}

func (w *workers) pending() bool {
	word := w.word.Load()
	return word&partMask < word>>partBits&partMask
}

// work does parts until none is left; false when there was none.
func (w *workers) work(id int) (any bool) {
	for w.claim(id) {
		any = true
	}
	return any
}

// stop ends the goroutines; it does not wait.
func (w *workers) stop() {
	w.quit.Store(true)
	for range w.n {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Close ends the goroutines and waits for them. Later runs are the caller's
// alone.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.w.stop()
	p.w.wg.Wait()
}
