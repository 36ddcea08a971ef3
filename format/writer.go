package format

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// WriteOptions says what goes into a file beside the graph. nil means nothing,
// and weights as they are.
type WriteOptions struct {
	Metadata *Metadata
	Golden   *Golden
	// Encode chooses how a parameter is stored; nil: Raw for all.
	Encode func(g *graph.Graph, id graph.ID, param int) Choice
}

// Write writes a file.
func Write(w io.Writer, g *graph.Graph, o *WriteOptions) error {
	b, err := Marshal(g, o)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// weightWriter collects the weights section: what must lie at multiples of
// weightAlign, then the rest.
type weightWriter struct {
	aligned, rest []byte
	seen          map[weightKey][]seenWeight
	decoded       int // bytes that a reader decodes them to, beside those used where they lie
}

// weightKey tells nearly all weights apart; the bytes decide.
type weightKey struct {
	crc    uint32
	spec   string
	choice Choice
}

type seenWeight struct {
	data []byte
	stored
}

// store adds t unless equal data is there already.
func (w *weightWriter) store(t tensor.Tensor, c Choice) (stored, error) {
	if t.Source() != nil {
		t = t.Clone()
	}
	key := weightKey{crc32.Checksum(t.Data, castagnoli), t.Spec.String(), c}
	for _, s := range w.seen[key] {
		if bytes.Equal(s.data, t.Data) {
			return s.stored, nil
		}
	}
	data, encoding, err := c.encode(t)
	if err != nil {
		return stored{}, err
	}
	to := &w.rest
	if encoding < firstUnaligned {
		to = &w.aligned
		for len(*to)%weightAlign != 0 {
			*to = append(*to, 0)
		}
	}
	if encoding != Raw {
		w.decoded += len(t.Data)
	}
	s := stored{encoding: encoding, offset: len(*to), bytes: len(data)}
	*to = append(*to, data...)
	w.seen[key] = append(w.seen[key], seenWeight{t.Data, s})
	return s, nil
}

// check refuses what no reader would take.
func (o *WriteOptions) check(w *weightWriter) error {
	if n, limit := len(w.aligned)+len(w.rest), maxDecoded(len(w.aligned)+len(w.rest)); w.decoded > limit {
		return fmt.Errorf("format: %d bytes of weights that decode to %d, of which a reader takes at most %d: store more of them raw", n, w.decoded, limit)
	}
	if g := o.Golden; g != nil && max(len(g.Inputs), len(g.Outputs)) > maxGolden {
		return fmt.Errorf("format: %d golden inputs and %d outputs, at most %d each", len(g.Inputs), len(g.Outputs), maxGolden)
	}
	return nil
}

// Marshal is the file as bytes. The error is an encoding that does not suit a
// tensor, which it names, or more metadata, golden values or compression than
// readers take (SPEC.md, "What a reader refuses").
func Marshal(g *graph.Graph, o *WriteOptions) ([]byte, error) {
	if g == nil {
		return nil, fmt.Errorf("format: %w", graph.ErrNil)
	}
	if o == nil {
		o = &WriteOptions{}
	}
	weights := &weightWriter{seen: map[weightKey][]seenWeight{}}
	choices := map[[2]int]Choice{}
	err := new(enc).graph(g, func(id graph.ID, param int, t tensor.Tensor) (stored, error) {
		var c Choice
		if o.Encode != nil {
			c = o.Encode(g, id, param)
		}
		choices[[2]int{int(id), param}] = c
		return weights.store(t, c)
	})
	if err != nil {
		return nil, err
	}
	var e enc // again, now that it is known where the rest starts
	err = e.graph(g, func(id graph.ID, param int, t tensor.Tensor) (stored, error) {
		s, err := weights.store(t, choices[[2]int{int(id), param}])
		if s.encoding >= firstUnaligned {
			s.offset += len(weights.aligned)
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	if err := o.check(weights); err != nil {
		return nil, err
	}
	if e.spent > maxGraphBytes+len(e.b) {
		return nil, fmt.Errorf("format: a graph of %d nodes has more parts than a reader takes", g.Len())
	}
	sections := []part{{SectionGraph, 1, e.b}}
	if o.Metadata != nil {
		m := o.Metadata.encode()
		if len(m) > maxMeta {
			return nil, fmt.Errorf("format: %d bytes of metadata, at most %d", len(m), maxMeta)
		}
		sections = append(sections, part{SectionMeta, 0, m})
	}
	if o.Golden != nil {
		sections = append(sections, part{SectionGolden, 0, o.Golden.encode()})
	}
	sections = append(sections, part{SectionWeights, 1, append(weights.aligned, weights.rest...)})
	return join(sections), nil
}

// part is a section to be written.
type part struct {
	kind, required int
	data           []byte
}

// join puts sections behind a header and a table of contents.
func join(sections []part) []byte {
	le := binary.LittleEndian
	out := make([]byte, headerSize+entrySize*len(sections))
	for i, s := range sections {
		align := 8
		if s.kind == SectionWeights {
			if align = pageSize; len(s.data) < pageFrom {
				align = weightAlign // a page of padding would show
			}
		}
		for len(out)%align != 0 {
			out = append(out, 0)
		}
		entry := out[headerSize+i*entrySize:][:entrySize]
		le.PutUint32(entry, uint32(s.kind))
		le.PutUint32(entry[4:], uint32(s.required))
		le.PutUint64(entry[8:], uint64(len(out)))
		le.PutUint64(entry[16:], uint64(len(s.data)))
		le.PutUint32(entry[24:], crc32.Checksum(s.data, castagnoli))
		sum := sum256(s.data)
		copy(entry[32:], sum[:])
		out = append(out, s.data...)
	}
	copy(out, Magic)
	le.PutUint16(out[8:], Major)
	le.PutUint16(out[10:], Minor)
	le.PutUint64(out[16:], uint64(len(out)))
	le.PutUint64(out[24:], headerSize)
	le.PutUint32(out[32:], uint32(entrySize*len(sections)))
	le.PutUint32(out[36:], uint32(len(sections)))
	le.PutUint32(out[40:], crc32.Checksum(out[headerSize:headerSize+entrySize*len(sections)], castagnoli))
	le.PutUint32(out[headerSize-4:], crc32.Checksum(out[:headerSize-4], castagnoli))
	return out
}

// WriteFile writes a file so that path holds either what was there before or
// all of the new one, also after a crash: under a temporary name in the same
// folder, synced, renamed.
func WriteFile(path string, g *graph.Graph, o *WriteOptions) error {
	b, err := Marshal(g, o)
	if err != nil {
		return err
	}
	return AtomicWrite(path, b)
}
