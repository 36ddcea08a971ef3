package ops

import (
	"strconv"

	"github.com/teff-ml/teff/ops/internal/kern"
)

// Choice is how an operator is to be computed where it has several ways. The
// zero value leaves it to the cost model, as does whatever does not suit the
// operator or the machine: any Choice is valid for any operator. Ways round
// differently, but none more than a model allows: WithExact has the last word.
type Choice struct {
	// Winograd is the tile of a 3x3 convolution of stride 1: 2 or 4 outputs along
	// a side, or -1 for a direct product. At stride 2 there is one tile only.
	Winograd int `json:"winograd,omitempty"`
	// Tiles is how many tiles a block of Winograd has, as far as there is scratch.
	Tiles int `json:"tiles,omitempty"`
	// Weights says when Winograd's weights are transformed: 1 in advance, 2 while
	// they are used.
	Weights int `json:"weights,omitempty"`
	// Plain makes a direct product multiply and add, not by pairs.
	Plain bool `json:"plain,omitempty"`
	// Panels is the width of a plain product's panels: 1 as wide as can be, 2 narrower.
	Panels int `json:"panels,omitempty"`
	// Cut is what a product is cut along for several threads: 1 rows, 2 columns.
	Cut int `json:"cut,omitempty"`
	// Alone keeps a depthwise convolution out of a chain with its neighbours.
	Alone bool `json:"alone,omitempty"`
}

// The values of Choice's fields.
const (
	WinogradNone = -1
	WeightsReady = 1
	WeightsPlain = 2
	PanelsWide   = 1
	PanelsNarrow = 2
	CutRows      = 1
	CutColumns   = 2
)

// suffix is what tells the ways of one path apart in reports.
func (c Choice) suffix(tiles int) (s string) {
	if c.Tiles > 0 && tiles > 0 {
		s = "/" + strconv.Itoa(tiles) + "-tiles"
	}
	if c.Cut == CutRows && tiles == 0 {
		s += "/rows"
	}
	if c.Cut == CutColumns && tiles == 0 {
		s += "/columns"
	}
	return s
}

// gemm is the form of a product; otherwise is the cost model's.
func (c Choice) gemm(otherwise *kern.GemmF32) *kern.GemmF32 {
	switch c.Panels {
	case PanelsWide:
		return kern.SelectGemmF32()
	case PanelsNarrow:
		return kern.SelectGemmF32Narrow()
	}
	return otherwise
}
