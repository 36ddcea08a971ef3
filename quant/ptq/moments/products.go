package moments

import (
	"context"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
)

// products sums outer products of rows by the runtime's own matrix product.
type products struct {
	threads int
	of      map[int]*product
}

type product struct {
	model   *runtime.Model
	session *runtime.Session
}

// block is the number of rows in one product.
const block = 256

// small is the number of columns up to which a plain loop is as fast.
const small = 16

func (p *products) get(cols int) (*product, error) {
	if x, ok := p.of[cols]; ok {
		return x, nil
	}
	b := graph.NewBuilder("moments")
	x := b.Input("x", tensor.F32Spec(block, cols), false)
	b.Output("h", b.Add("h", &ops.MatMul{TransA: true}, nil, x, x))
	g, err := b.Build()
	if err != nil {
		return nil, err
	}
	m, err := runtime.New(g, runtime.WithThreads(p.threads))
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession()
	if err != nil {
		m.Close()
		return nil, err
	}
	p.of[cols] = &product{m, s}
	return p.of[cols], nil
}

// add adds rows of v to m.
func (p *products) add(ctx context.Context, m *sums, v []float32, rows, cols int) error {
	m.n += rows
	for r := range rows {
		for i, x := range v[r*cols:][:cols] {
			m.mean[i] += float64(x)
			if len(m.h) == cols && cols > 1 {
				m.h[i] += float64(x) * float64(x)
			}
		}
	}
	if len(m.h) == cols && cols > 1 {
		return nil
	}
	if cols <= small {
		for r := range rows {
			row := v[r*cols:][:cols]
			for i, x := range row {
				for j, y := range row {
					m.h[i*cols+j] += float64(x) * float64(y)
				}
			}
		}
		return nil
	}
	for v = v[:rows*cols]; len(v) > 0; {
		n := min(len(v), block*cols-len(m.rows))
		m.rows = append(m.rows, v[:n]...)
		if v = v[n:]; len(m.rows) == block*cols {
			if err := p.flush(ctx, m, cols); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush adds the rows that were kept.
func (p *products) flush(ctx context.Context, m *sums, cols int) error {
	if len(m.rows) == 0 {
		return nil
	}
	x, err := p.get(cols)
	if err != nil {
		return err
	}
	in := x.session.Input(0).F32()
	clear(in[copy(in, m.rows):])
	m.rows = m.rows[:0]
	if err := x.session.Run(ctx); err != nil {
		return err
	}
	for i, h := range x.session.Output(0).F32() {
		m.h[i] += float64(h)
	}
	return nil
}

func (p *products) close() {
	for _, x := range p.of {
		x.model.Close()
	}
}
