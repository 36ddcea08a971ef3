// Command torchstep runs training steps of Teff and of PyTorch in turns, on the
// same networks, and prints times and peak memory side by side. PyTorch runs
// in both layouts; its better one counts. Needs python3 with torch (Debian:
// python3-torch), which nothing else here does:
//
//	go run ./torchstep [-networks resnet8,resnet18] [-threads 1,2] [-rounds 5] [-steps 20] [-batch N] [-head] [-layers]
//
// -networks all takes all of nets.py; those that teff new does not make are exported
// by PyTorch and imported. -head trains the last layer alone. -layers prints where Teff's
// time goes, layer by layer, instead of PyTorch's.
package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/teff-ml/teff/tools/arch"
)

//go:embed nets.py
var nets string

//go:embed step.py
var steps string

// size is the minibatch of a network, how many fewer of its steps make a round, and
// what of PyTorch's time and memory the project allows itself; 0: nothing was set.
type size struct {
	batch, shorter int
	time, memory   float64
}

// sizes are those of the networks that are not in others.
var sizes = map[string]size{
	"resnet8": {32, 1, 0.5, 0.2}, "resnet18": {16, 10, 0.7, 0.5},
	"resnet50": {8, 20, 0, 0}, "vgg11": {8, 20, 0, 0}, "resnext50": {8, 20, 0, 0}, "convnext": {8, 20, 0, 0}, "unet": {8, 20, 0, 0},
	"dscnn": {32, 1, 0, 0}, "autoencoder": {32, 1, 0, 0}, "mobilenetv1": {32, 1, 0, 0},
}

// others are the rest, all alike.
var others = []string{"mobilenetv2", "squeezenet", "efficientnet", "mobilenetv3", "densenet", "shufflenet", "vit", "deeplab", "audio", "c3d"}

func sizeOf(net string) (size, bool) {
	if s, ok := sizes[net]; ok {
		return s, true
	}
	return size{16, 10, 0, 0}, slices.Contains(others, net)
}

func main() {
	names := flag.String("networks", "resnet8,resnet18", "which networks, or all")
	threads := flag.String("threads", "1,2", "numbers of threads")
	rounds := flag.Int("rounds", 5, "turns of each")
	steps := flag.Int("steps", 20, "steps of a turn (of large networks a part)")
	python := flag.String("python", "/usr/bin/python3", "a python with torch")
	batch := flag.Int("batch", 0, "rows of a minibatch; 0: as many as are usual for the network here")
	head := flag.Bool("head", false, "train the last layer alone")
	layers := flag.Bool("layers", false, "times of Teff's layers instead of PyTorch's")
	child := flag.Bool("child", false, "internal: answer on standard input and output")
	file := flag.String("file", "", "internal: the network's file")
	flag.Parse()
	var err error
	if *child {
		n, _ := strconv.Atoi(*threads)
		err = serve(childSpec{*names, *file, *batch, n, *head, *layers})
	} else {
		all := strings.Split(*names, ",")
		if *names == "all" {
			all = append(slices.Sorted(maps.Keys(sizes)), others...)
		}
		err = (&comparison{*rounds, *steps, *batch, *head, *layers, *python, ""}).run(all, strings.Split(*threads, ","))
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

// comparison is how networks are compared.
type comparison struct {
	rounds, steps, batch int
	head, layers         bool
	python               string
	dir                  string // of exported networks
}

func (c *comparison) run(nets, threads []string) error {
	var err error
	if c.dir, err = os.MkdirTemp("", "torchstep"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	w := tabwriter.NewWriter(os.Stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	if !c.layers {
		fmt.Fprintln(w, "network\tbatch\tthreads\tTeff ms\ttorch ms\tchannels last\tratio\tlimit\tTeff plan MB\tTeff process MB\ttorch process MB\tratio\tlimit\t")
	}
	for _, net := range nets {
		s, ok := sizeOf(net)
		if !ok {
			return fmt.Errorf("no network %q", net)
		}
		if c.batch > 0 {
			s.batch = c.batch
		}
		for _, n := range threads {
			if err := c.compare(w, net, n, s); err != nil {
				return fmt.Errorf("%s: %w", net, err)
			}
		}
	}
	return w.Flush()
}

// compare prints a network's line.
func (c *comparison) compare(w io.Writer, net, threads string, s size) error {
	peers, err := c.start(net, threads, s.batch)
	if err != nil {
		return err
	}
	for i := range c.rounds + 1 { // the first warms up
		for _, p := range peers {
			if i == 1 {
				p.best = math.Inf(1)
			}
			if err := p.turn(max(1, c.steps/s.shorter)); err != nil {
				return err
			}
		}
	}
	defer func() {
		for _, p := range peers {
			p.close()
		}
	}()
	if c.layers {
		return nil
	}
	teff, first, last := peers[0], peers[1], peers[2]
	memory := min(first.peak, last.peak)
	_, err = fmt.Fprintf(w, "%s\t%d\t%s\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%.1f\t%.1f\t%.0f\t%.2f\t%s\t\n", net, s.batch, threads, teff.best, first.best, last.best,
		teff.best/min(first.best, last.best), limit(s.time), teff.plan/1e6, teff.peak/1e6, memory/1e6, teff.peak/memory, limit(s.memory))
	return err
}

func limit(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

// start starts Teff and, but for layers, PyTorch.
func (c *comparison) start(net, threads string, batch int) ([]*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	own := []string{"-child", "-networks", net, "-threads", threads, "-batch", strconv.Itoa(batch), fmt.Sprintf("-head=%v", c.head), fmt.Sprintf("-layers=%v", c.layers)}
	if !slices.Contains(arch.Names(), net) {
		file := filepath.Join(c.dir, net+".onnx")
		cmd := exec.Command(c.python, "-c", nets+steps, "export", net, file)
		if b, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: %s", err, b)
		}
		own = append(own, "-file", file)
	}
	what := "all"
	if c.head {
		what = "head"
	}
	var peers []*peer
	for _, p := range []struct {
		name, program string
		args          []string
	}{
		{"teff", self, own},
		{"torch", c.python, []string{"-c", nets + steps, "steps", net, strconv.Itoa(batch), threads, "first", what}},
		{"torch, channels last", c.python, []string{"-c", nets + steps, "steps", net, strconv.Itoa(batch), threads, "last", what}},
	} {
		if len(peers) == 1 && c.layers {
			break
		}
		started, err := start(p.name, p.program, p.args...)
		if err != nil {
			return nil, err
		}
		peers = append(peers, started)
	}
	return peers, nil
}
