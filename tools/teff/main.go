// Command teff converts, inspects, runs, times, compresses and trains
// convolutional networks. It reads .teff, .onnx and .tflite wherever it takes a
// model.
//
// Exit status: 0 on success, 1 on failure with one line on stderr, 2 on wrong
// usage. Results go to stdout, progress to a terminal's stderr; --json prints
// one JSON object and nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// command is one subcommand; each has a file of its own.
type command struct {
	name string
	args string
	doc  string
	run  func(ctx context.Context, c *cli, args []string) error
}

func commands() []command {
	return []command{
		{"convert", "IN -o OUT", "import, fold, compress and write a model", runConvert},
		{"inspect", "MODEL", "inputs, outputs, layers, parameters, memory", runInspect},
		{"run", "MODEL INPUT...", "run on images or .npy files", runRun},
		{"bench", "MODEL", "latency, memory, time of each layer", runBench},
		{"tune", "MODEL", "find the fastest kernels by trying, for run and bench", runTune},
		{"eval", "MODEL --data PATH", "accuracy on labelled images", runEval},
		{"quantize", "MODEL --calib PATH -o OUT", "make an integer model from samples", runQuantize},
		{"compare", "A B --data PATH", "two models side by side", runCompare},
		{"train", "MODEL --data PATH -o OUT", "fine-tune or train from scratch", runTrain},
		{"verify", "MODEL", "checksums and the recorded golden output", runVerify},
		{"new", "ARCH -o OUT", "a fresh network, ready to train", runNew},
		{"export", "MODEL -o OUT", "write a model as ONNX, or its weights", runExport},
		{"demo", "", "all of it on a small network and drawn images", runDemo},
		{"draw", "DIR", "labelled images to try things on, drawn here", runDraw},
		{"version", "", "which build this is, and the kernels it takes here", runVersion},
	}
}

// cli is where a command writes.
type cli struct {
	out, err io.Writer
}

// results is a command's stdout. It remembers the first error, so that nobody
// takes half of what was to be printed for all of it.
type results struct {
	w   io.Writer
	err error
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.w.Write(b)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

// usageError is wrong usage: exit status 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func main() {
	// The first signal asks to stop, which what takes long looks for; a second one
	// ends the process whatever it does.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Main is the command without the process around it. It returns the exit
// status.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &results{w: stdout}
	c := &cli{out, stderr}
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		if len(args) == 0 {
			usage(stderr)
			return 2
		}
		if len(args) > 1 && args[0] == "help" {
			return Main(ctx, []string{args[1], "-h"}, stdout, stderr)
		}
		usage(out)
		if out.err != nil {
			fmt.Fprintf(stderr, "teff: %v\n", out.err)
			return 1
		}
		return 0
	}
	name := args[0]
	if name == "--version" { // as of other commands
		name = "version"
	}
	for _, cmd := range commands() {
		if cmd.name != name {
			continue
		}
		err := cmd.run(ctx, c, args[1:])
		if err == nil || errors.Is(err, flag.ErrHelp) {
			err = out.err // printed into a full disk
		}
		var ue *usageError
		switch {
		case err == nil:
			return 0
		case errors.As(err, &ue):
			fmt.Fprintf(stderr, "teff %s: %v\nusage: teff %s [flags]; teff %s -h lists them\n", cmd.name, err, strings.TrimSpace(cmd.name+" "+cmd.args), cmd.name)
			return 2
		case ctx.Err() != nil && errors.Is(err, context.Canceled):
			fmt.Fprintf(stderr, "teff %s: interrupted\n", cmd.name)
			return 1
		default:
			fmt.Fprintf(stderr, "teff %s: %v\n", cmd.name, err)
			return 1
		}
	}
	fmt.Fprintf(stderr, "teff: no command %q; teff help lists them\n", args[0])
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "teff runs and trains convolutional networks. It reads .teff, .onnx and .tflite.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  teff %-8s %-20s %s\n", c.name, c.args, c.doc)
	}
	fmt.Fprint(w, "\nteff COMMAND -h lists a command's flags.\n")
}

// flags are a command's flags with what is the same for all.
type flags struct {
	*flag.FlagSet
	json bool
	help func()
	more string // help after the flags
}

func newFlags(c *cli, name, args string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.BoolVar(&f.json, "json", false, "print one JSON object and nothing else")
	f.Usage = func() {} // flag calls it for wrong flags, too, where one line is enough
	f.help = func() {
		fmt.Fprintf(c.out, "usage: teff %s [flags]\n\n", strings.TrimSpace(name+" "+args))
		f.SetOutput(c.out)
		f.PrintDefaults()
		fmt.Fprint(c.out, f.more)
	}
	return f
}

// given are the names of the flags that were on the command line.
func (f *flags) given() map[string]bool {
	m := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { m[fl.Name] = true })
	return m
}

// parse reads flags and positional arguments in any order and checks that
// there are lo to hi positional ones (hi < 0: any number).
func (f *flags) parse(args []string, lo, hi int) ([]string, error) {
	var pos []string
	for {
		if err := f.FlagSet.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				f.help()
				return nil, err
			}
			return nil, &usageError{err.Error()}
		}
		rest := f.FlagSet.Args()
		if len(rest) == 0 {
			break
		}
		if n := len(args) - len(rest); n > 0 && args[n-1] == "--" {
			pos = append(pos, rest...)
			break
		}
		pos = append(pos, rest[0])
		args = rest[1:]
	}
	if len(pos) < lo || (hi >= 0 && len(pos) > hi) {
		return nil, usagef("has %d arguments", len(pos))
	}
	return pos, nil
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// oneOf is a flag that takes one of a few words.
type oneOf struct {
	to    *string
	words []string
}

func (o oneOf) String() string {
	if o.to == nil {
		return ""
	}
	return *o.to
}

func (o oneOf) Set(s string) error {
	if !slices.Contains(o.words, s) {
		return fmt.Errorf("want %s", strings.Join(o.words, ", "))
	}
	*o.to = s
	return nil
}
