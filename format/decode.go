package format

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"

	"github.com/teff-ml/teff/quant"
)

// job is a part of a tensor still to be decoded.
type job struct {
	part  quant.Part
	fail  func(error) error // names the tensor
	bytes int               // decoded, about
}

// parallelFrom is the number of bytes to decode from which threads are worth
// waking: a tenth of a millisecond's work.
const parallelFrom = 256 << 10

// runJobs runs them on all threads there are and gives the error of the first
// that fails, in the order of the file.
func runJobs(jobs []job) error {
	total := 0
	for _, j := range jobs {
		total += j.bytes
	}
	threads := min(goruntime.GOMAXPROCS(0), len(jobs))
	if total < parallelFrom {
		threads = min(threads, 1)
	}
	var next atomic.Int32
	errs := make([]error, len(jobs))
	work := func() {
		scratch := make([]byte, quant.ScratchBytes)
		for i := int(next.Add(1)) - 1; i < len(jobs); i = int(next.Add(1)) - 1 {
			errs[i] = jobs[i].part(scratch)
		}
	}
	var wait sync.WaitGroup
	for range threads - 1 {
		wait.Go(work)
	}
	if threads > 0 {
		work()
	}
	wait.Wait()
	for i, err := range errs {
		if err != nil {
			return jobs[i].fail(err)
		}
	}
	return nil
}
