// Command table prints the README's table of sizes: real networks under the
// settings of teff convert, their accuracy on CIFAR images and their times.
//
//	table -teff bin/teff -shared ../shared
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// network is one of ../shared with the flags its images need. data is labelled
// images; without, photos are counted on which it names what its first setting
// names; with neither only sizes and times are measured.
type network struct {
	name, path string
	images     []string
	data       string
	photos     bool
	settings   []setting
}

// setting is flags of convert, and whether teff quantize is to follow.
type setting struct {
	name     string
	flags    []string
	quantize bool
}

func auto(drop string) setting {
	return setting{name: "auto, drop at most " + drop, flags: []string{"--weights", "auto", "--max-drop", drop}}
}

func weights(name string) setting { return setting{name: name, flags: []string{"--weights", name}} }

const (
	cifar   = "cifar10-lossless"
	digits  = "mnist"
	perUnit = "0.00392156862745098"
)

// networks lists what is measured: the README's few, or all.
func networks(all bool) []network {
	file := setting{name: "f32"}
	asIs := setting{name: "as it came"}
	float := []setting{file, weights("exact"), weights("f16+coded"), auto("0"), auto("0.1"), auto("0.5"), auto("2")}
	normal := []string{"--scale", perUnit, "--mean", ".485,.456,.406", "--std", ".229,.224,.225"}
	few := []network{
		{"ResNet-20", "real-onnx/resnet20/resnet20.onnx", normal, cifar, false, float},
		{"ResNet-32", "real-onnx/resnet32/resnet32.onnx", normal, cifar, false, float},
		{"ResNet-8", "mlperf-tiny/ic01/pretrainedResnet.tflite", []string{"--scale", "1"}, cifar, false, float},
		{"ResNet-8, int8", "mlperf-tiny/ic01/pretrainedResnet_quant.tflite", nil, cifar, false, []setting{asIs, weights("exact")}},
	}
	if !all {
		return few
	}
	post := setting{name: "teff quantize", quantize: true}
	more := []setting{file, weights("exact"), weights("f16"), weights("f16+coded"), weights("int8"), weights("int4"), post}
	for i := range few[:3] {
		few[i].settings = more // the README has what is searched for
	}
	ints := []setting{asIs, weights("exact")}
	return append(few, []network{
		{"CIFAR CNN", "tinymaix/cifar10_f.tflite", []string{"--scale", perUnit}, cifar, false, more},
		{"CIFAR CNN, int8", "tinymaix/cifar10_q.tflite", nil, cifar, false, ints},
		{"MNIST CNN", "mnist-onnx/model.onnx", []string{"--scale", "1"}, digits, false, more},
		{"MNIST ResNet", "tinymaix/mnist_resnet_f.tflite", []string{"--scale", perUnit}, digits, false, more},
		{"MNIST ResNet, int8", "tinymaix/mnist_resnet_q.tflite", nil, digits, false, ints},
		{"SqueezeNet 1.1", "real-onnx/squeezenet1.1/squeezenet1.1.onnx", normal, "", true, more},
		{"MobileNetV1 0.25, 224", "mobilenetv1-0.25-224/mobilenet_v1_0.25_224_1_default_1.tflite", []string{"--scale", "0.00784313725490196", "--mean", "1"}, "", true, more},
		{"MobileNetV1 0.25, 224, uint8", "mobilenetv1-0.25-224/mobilenet_v1_0.25_224_quant.tflite", nil, "", true, ints},
		{"MobileNetV1 0.25, 128, uint8", "coral/mobilenet_v1_0.25_128_quant.tflite", nil, "", true, ints},
		{"MobileNetV2, 224, uint8", "coral/mobilenet_v2_1.0_224_quant.tflite", nil, "", true, ints},
		{"keyword spotting DS-CNN", "mlperf-tiny/kws01/kws_ref_model_float32.tflite", nil, "", false, more[:6]},
		{"keyword spotting DS-CNN, int8", "mlperf-tiny/kws01/kws_ref_model.tflite", nil, "", false, ints},
	}...)
}

func main() {
	teff := flag.String("teff", filepath.Join("bin", "teff"), "the command")
	shared := flag.String("shared", filepath.Join("..", "shared"), "folder of models and data")
	only := flag.String("only", "", "the networks whose names hold this")
	all := flag.Bool("all", false, "every network and setting, not the README's few")
	keep := flag.String("keep", "", "folder that keeps the files and what was counted; with what it holds only the times are measured anew")
	flag.Parse()
	dir, err := *keep, error(nil)
	if dir != "" {
		err = os.MkdirAll(dir, 0o755)
	} else if dir, err = os.MkdirTemp("", "table-"); err == nil {
		defer os.RemoveAll(dir)
	}
	if err == nil {
		t := &table{teff: *teff, shared: *shared, dir: dir}
		err = t.print(*only, *all)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

type table struct{ teff, shared, dir string }

func (t *table) print(only string, all bool) error {
	column := "top-1 %"
	if all {
		column += ", or agreement"
	}
	fmt.Printf("| network | setting | file bytes | f32 weights / file | %s | open ms | run ms |\n|---|---|---|---|---|---|---|\n", column)
	for _, n := range networks(all) {
		if !strings.Contains(n.name, only) {
			continue
		}
		for i := range n.settings {
			if err := t.row(&n, &n.settings[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// made is what is known of a file without timing it.
type made struct {
	Bytes   int64  `json:"bytes"`
	Weights int64  `json:"weight_bytes_f32"`
	Right   string `json:"right"`
}

// row makes a file, unless it was kept, and times it: the least of three
// processes each.
func (t *table) row(n *network, s *setting) error {
	out := t.path(n, s)
	var m made
	if b, err := os.ReadFile(out + ".json"); err != nil {
		if m, err = t.make(n, s, out); err != nil {
			return err
		}
		if b, err = json.Marshal(m); err != nil {
			return err
		}
		if err := os.WriteFile(out+".json", b, 0o644); err != nil {
			return err
		}
	} else if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%s.json: %w", out, err)
	}
	load, run := math.Inf(1), math.Inf(1)
	for range 3 {
		var times struct {
			Load float64 `json:"load_ms"`
			Min  float64 `json:"min_ms"`
		}
		if err := t.object(&times, "bench", out, "--threads", "1", "--runs", "200"); err != nil {
			return err
		}
		load, run = min(load, times.Load), min(run, times.Min)
	}
	fmt.Printf("| %s | %s | %d | %.2f | %s | %.1f | %.3f |\n", n.name, s.name, m.Bytes, float64(m.Weights)/float64(m.Bytes), m.Right, load, run)
	return nil
}

// path is where a network's file is under a setting.
func (t *table) path(n *network, s *setting) string {
	letters := func(r rune) rune {
		if r == ' ' || r == ',' {
			return '-'
		}
		return r
	}
	return filepath.Join(t.dir, strings.Map(letters, n.name+"-"+s.name)+".teff")
}

// make converts a network and counts what it gets right.
func (t *table) make(n *network, s *setting, out string) (m made, err error) {
	data := filepath.Join(t.shared, "datasets", n.data)
	args := append([]string{"convert", filepath.Join(t.shared, "models", n.path), "-o", out}, n.images...)
	if len(s.flags) > 2 {
		args = append(args, "--data", data)
	}
	if err := t.object(&m, append(args, s.flags...)...); err != nil {
		return m, err
	}
	if s.quantize {
		if err := t.quantize(n, out); err != nil {
			return m, err
		}
	}
	st, err := os.Stat(out)
	if err != nil {
		return m, err
	}
	m.Bytes = st.Size()
	m.Right, err = t.right(n, t.path(n, &n.settings[0]), out, data)
	return m, err
}

// quantize puts the integer form in the file's place. CIFAR samples are others
// than the images that are counted on; of digits and photos there are no others.
func (t *table) quantize(n *network, path string) error {
	calib := map[string]string{cifar: "cifar10-jpeg/train", digits: digits, "": "imagenet-1000"}[n.data]
	to := filepath.Join(t.dir, "int8.teff")
	var report struct{}
	if err := t.object(&report, "quantize", path, "--calib", filepath.Join(t.shared, "datasets", filepath.FromSlash(calib)), "-o", to); err != nil {
		return err
	}
	return os.Rename(to, path)
}

// right is top-1, or how often the network agrees with its first setting.
func (t *table) right(n *network, was, out, data string) (string, error) {
	if n.data != "" {
		var v struct {
			Top1 float64 `json:"top1"`
		}
		err := t.object(&v, "eval", out, "--data", data)
		return fmt.Sprintf("%.2f", 100*v.Top1), err
	}
	if !n.photos {
		return "-", nil
	}
	photos := filepath.Join(t.dir, "photos")
	if _, err := os.Stat(photos); err != nil { // one folder is what reads as labelled
		if err := os.CopyFS(filepath.Join(photos, "all"), os.DirFS(filepath.Join(t.shared, "datasets", "imagenet-1000"))); err != nil {
			return "", err
		}
	}
	var v struct {
		Agreement float64 `json:"agreement"`
	}
	err := t.object(&v, "compare", was, out, "--data", photos)
	return fmt.Sprintf("agrees %.0f", 100*v.Agreement), err
}

// object runs the command and reads the JSON object that it prints.
func (t *table) object(to any, args ...string) error {
	c := exec.Command(t.teff, append(args, "--json")...)
	c.Stderr = os.Stderr
	b, err := c.Output()
	if err != nil {
		return fmt.Errorf("teff %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(b, to)
}
