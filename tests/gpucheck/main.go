// Command gpucheck asks everything of a machine with an NVIDIA device that could not
// be known without one, in one go and within a limit, and writes what it found as
// check.json and check.md: versions, the driver with the committed kernels, operators
// and trained networks against the CPU and other engines, training steps against the
// CPU's, NVIDIA's checkers on small cases, times beside PyTorch.
//
// It runs test programs that are built before, so the machine needs no Go:
//
//	make gpu-check-build    here: bin/gpu; go there with the repository's files
//	bin/gpu/gpucheck        there, in the repository's root
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	limit := flag.Duration("limit", 9*time.Minute, "time for all of it; what has none left is not run")
	bin := flag.String("bin", "bin/gpu", "folder of the programs")
	out := flag.String("out", "bin/gpu", "folder for check.json and check.md")
	only := flag.String("only", "", "names of stages, with commas; all")
	python := flag.String("python", "/usr/bin/python3", "a python with torch")
	bench := flag.String("bench", "", "more flags of gpubench, with blanks")
	flag.Parse()
	r, err := check(stages(*bin, *python, strings.Fields(*bench)), *limit, *only)
	if err == nil {
		err = r.write(*out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpucheck:", err)
		os.Exit(1)
	}
	if r.Failed() {
		os.Exit(1)
	}
}

// stage is one program and what it tells.
type stage struct {
	Name  string
	What  string // for people
	limit time.Duration
	dir   string // where it runs
	env   []string
	args  []string // the program first; one that is not there is skipped
	read  func(*Result, string)
}

// stages are in the order of what matters most, for time may run out.
func stages(bin, python string, bench []string) []stage {
	program := func(name string) string {
		p, err := filepath.Abs(filepath.Join(bin, name))
		if err != nil {
			return name
		}
		return p
	}
	test := func(name, what string, limit time.Duration, dir, run string, env ...string) stage {
		return stage{name, what, limit, dir, env, []string{program(filepath.Base(dir) + ".test"), "-test.v", "-test.run", run}, readTest}
	}
	const cuda, direct = "accel/cuda", "TEFF_CUDA_NETWORKS=1" // the device's driver, in the test's own process
	sanitize := func(tool, run string) stage {
		return stage{tool, "compute-sanitizer's " + tool + ", on " + run, 100 * time.Second, cuda, []string{direct},
			[]string{"compute-sanitizer", "--tool", tool, "--error-exitcode", "9", program("cuda.test"), "-test.v", "-test.run", run}, readTest}
	}
	return []stage{
		{"device", "the device and its driver", 20 * time.Second, ".", nil,
			[]string{"nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm", "--format=csv,noheader"}, readLine},
		{"nvcc", "the toolkit", 20 * time.Second, ".", nil, []string{"nvcc", "--version"}, readLast},
		test("driver", "all kernels load, one runs recorded, a fault is an error", 60*time.Second, "accel/cuda/internal/driver", "^(TestKernels|TestFault)$", "DRIVER_TEST=1"),
		test("golden", "trained networks against other engines, four precisions", 120*time.Second, cuda, "^TestGoldenNetworks$", direct),
		test("integers", "integer networks, the CPU's bits", 60*time.Second, cuda, "^TestGoldenIntegers$", direct),
		test("operators", "every operator and whole networks against the CPU", 100*time.Second, cuda, "^TestWholeNetworks$", direct),
		test("training", "training steps against the CPU", 60*time.Second, cuda, "^TestTraining$", direct),
		test("ways of training", "optimizers, norms, dropout, checkpoints against the CPU", 60*time.Second, cuda, "^TestTrainOnDevice$", direct),
		{"bench", "networks kernel by kernel, beside PyTorch", 180 * time.Second, ".", nil,
			append([]string{program("gpubench"), "-json", "-python", python}, bench...), readBench},
		test("command", "teff run, bench and train with --device cuda", 60*time.Second, "tools/teff", "Device"),
		sanitize("memcheck", "TestWholeNetworks/(resnet8|operators|integers)"),
		sanitize("racecheck", "TestWholeNetworks/(resnet8|integers)"),
		sanitize("synccheck", "TestWholeNetworks/(resnet8|integers)"),
		test("ptxas", "the machine's assembler takes the committed kernels, spills nothing", 60*time.Second, "accel/cuda/internal/ptxas", "^TestKernels$"),
	}
}
