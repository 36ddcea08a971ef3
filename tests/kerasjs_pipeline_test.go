package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/teff-ml/teff/ops"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
)

// kerasLayer is one layer of a pipeline, whose files hold weights only.
type kerasLayer struct {
	kind   string // conv, sep (depthwise and pointwise), bn, max, avg
	same   bool
	stride int
	act    string
}

func kc(act string) kerasLayer                        { return kerasLayer{"conv", false, 1, act} }
func kcSame(act string) kerasLayer                    { return kerasLayer{"conv", true, 1, act} }
func kcPool(kind string, same bool, s int) kerasLayer { return kerasLayer{kind, same, s, ""} }

var kbn = kerasLayer{kind: "bn"}

// kerasPipelines are keras-js's small networks.
var kerasPipelines = map[string][]kerasLayer{
	"00": {kc("relu"), kc("relu"), kc("relu")},
	"02": {{"conv", true, 2, "relu"}, kc("linear"), kc("relu"), kcSame("relu"), kcSame("linear"), kc("relu"), kc("linear")},
	"04": {{"conv", true, 2, "relu"}, kbn, kc("linear"), kbn, kcSame("relu"), kbn, kc("relu"), kbn},
	"06": {
		{"conv", false, 2, "relu"}, kbn, kcSame("relu"), kbn, kcSame("relu"), kbn, kcPool("max", false, 2),
		kc("linear"), kbn, kcSame("relu"), kbn, kcPool("max", false, 2),
	},
	"08": {kcSame("relu"), kc("relu"), kcPool("max", true, 1)},
	"10": {
		{"conv", false, 2, "relu"}, kbn, kcSame("relu"), kbn, kcSame("relu"), kbn, kcPool("avg", false, 2),
		kc("linear"), kbn, kcSame("relu"), kbn, kcPool("avg", false, 2),
	},
	"12": {kcSame("relu"), kc("relu"), kcPool("avg", true, 1)},
	"14": {{"sep", false, 1, "linear"}, {"sep", false, 1, "linear"}},
}

// TestKerasPipelines runs whole small networks: convolutions, batch norm,
// pools, separable convolutions. Weights are recorded to six places.
func TestKerasPipelines(t *testing.T) {
	for n, layers := range kerasPipelines {
		t.Run(n, func(t *testing.T) {
			c, ok := kerasFile(t, "pipeline", n+".json")["pipeline_"+n]
			require.True(t, ok)
			c.runWithin(t, 1e-4, func(b *graph.Builder, x graph.ID) graph.ID {
				w := c.Weights
				take := func(n int) []kerasArray {
					v := w[:n]
					w = w[n:]
					return v
				}
				for _, l := range layers {
					win := ops.Window{Stride: []int{l.stride, l.stride}, Auto: ops.PadValid}
					if l.same {
						win.Auto = ops.PadSameUpper
					}
					switch l.kind {
					case "conv":
						x = b.Add("", &ops.Conv{Window: win}, kerasParams(take(2)), x)
					case "sep":
						d, p := take(1), take(2)
						x = b.Add("", &ops.Conv{Window: win, Groups: d[0].Shape[2]}, []tensor.Tensor{depthwiseToOurs(d[0])}, x)
						x = b.Add("", &ops.Conv{}, kerasParams(p), x)
					case "bn":
						var params []tensor.Tensor
						for _, a := range take(4) {
							params = append(params, a.tensor(a.Shape...))
						}
						x = b.Add("", &ops.BatchNorm{Eps: 1e-3}, params, x)
						continue
					default:
						win.Kernel = []int{2, 2}
						fn := ops.PoolMax
						if l.kind == "avg" {
							fn = ops.PoolAvg
						}
						x = b.Add("", &ops.Pool{Window: win, Fn: fn}, nil, x)
						continue
					}
					x = b.Add("", kerasActs[l.act], nil, x)
				}
				require.Empty(t, w)
				return x
			})
		})
	}
}

// depthwiseToOurs turns Keras's [kh, kw, c, mult] into [c*mult, kh, kw, 1].
func depthwiseToOurs(w kerasArray) tensor.Tensor {
	taps, c := w.Shape[0]*w.Shape[1], w.Shape[2]*w.Shape[3]
	out := tensor.New(tensor.F32Spec(c, w.Shape[0], w.Shape[1], 1))
	for t := range taps {
		for i := range c {
			out.F32()[i*taps+t] = w.Data[t*c+i]
		}
	}
	return out
}
