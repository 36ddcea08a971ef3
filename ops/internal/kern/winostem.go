package kern

import "github.com/teff-ml/teff/ops/internal/cpu"

// The first layer of many networks sees 7x7 pixels of three channels at stride 2. Two by two pixels folded into one of four
// times the channels make it a 4x4 convolution of stride 1, which Winograd's F(3x3, 4x4) does with 36 products for nine
// outputs: 48 of twelve channels' an output instead of 147. The points are those of F(4x4, 3x3) (0, 1, -1, 2, -2 and
// infinity), so Bᵀ is the same; Aᵀ has three rows and G four columns. With so few channels the products are short, so they
// never leave the first-level cache: four tiles by a vector of outputs at once, columns of planes one after the other,
// each on its way back as soon as it is there.

var (
	useStemAVX512 = cpu.AVX512 && haveAsm
	useStemAVX2   = cpu.AVX2 && haveAsm
)

func init() {
	cpu.Register("winostem/avx512", &useStemAVX512)
	cpu.Register("winostem/avx2", &useStemAVX2)
}

// StemF32 is a convolution of stride 2 of one image, with a kernel of at most 8x8 and at most four channels. Fill the first
// group of fields, call Plan.
type StemF32 struct {
	H, W, C    int // input [H][W][C]
	OH, OW, OC int
	KH, KW     int
	PT, PL     int // padding above and to the left
	tilesX     int
	width      int // pixels of a folded line
	k          int // channels of a folded pixel
}

// StemTile is the rows and columns of a tile: where Run starts is a multiple.
const StemTile = 3

const (
	stemSide   = StemTile + 3 // pixels of a transformed tile on a side
	stemPlanes = stemSide * stemSide
	stemGroup  = 4 // tiles that are multiplied at once
	stemLanes  = 16
	stemNarrow = 8            // outputs of a kernel by AVX2, which takes half of a group of tiles
	stemPair   = 2 * StemTile // rows that are computed at once
	stemFolded = stemPair + 3 // lines under them
	stemGroupH = stemGroup * StemTile * stemSide * stemLanes
)

// StemWorthwhile reports whether a kernel and channels of these sizes are likely to be faster this way than as a direct
// product.
func StemWorthwhile(kh, kw, c, oc int) bool {
	return (useStemAVX512 || useStemAVX2 && oc%stemNarrow == 0) && min(kh, kw) >= 6 && max(kh, kw) <= 8 && c <= 4 && oc >= stemLanes
}

// StemName is the instructions that it goes by.
func StemName() string {
	if useStemAVX512 {
		return "avx512"
	}
	return "avx2"
}

// Plan completes s.
func (s *StemF32) Plan() {
	s.k = 4 * s.C
	s.tilesX = (s.OW + StemTile - 1) / StemTile
	s.width = StemTile*s.tilesX + 3
}

// PackedSize is the length of the transformed weights in floats: [outputs/16][column of planes][channel][plane][16].
//
//go:noinline
func (s *StemF32) PackedSize() int { return (s.OC + stemLanes - 1) / stemLanes * s.panel() }

func (s *StemF32) panel() int { return stemPlanes * s.k * stemLanes }

// ScratchSize is how many floats Run needs.
//
//go:noinline
func (s *StemF32) ScratchSize() int {
	return s.linesSize() + s.foldedSize() + s.tiles()*stemPlanes*s.k + stemGroupH
}

func (s *StemF32) linesSize() int  { return roundUp16(2 * (2*s.width*s.C + 8)) }
func (s *StemF32) foldedSize() int { return roundUp16(stemFolded*s.width*s.k + 8) }
func (s *StemF32) tiles() int      { return (2*s.tilesX + stemGroup - 1) / stemGroup * stemGroup }

func roundUp16(n int) int { return (n + 15) / 16 * 16 }

// Pack transforms weights [OC][KH][KW][C] into dst.
func (s *StemF32) Pack(dst, weights []float32) {
	clear(dst[:s.PackedSize()])
	for n := range s.OC {
		to := dst[n/stemLanes*s.panel()+n%stemLanes:]
		w := weights[n*s.KH*s.KW*s.C:][:s.KH*s.KW*s.C]
		for k := range s.k {
			p, q, c := k/s.C/2, k/s.C%2, k%s.C // of the pixels that are folded into one
			var h [4][stemSide]float32
			for y := range 4 {
				var g [4]float32
				for x := range 4 {
					if i, j := 2*y+p, 2*x+q; i < s.KH && j < s.KW {
						g[x] = w[(i*s.KW+j)*s.C+c]
					}
				}
				h[y] = stemG(g[0], g[1], g[2], g[3])
			}
			for j := range stemSide {
				for i, u := range stemG(h[0][j], h[1][j], h[2][j], h[3][j]) {
					to[((j*s.k+k)*stemSide+i)*stemLanes] = u
				}
			}
		}
	}
}

// stemG is G times (a, b, c, d).
func stemG(a, b, c, d float32) [stemSide]float32 {
	const sixth, twentyFourth = float32(1) / 6, float32(1) / 24
	e, o := a+c, b+d
	f, p := (a+4*c)*twentyFourth, (2*b+8*d)*twentyFourth
	return [stemSide]float32{a * .25, (e + o) * -sixth, (e - o) * -sixth, f + p, f - p, d}
}

// StemArgs is one run.
type StemArgs struct {
	In       []float32 // the image
	Packed   []float32
	Bias     []float32 // OC, or nil
	Out      []float32 // from the first row of a run on
	OutPixel int       // floats from one pixel to the next
	Min, Max float32
}

// Run computes output rows y0, a multiple of StemTile, to y1. Runs with scratch of their own may run at the same time.
func (s *StemF32) Run(a *StemArgs, scratch []float32, y0, y1 int) {
	if y0 >= y1 {
		return
	}
	if y0 < 0 || y0%StemTile != 0 || y1 > s.OH || len(scratch) < s.ScratchSize() || len(a.Packed) < s.PackedSize() || len(a.In) < s.H*s.W*s.C ||
		a.Bias != nil && len(a.Bias) < s.OC || a.OutPixel < s.OC || len(a.Out) < ((y1-y0)*s.OW-1)*a.OutPixel+s.OC {
		panic("kern: BUG: stem: range or slice does not match the sizes")
	}
	lines, scratch := scratch[:s.linesSize()], scratch[s.linesSize():]
	folded, scratch := scratch[:s.foldedSize()], scratch[s.foldedSize():]
	room := scratch[s.tiles()*stemPlanes*s.k:]
	v := scratch[:s.tiles()*stemPlanes*s.k]
	line := s.width * s.k
	for y := y0; y < y1; y += stemPair {
		rows := (min(stemPair, y1-y) + StemTile - 1) / StemTile // of tiles
		have := 0
		if y > y0 {
			have = copy(folded, folded[stemPair*line:stemFolded*line]) / line
		}
		for i := have; i < StemTile*rows+3; i++ {
			s.fold(folded[i*line:], lines, a.In, y+i)
		}
		for r := range rows {
			s.input(v[r*s.tilesX*stemPlanes*s.k:], folded[r*StemTile*line:])
		}
		tiles := rows * s.tilesX
		clear(v[tiles*stemPlanes*s.k : min(len(v), (tiles+stemGroup-1)*stemPlanes*s.k)])
		s.products(a, v, room, tiles, y-y0, min(StemTile*rows, y1-y))
	}
}

// fold writes line y of pixels made of two by two; lines is room for those two, padded. What follows dst is spoilt.
func (s *StemF32) fold(dst, lines, in []float32, y int) {
	size, pair := len(lines)/2, 2*s.C
	var two [2][]float32
	for p := range two {
		l := lines[p*size:][:size]
		two[p] = l
		h := 2*y + p - s.PT
		left := s.PL * s.C
		have := min(s.W*s.C, size-left)
		if uint(h) >= uint(s.H) || have <= 0 {
			clear(l)
			continue
		}
		clear(l[:left])
		copy(l[left:], in[h*s.W*s.C:][:have])
		clear(l[left+have:])
	}
	a, b := two[0], two[1]
	for x := range s.width { // eight floats at once: what is too much is overwritten by those that follow
		copy8(dst[2*pair*x:], a[pair*x:])
		copy8(dst[2*pair*x+pair:], b[pair*x:])
	}
}

// copy8 is written out, as the compiler calls a function to move an array of that many.
func copy8(dst, src []float32) {
	d, s := (*[8]float32)(dst), (*[8]float32)(src)
	d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7] = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
}

// input transforms a row of tiles: v is [tile][plane][channel].
func (s *StemF32) input(v, folded []float32) {
	tile, line := stemPlanes*s.k, s.width*s.k
	_, _ = v[s.tilesX*tile-1], folded[stemSide*line-1]
	if useWinoAVX512 {
		t := winoStrip{base: &folded[0], spare: &zeroRow[0], planes: &v[0], stride: 4 * s.k, channels: s.k, count: s.tilesX, step: 4 * StemTile * s.k,
			pixel: 4 * s.k, pitch: 4 * tile}
		for i := range stemSide {
			t.rows[i], t.columns[i] = 4*i*line, 0xffff
		}
		winoInputStrip(4, &t)
		return
	}
	var offs [stemPlanes]int32
	for i := range offs {
		offs[i] = int32(i/stemSide*line + i%stemSide*s.k)
	}
	t := winoTile{offsets: &offs[0], spare: &zeroRow[0], stride: 4 * s.k, channels: s.k}
	for x := range s.tilesX {
		in, to := folded[StemTile*x*s.k:], v[x*tile:]
		if !useWinoAVX2 || s.k < winoVector {
			winoInputGeneric(4, in, offs[:], to, s.k, s.k)
			continue
		}
		t.base, t.planes = &in[0], &to[0]
		winoInput(4, &t)
	}
}

// stemTiles is a group of tiles by a vector of outputs; assembly knows the offsets (see TestStem).
type stemTiles struct {
	v      *float32 // [tile][plane][channel]
	w      *float32 // [column of planes][channel][plane][16]
	bias   *float32 // or nil
	out    *float32
	room   *float32 // [tile][column of planes][row][16]
	places *stemPlace
	line   int // bytes from one row of results to the next
	pixel  int // and from one pixel
	k      int // channels, an even number
	n      int // outputs that exist
	min    float32
	max    float32
}

// stemPlace is where a tile goes.
type stemPlace struct {
	at         int   // bytes from out
	rows, cols int32 // that exist
}

// products multiplies tiles and brings them back: rows of results, to a.Out from row y on.
func (s *StemF32) products(a *StemArgs, v, room []float32, tiles, y, rows int) {
	var places [stemGroup]stemPlace
	t := stemTiles{places: &places[0], line: 4 * s.OW * a.OutPixel, pixel: 4 * a.OutPixel, k: s.k, min: a.Min, max: a.Max, room: &room[:stemGroupH][0]}
	for n := 0; n < s.OC; n += stemLanes {
		w := a.Packed[n/stemLanes*s.panel():][:s.panel()]
		t.w, t.n = &w[0], min(stemLanes, s.OC-n)
		var bias []float32
		if a.Bias != nil {
			bias = a.Bias[n : n+t.n]
			t.bias = &bias[0]
		}
		out := a.Out[y*s.OW*a.OutPixel+n:]
		for g := 0; g < tiles; g += stemGroup {
			for i := range places {
				ty, tx := (g+i)/s.tilesX*StemTile, (g+i)%s.tilesX*StemTile
				places[i] = stemPlace{at: 4 * (ty*s.OW + tx) * a.OutPixel, rows: int32(min(StemTile, rows-ty)), cols: int32(min(StemTile, s.OW-tx))}
				if g+i >= tiles {
					places[i].rows = 0
				}
			}
			from := v[g*stemPlanes*s.k:][:stemGroup*stemPlanes*s.k]
			switch {
			case useStemAVX512:
				t.v, t.out = &from[0], &out[0]
				winoStem(&t)
			case useStemAVX2 && t.n%stemNarrow == 0:
				t.halves(from, w, bias, out, &places)
			default:
				winoStemGeneric(&t, from, w, bias, out, &places)
			}
		}
	}
}

// halves is a group by AVX2, which takes half of its tiles by eight outputs.
func (t *stemTiles) halves(v, w, bias, out []float32, places *[stemGroup]stemPlace) {
	h := *t
	for n := 0; n < t.n; n += stemNarrow {
		h.w, h.out = &w[n], &out[n]
		if bias != nil {
			h.bias = &bias[n]
		}
		for i := 0; i < stemGroup; i += stemGroup / 2 {
			h.v, h.places = &v[i*stemPlanes*t.k], &places[i]
			winoStemNarrow(&h)
		}
	}
}

// winoStemGeneric is the definition: sums over channels, then Aᵀ m A of columns and of rows.
func winoStemGeneric(t *stemTiles, v, w, bias, out []float32, places *[stemGroup]stemPlace) {
	for i, at := range places {
		for lane := range t.n {
			var m [stemPlanes]float32 // of plane j·6+i, row i and column j
			for p := range m {
				j, r := p/stemSide, p%stemSide
				for k := range t.k {
					m[p] += v[(i*stemPlanes+p)*t.k+k] * w[((j*t.k+k)*stemSide+r)*stemLanes+lane]
				}
			}
			for j := range stemSide {
				stemAT(m[j*stemSide:], 1)
			}
			for r := range min(StemTile, at.rows) {
				if bias != nil {
					m[stemSide+int(r)] += bias[lane] // a column of which every result has its own once
				}
				stemAT(m[r:], stemSide)
				for c := range at.cols {
					out[at.at/4+int(r)*t.line/4+int(c)*t.pixel/4+lane] = clampF32(m[int(r)+int(c)*stemSide], t.min, t.max)
				}
			}
		}
	}
}

// stemAT multiplies six elements, s apart, by Aᵀ; the three results stand first.
func stemAT(m []float32, s int) {
	d, e := m[s]+m[2*s], m[3*s]+m[4*s]
	f, g := m[s]-m[2*s], m[3*s]-m[4*s]
	m[0], m[s], m[2*s] = m[0]+d+e, f+2*g, d+m[5*s]+4*e
}
