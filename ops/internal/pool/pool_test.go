package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// marks counts how often each part ran and which workers ran.
type marks struct {
	hits    []atomic.Int32
	workers [8]atomic.Int32
	spin    int
}

func (m *marks) Do(i, worker int) {
	m.hits[i].Add(1)
	m.workers[worker].Add(1)
	for range m.spin {
		sink.Add(1)
	}
}

var sink atomic.Int64

// order keeps each worker's parts.
type order [2][]int

func (o *order) Do(i, worker int) { o[worker] = append(o[worker], i) }

func TestAfter(t *testing.T) {
	p := New(2)
	for range 100 {
		var o order
		p.Run(50, &o)
		for worker, parts := range o {
			for i := 1; i < len(parts); i++ {
				require.Equal(t, After(parts[i-1], worker), parts[i])
			}
		}
	}
}

func TestEveryPartOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 5} {
		p := New(threads)
		require.Equal(t, threads, p.Threads())
		for _, n := range []int{0, 1, 2, 3, 7, 64, 1000} {
			for range 50 {
				m := &marks{hits: make([]atomic.Int32, n)}
				p.Run(n, m)
				for i := range m.hits {
					require.EqualValues(t, 1, m.hits[i].Load(), "part %d of %d", i, n)
				}
			}
		}
		p.Close()
		m := &marks{hits: make([]atomic.Int32, 10)}
		p.Run(10, m) // a closed pool still computes
		for i := range m.hits {
			require.EqualValues(t, 1, m.hits[i].Load())
		}
	}
	var none *Pool
	m := &marks{hits: make([]atomic.Int32, 3)}
	none.Run(3, m)
	require.EqualValues(t, 3, m.workers[0].Load())
	none.Close()
}

func TestConcurrentCallers(t *testing.T) {
	p := New(3)
	defer p.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 300 {
				m := &marks{hits: make([]atomic.Int32, 9)}
				p.Run(9, m)
				for i := range m.hits {
					if m.hits[i].Load() != 1 {
						t.Errorf("part %d ran %d times", i, m.hits[i].Load())
					}
				}
			}
		}()
	}
	wg.Wait()
}

func TestParksAndWakes(t *testing.T) {
	p := New(3)
	defer p.Close()
	m := &marks{hits: make([]atomic.Int32, 4)}
	p.Run(4, m)
	require.Eventually(t, func() bool { return p.w.parked.Load() == 2 }, 5*time.Second, time.Millisecond, "idle workers do not park")
	// A worker that sleeps must not be waited for, and must come back.
	require.Eventually(t, func() bool {
		m := &marks{hits: make([]atomic.Int32, 200), spin: 2000}
		p.Run(200, m)
		return m.workers[1].Load()+m.workers[2].Load() > 0
	}, 5*time.Second, time.Millisecond, "parked workers do not wake")
}

type panics struct{ at int }

func (x *panics) Do(i, _ int) {
	if i == x.at {
		panic("part failed")
	}
	time.Sleep(time.Microsecond)
}

func TestPanicReachesTheCaller(t *testing.T) {
	p := New(2)
	defer p.Close()
	for at := range 20 {
		require.Panics(t, func() { p.Run(20, &panics{at}) })
		m := &marks{hits: make([]atomic.Int32, 50)}
		p.Run(50, m)
		for i := range m.hits {
			require.EqualValues(t, 1, m.hits[i].Load(), "the pool is broken after a panic")
		}
	}
}

// workerPanics fails on workers only and counts how often.
type workerPanics struct{ n atomic.Int32 }

func (x *workerPanics) Do(_, worker int) {
	for range 2000 { // long enough for a worker to come and take a part
		sink.Add(1)
	}
	if worker != 0 {
		x.n.Add(1)
		panic("worker failed")
	}
}

// TestPanicIsOfItsOwnRun: a worker's panic comes out of the run it happened in,
// not out of a later one, also when it is the last part that fails.
func TestPanicIsOfItsOwnRun(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 3000 {
		x := &workerPanics{}
		got := func() (v any) {
			defer func() { v = recover() }()
			p.Run(2, x)
			return nil
		}()
		require.Equal(t, x.n.Load() > 0, got != nil)
	}
}

// TestCollected: the goroutines of a pool that nobody holds end.
func TestCollected(t *testing.T) {
	w := func() *workers {
		p := New(3)
		p.Run(4, &marks{hits: make([]atomic.Int32, 4)})
		return p.w
	}()
	require.Eventually(t, func() bool { runtime.GC(); return w.quit.Load() }, 5*time.Second, 5*time.Millisecond)
	w.wg.Wait()
}

func TestNoAllocations(t *testing.T) {
	p := New(2)
	defer p.Close()
	m := &marks{hits: make([]atomic.Int32, 16)}
	p.Run(16, m)
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Run(16, m) }))
}

// BenchmarkRun compares a job of eight parts with the same work done by the
// caller alone.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name    string
		threads int
	}{{"serial", 1}, {"two", 2}} {
		b.Run(c.name, func(b *testing.B) {
			p := New(c.threads)
			defer p.Close()
			m := &marks{hits: make([]atomic.Int32, 8), spin: 500}
			for b.Loop() {
				p.Run(8, m)
			}
		})
	}
}
