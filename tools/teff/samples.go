package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	goruntime "runtime"
	"slices"
	"sync"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// imageStore is the images of a set that can be read: kept as 8 bits a channel
// where there is room, else decoded again when wanted. It may hold their
// features as well.
type imageStore struct {
	set     *dataset.Set
	p       format.Preprocess // of the network
	index   []int             // of those that can be read, in the set
	kept    []*imageio.RGB    // the same images, nil: decode
	labels  []int
	skipped []string
	sum     uint32 // of all pixels

	feature      []float32 // [image][view][width]
	views, width int
}

// maxSampleBytes bounds what kept images may take.
const maxSampleBytes = 1 << 30

// openStore decodes every image once, on two goroutines, and lists what cannot
// be read. quiet hides the progress.
func openStore(ctx context.Context, c *cli, set *dataset.Set, p format.Preprocess, maxSkipped int, quiet bool) (*imageStore, error) {
	s := &imageStore{set: set, p: p, skipped: slices.Clone(set.Skipped)}
	keep := int64(set.Len())*int64(4*p.Width*p.Height) <= maxSampleBytes // about: stored images may be a little larger
	pr := newProgress(c, "read", set.Len(), quiet)
	type result struct {
		m   *imageio.RGB
		err error
	}
	const chunk = 64
	for from := 0; from < set.Len(); from += chunk {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got := make([]result, min(chunk, set.Len()-from))
		parallel(len(got), func(i int) { got[i].m, got[i].err = s.decode(from + i) })
		for i, r := range got {
			if r.err != nil {
				if s.skipped = append(s.skipped, r.err.Error()); len(s.skipped) > maxSkipped {
					return nil, fmt.Errorf("%d images cannot be read, the last: %w", len(s.skipped), r.err)
				}
				continue
			}
			s.sum = crc32.Update(s.sum, crc32.IEEETable, r.m.Pix)
			s.index = append(s.index, from+i)
			s.labels = append(s.labels, set.Labels[from+i])
			if keep {
				s.kept = append(s.kept, r.m)
			}
		}
		pr.set(from + len(got))
	}
	pr.done()
	if len(s.index) == 0 {
		return nil, fmt.Errorf("%s: no image can be read", set.Name)
	}
	return s, nil
}

// parallel runs f for 0 to n-1 on up to two goroutines.
func parallel(n int, f func(i int)) {
	workers := min(2, goruntime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// decode reads image i of the set, scaled but not cut: there is room at the
// edges for augmentation.
func (s *imageStore) decode(i int) (*imageio.RGB, error) {
	m, err := s.set.Image(i)
	if err != nil {
		return nil, err
	}
	whole := s.p
	if whole.Resize > 0 {
		short := float64(whole.Resize) / float64(min(m.W, m.H))
		w, h := max(1, int(float64(m.W)*short+0.5)), max(1, int(float64(m.H)*short+0.5))
		if m.W > 8*m.H || m.H > 8*m.W { // a strip has no room worth its memory
			return imageio.Scaled(m, whole)
		}
		return m.Resize(w, h, whole.Mode)
	}
	return imageio.Scaled(m, whole)
}

// image is image i of those that can be read.
func (s *imageStore) image(i int) (*imageio.RGB, error) {
	if s.kept != nil {
		return s.kept[i], nil
	}
	return s.decode(s.index[i])
}

// put writes image i, as it is or augmented, as row k of the input t. dst is
// memory to use again.
func (s *imageStore) put(t tensor.Tensor, k, i int, a dataset.Augment, rng *rand.Rand, dst *imageio.RGB) (*imageio.RGB, error) {
	m, err := s.image(i)
	if err != nil {
		return dst, err
	}
	if !a.IsZero() {
		if dst, err = a.Apply(dst, m, s.p.Width, s.p.Height, rng); err != nil {
			return dst, err
		}
		m = dst
	} else if m.W != s.p.Width || m.H != s.p.Height {
		m = m.Crop(s.p.Width, s.p.Height)
	}
	done := s.p
	done.Resize = 0
	return dst, imageio.Into(t, k, m, done)
}

// samples are some of a store's images.
type samples struct {
	store  *imageStore
	index  []int // in the store
	labels []int
}

func (s *imageStore) all() *samples {
	return s.pick(firstN(len(s.labels)))
}

func (s *imageStore) pick(index []int) *samples {
	p := &samples{store: s, index: index, labels: make([]int, len(index))}
	for k, i := range index {
		p.labels[k] = s.labels[i]
	}
	return p
}

// views is how many pictures there are of each sample.
func (s *samples) views() int {
	if s.store.feature != nil {
		return s.store.views
	}
	return 1
}

// features is view v of sample i.
func (s *samples) features(i, v int) []float32 {
	at := (s.index[i]*s.store.views + v) * s.store.width
	return s.store.feature[at : at+s.store.width]
}

// shuffled is 0 to n-1 in an order that the seeds alone decide.
func shuffled(n int, seed, epoch uint64) []int {
	return rand.New(rand.NewPCG(seed, epoch^0x5eed)).Perm(n)
}

// parts deals a store's images out: n parts with the same share of every class.
func (s *imageStore) parts(n int, seed uint64) [][]int {
	parts := make([][]int, n)
	next := map[int]int{}
	at := 0
	order := shuffled(len(s.labels), seed, 1<<40)
	slices.SortStableFunc(order, func(a, b int) int { return s.labels[a] - s.labels[b] })
	for _, i := range order { // class after class, each going on where the last stopped
		l := s.labels[i]
		if _, ok := next[l]; !ok {
			next[l] = at
		}
		parts[at%n] = append(parts[at%n], i)
		at++
	}
	for _, p := range parts {
		slices.Sort(p)
	}
	return parts
}

// holdBack splits a store: the same share of every class is kept for
// validation; none where that would be less than one image.
func (s *imageStore) holdBack(share float64, seed uint64) (training, validation *samples) {
	by := map[int][]int{}
	for _, i := range shuffled(len(s.labels), seed, 1<<40) {
		by[s.labels[i]] = append(by[s.labels[i]], i)
	}
	var a, b []int
	for _, list := range by {
		n := int(float64(len(list))*share + 0.5)
		b = append(b, list[:n]...)
		a = append(a, list[n:]...)
	}
	slices.Sort(a)
	slices.Sort(b)
	return s.pick(a), s.pick(b)
}

// countRight counts rows whose largest score is the label's.
func countRight(scores []float32, labels []int32) int {
	n, right := len(scores)/len(labels), 0
	for k, l := range labels {
		if argmax(scores[k*n:(k+1)*n]) == int(l) {
			right++
		}
	}
	return right
}

func argmax(row []float32) int {
	best := 0
	for c, v := range row {
		if v > row[best] {
			best = c
		}
	}
	return best
}
