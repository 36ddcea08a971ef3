// Command table prints the README's table of sizes: real networks under the
// settings of teff convert, their accuracy on CIFAR images and their times.
//
//	table -teff bin/teff -shared ../shared
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// network is one of ../shared with the flags its images need.
type network struct {
	name, path string
	images     []string
	settings   []setting
}

// setting is flags of convert.
type setting struct {
	name  string
	flags []string
}

func auto(drop string) setting {
	return setting{"auto, drop at most " + drop, []string{"--weights", "auto", "--max-drop", drop}}
}

func networks() []network {
	float := []setting{
		{"f32", nil},
		{"exact", []string{"--weights", "exact"}},
		{"f16+coded", []string{"--weights", "f16+coded"}},
		auto("0"), auto("0.1"), auto("0.5"), auto("2"),
	}
	normal := []string{"--scale", "0.00392156862745098", "--mean", ".485,.456,.406", "--std", ".229,.224,.225"}
	return []network{
		{"ResNet-20", "real-onnx/resnet20/resnet20.onnx", normal, float},
		{"ResNet-32", "real-onnx/resnet32/resnet32.onnx", normal, float},
		{"ResNet-8", "mlperf-tiny/ic01/pretrainedResnet.tflite", []string{"--scale", "1"}, float},
		{"ResNet-8, int8", "mlperf-tiny/ic01/pretrainedResnet_quant.tflite", nil, float[:2]},
	}
}

func main() {
	teff := flag.String("teff", filepath.Join("bin", "teff"), "the command")
	shared := flag.String("shared", filepath.Join("..", "shared"), "folder of models and data")
	only := flag.String("only", "", "the networks whose names hold this")
	flag.Parse()
	if err := table(*teff, *shared, *only); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func table(teff, shared, only string) error {
	dir, err := os.MkdirTemp("", "table-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(shared, "datasets", "cifar10-lossless")
	fmt.Println("| network | setting | file bytes | f32 weights / file | top-1 % | open ms | run ms |\n|---|---|---|---|---|---|---|")
	for _, n := range networks() {
		if !strings.Contains(n.name, only) {
			continue
		}
		for _, s := range n.settings {
			out := filepath.Join(dir, "out.teff")
			args := append([]string{"convert", filepath.Join(shared, "models", n.path), "-o", out}, n.images...)
			if len(s.flags) > 2 {
				args = append(args, "--data", data)
			}
			var made struct {
				Bytes   float64 `json:"bytes_out"`
				Weights float64 `json:"weight_bytes_f32"`
			}
			var right struct {
				Top1 float64 `json:"top1"`
			}
			var times struct {
				Load float64 `json:"load_ms"`
				Min  float64 `json:"min_ms"`
			}
			if err := object(&made, teff, append(args, s.flags...)...); err != nil {
				return err
			}
			if err := object(&right, teff, "eval", out, "--data", data); err != nil {
				return err
			}
			if err := object(&times, teff, "bench", out, "--runs", "200"); err != nil {
				return err
			}
			fmt.Printf("| %s | %s | %.0f | %.2f | %.2f | %.1f | %.3f |\n",
				n.name, s.name, made.Bytes, made.Weights/made.Bytes, 100*right.Top1, times.Load, times.Min)
		}
	}
	return nil
}

// object runs the command and reads the JSON object that it prints.
func object(to any, teff string, args ...string) error {
	c := exec.Command(teff, append(args, "--json")...)
	c.Stderr = os.Stderr
	b, err := c.Output()
	if err != nil {
		return fmt.Errorf("teff %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(b, to)
}
