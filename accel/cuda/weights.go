package cuda

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/teff-ml/teff/accel/cuda/internal/driver"
	"github.com/teff-ml/teff/ops/tensor"
)

// weight is bytes that a program needs on the device: a tensor's own, or what is
// made of up to four of them.
type weight struct {
	key  weightKey
	make func() ([]byte, error) // called when the bytes are not on the device yet
}

// weightKey says what bytes are made of: where its sources lie in this machine's
// memory, and how they are changed. Sources stay there as long as a program
// uses the bytes: a model closes its programs before its file.
type weightKey struct {
	from [4]*byte
	n    int    // bytes on the device
	form string // "": as they are
}

// raw is a tensor as it is.
func raw(t tensor.Tensor) weight {
	return weight{weightKey{from: [4]*byte{&t.Data[0]}, n: len(t.Data)}, func() ([]byte, error) { return t.Data, nil }}
}

// made is n bytes made of tensors; form tells apart what is made of the same ones.
func made(form string, n int, f func() ([]byte, error), of ...tensor.Tensor) weight {
	w := weight{weightKey{n: n, form: form}, f}
	for i, t := range of {
		w.key.from[i] = &t.Data[0]
	}
	return w
}

// slab is a piece of device memory with the weights that one program brought.
type slab struct {
	at      driver.Ptr
	bytes   int
	keys    []weightKey
	users   int // open programs: as long as there are any, others find its weights
	holders int // programs that are open or have sessions
}

// placed is where a weight lies.
type placed struct {
	in *slab
	at driver.Ptr
}

// weightAlign is what the driver itself aligns to.
const weightAlign = 256

// upload brings weights that are not on the device there, all of them in one
// piece of memory or none, and says which pieces hold the program's. b.mu is held.
func (b *backend) upload(ws []weight) ([]driver.Ptr, []*slab, error) {
	s := &slab{}
	offset := map[weightKey]int{}
	var missing []weight
	for _, w := range ws {
		_, here := b.weights[w.key]
		_, coming := offset[w.key]
		if here || coming {
			continue
		}
		offset[w.key] = s.bytes
		s.bytes += (w.key.n + weightAlign - 1) &^ (weightAlign - 1)
		missing = append(missing, w)
	}
	if s.bytes > 0 {
		if err := b.fill(s, missing, offset); err != nil {
			return nil, nil, err
		}
		b.slabs[s] = true
		b.bytes += s.bytes
		for k, o := range offset {
			b.weights[k] = placed{s, s.at + driver.Ptr(o)}
			s.keys = append(s.keys, k)
		}
	}
	at := make([]driver.Ptr, len(ws))
	var used []*slab
	seen := map[*slab]bool{}
	for i, w := range ws {
		p := b.weights[w.key]
		at[i] = p.at
		if !seen[p.in] {
			seen[p.in] = true
			used = append(used, p.in)
			p.in.users++
			p.in.holders++
		}
	}
	return at, used, nil
}

// fill allocates a slab and copies each weight to its offset.
func (b *backend) fill(s *slab, ws []weight, offset map[weightKey]int) error {
	var err error
	if s.at, err = b.alloc(s.bytes, "weights"); err != nil {
		return err
	}
	stream, err := b.drv.NewStream()
	if err != nil {
		return errors.Join(fmt.Errorf("cuda: stream for the weights: %w", err), b.drv.Free(s.at))
	}
	var alive [][]byte // until the device has read them
	for _, w := range ws {
		if err != nil {
			break
		}
		var data []byte
		if data, err = w.make(); err != nil {
			break
		}
		if len(data) != w.key.n {
			panic(fmt.Sprintf("BUG: cuda: a weight has %d bytes, not %d", len(data), w.key.n))
		}
		alive = append(alive, data)
		err = b.drv.ToDevice(stream, s.at+driver.Ptr(offset[w.key]), data)
	}
	// Even after a failure nothing may read the weights any more.
	if e := b.drv.Sync(stream); err == nil {
		err = e
	}
	runtime.KeepAlive(alive)
	if e := b.drv.CloseStream(stream); err == nil {
		err = e
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cuda: copying %d bytes of weights to the device: %w", s.bytes, err), b.drv.Free(s.at))
	}
	return nil
}

// Close gives the program's weights back that no other open program uses; what
// its sessions read goes with the last of them. From here on their sources may
// go, and other weights may come to lie where they did.
func (p *program) Close() error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	return p.drop()
}

// drop is Close; b.mu is held.
func (p *program) drop() error {
	b := p.b
	if p.closed || b.closed {
		return nil
	}
	p.closed = true
	for _, s := range p.slabs {
		if s.users--; s.users == 0 {
			for _, k := range s.keys {
				delete(b.weights, k)
			}
			s.keys = nil
		}
	}
	return p.giveBack()
}

// giveBack frees what only this program held, once it is closed and has no
// session. b.mu is held.
func (p *program) giveBack() error {
	if !p.closed || p.states > 0 {
		return nil
	}
	var errs []error
	for _, s := range p.slabs {
		if s.holders--; s.holders == 0 {
			errs = append(errs, p.b.drv.Free(s.at))
			p.b.bytes -= s.bytes
			delete(p.b.slabs, s)
		}
	}
	p.slabs = nil
	return errors.Join(errs...)
}
