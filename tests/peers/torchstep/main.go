// Command torchstep runs training steps of Teff and of PyTorch in turns, on the
// same networks, and prints times and peak memory side by side. PyTorch runs
// in both layouts; its better one counts. Needs python3 with torch (Debian:
// python3-torch), which nothing else here does:
//
//	go run ./torchstep [-networks resnet8,resnet18] [-threads 1,2] [-rounds 5] [-steps 20]
package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/teff-ml/teff/runtime/train"
	"github.com/teff-ml/teff/tools/arch"
)

//go:embed step.py
var script string

// sizes are the minibatch of a network, how many fewer of its steps make a
// round, and what of PyTorch's time and memory the project allows itself.
var sizes = map[string]struct {
	batch, shorter int
	time, memory   float64
}{
	"resnet8":  {32, 1, 0.5, 0.2},
	"resnet18": {16, 10, 0.7, 0.5},
}

func main() {
	nets := flag.String("networks", "resnet8,resnet18", "which networks")
	threads := flag.String("threads", "1,2", "numbers of threads")
	rounds := flag.Int("rounds", 5, "turns of each")
	steps := flag.Int("steps", 20, "steps of a turn (of resnet18 a tenth)")
	python := flag.String("python", "/usr/bin/python3", "a python with torch")
	child := flag.Bool("child", false, "internal: answer on standard input and output")
	flag.Parse()
	var err error
	if *child {
		err = serve(*nets, *threads)
	} else {
		err = compare(strings.Split(*nets, ","), strings.Split(*threads, ","), *rounds, *steps, *python)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torchstep:", err)
		os.Exit(1)
	}
}

// peer is a process that takes steps when it is told to.
type peer struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	best float64 // milliseconds
	peak float64 // bytes
	plan float64 // bytes, as planned before the first step; 0: unknown
}

func start(name, program string, args ...string) (*peer, error) {
	p := &peer{name: name, cmd: exec.Command(program, args...), best: math.Inf(1)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// turn lets the peer take n steps.
func (p *peer) turn(n int) error {
	if _, err := fmt.Fprintln(p.in, n); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	var best float64
	if _, err := fmt.Sscan(line, &best, &p.peak, &p.plan); err != nil && p.plan != 0 {
		return fmt.Errorf("%s: %q: %w", p.name, line, err)
	}
	p.best = min(p.best, best)
	return nil
}

func (p *peer) close() {
	p.in.Close()
	p.cmd.Wait()
}

func compare(nets, threads []string, rounds, steps int, python string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tthreads\tTeff ms\ttorch ms\tchannels last\tratio\tlimit\tTeff plan MB\tTeff process MB\ttorch process MB\tratio\tlimit\t")
	for _, net := range nets {
		size, ok := sizes[net]
		if !ok {
			return fmt.Errorf("no network %q", net)
		}
		for _, n := range threads {
			peers, err := startAll(self, python, net, n)
			if err != nil {
				return err
			}
			for i := range rounds + 1 { // the first warms up
				for _, p := range peers {
					if i == 1 {
						p.best = math.Inf(1)
					}
					if err := p.turn(max(1, steps/size.shorter)); err != nil {
						return err
					}
				}
			}
			teff, first, last := peers[0], peers[1], peers[2]
			memory := min(first.peak, last.peak)
			fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%.1f\t%.2f\t%.2f\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t\n", net, n, teff.best, first.best, last.best,
				teff.best/min(first.best, last.best), size.time, teff.plan/1e6, teff.peak/1e6, memory/1e6, teff.peak/memory, size.memory)
			for _, p := range peers {
				p.close()
			}
		}
	}
	return w.Flush()
}

func startAll(self, python, net, threads string) ([]*peer, error) {
	var peers []*peer
	for _, args := range [][]string{
		{"teff", self, "-child", "-networks", net, "-threads", threads},
		{"torch", python, "-c", script, net, threads, "first"},
		{"torch, channels last", python, "-c", script, net, threads, "last"},
	} {
		p, err := start(args[0], args[1], args[2:]...)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// serve takes steps of Teff, in the same words as step.py.
func serve(net, threads string) error {
	n, err := strconv.Atoi(threads)
	if err != nil {
		return err
	}
	goruntime.GOMAXPROCS(n)
	t, err := trainer(net, n)
	if err != nil {
		return err
	}
	defer t.Close()
	for {
		var steps int
		if _, err := fmt.Scan(&steps); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		best := math.Inf(1)
		for range steps {
			start := time.Now()
			if _, err := t.StepInPlace(); err != nil {
				return err
			}
			best = min(best, time.Since(start).Seconds()*1e3)
			fill(t)
		}
		peak, err := peakMemory()
		if err != nil {
			return err
		}
		fmt.Println(best, peak, t.PeakBytes())
	}
}

func trainer(net string, threads int) (*train.Trainer, error) {
	g, err := arch.New(net, arch.Options{})
	if err != nil {
		return nil, err
	}
	t, err := train.New(g, train.Config{Batch: sizes[net].batch, Threads: threads, Optimizer: train.SGD{Momentum: 0.9}, Schedule: train.Constant(0.01)})
	if err == nil {
		fill(t)
	}
	return t, err
}

// fill writes the minibatch: the arena keeps an input only as long as a step
// needs it.
func fill(t *train.Trainer) {
	s := uint32(1)
	for i, x := 0, t.Input(0).F32(); i < len(x); i++ {
		s = s*1664525 + 1013904223
		x[i] = float32(int32(s)) / (1 << 31)
	}
	for i, y := 0, t.Target().I32(); i < len(y); i++ {
		y[i] = int32(i % 10)
	}
}

// peakMemory is the most that this process has held.
func peakMemory() (int, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib int
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}
