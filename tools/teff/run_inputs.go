package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/runtime"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
	"github.com/teff-ml/teff/tools/npy"
)

// stdin is the name of what comes in on the standard input.
const stdin = "-"

// runInput is what one run of the network takes.
type runInput struct {
	files []string // one for each of the network's inputs
	name  string   // what it is called in results: without folders where no other is called so
}

// runInputs are the runs that the arguments ask for. For a network of one input
// a folder stands for the images in it.
func runInputs(args []string, inputs int) ([]runInput, error) {
	var runs []runInput
	if inputs > 1 {
		if len(args)%inputs != 0 {
			return nil, usagef("the model has %d inputs, %d files were given", inputs, len(args))
		}
		for ; len(args) > 0; args = args[inputs:] {
			runs = append(runs, runInput{files: args[:inputs]})
		}
	}
	for _, path := range args {
		if st, err := os.Stat(path); err != nil || !st.IsDir() {
			runs = append(runs, runInput{files: []string{path}})
			continue
		}
		images, _, err := dataset.Images(path)
		if err != nil {
			return nil, err
		}
		if len(images) == 0 {
			return nil, fmt.Errorf("%s: no images in this folder", path)
		}
		for _, f := range images {
			runs = append(runs, runInput{files: []string{f}})
		}
	}
	count := map[string]int{}
	stdins := 0
	for _, r := range runs {
		count[filepath.Base(r.files[0])]++
		for _, f := range r.files {
			stdins += b2i(f == stdin)
		}
	}
	if stdins > 1 {
		return nil, usagef("- is there %d times, the standard input but once", stdins)
	}
	for i, r := range runs {
		if runs[i].name = filepath.Base(r.files[0]); count[runs[i].name] > 1 {
			runs[i].name = r.files[0]
		}
	}
	return runs, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// loaded is an input from a file: an array as it is, or an image, scaled.
type loaded struct {
	path  string
	array tensor.Tensor
	image *imageio.RGB
}

// loadedRun is what one run takes, read.
type loadedRun struct {
	name   string
	inputs []loaded
	err    error
}

// isArray says whether the first input is an array rather than an image.
func (l *loadedRun) isArray() bool { return l.inputs[0].image == nil }

func loadRun(r runInput, p format.Preprocess, fitErr error) loadedRun {
	l := loadedRun{name: r.name}
	for _, path := range r.files {
		x, err := load(path, p, fitErr)
		if err != nil {
			l.err = err
			break
		}
		l.inputs = append(l.inputs, x)
	}
	return l
}

// fill writes the inputs of a session.
func (l *loadedRun) fill(s *runtime.Session, p format.Preprocess) error {
	p.Resize = 0 // images are scaled
	for i, x := range l.inputs {
		var err error
		if x.image != nil {
			err = imageio.Into(s.Input(i), 0, x.image, p)
		} else {
			err = copyInput(x.path, s.Input(i), x.array)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// load reads an array, or an image, which fitErr says why the network takes
// none of.
func load(path string, p format.Preprocess, fitErr error) (l loaded, err error) {
	l.path = path
	isArray := npy.IsName(path)
	var all []byte
	if path == stdin {
		l.path = "standard input"
		if all, err = io.ReadAll(os.Stdin); err != nil {
			return l, err
		}
		isArray = bytes.HasPrefix(all, []byte("\x93NUMPY"))
	}
	switch {
	case isArray:
		l.array, err = readArray(path, all)
	case fitErr != nil:
		err = fmt.Errorf("%s: %w", l.path, fitErr)
	case path == stdin:
		if l.image, err = imageio.Decode(bytes.NewReader(all)); err != nil {
			err = fmt.Errorf("%s: %w", l.path, err)
		}
	default:
		l.image, err = imageio.Load(path)
	}
	if l.image != nil && err == nil {
		l.image, err = imageio.Scaled(l.image, p)
	}
	return l, err
}

// readArray reads an .npy file, or all of one that is read already.
func readArray(path string, all []byte) (tensor.Tensor, error) {
	if path == stdin {
		return npy.Read(bytes.NewReader(all))
	}
	return npy.ReadFile(path)
}

// runPrinter prints results as they come.
type runPrinter func(outputs []runOutput) error

var runFormats = []string{"text", "csv", "jsonl"}

// newRunPrinter writes text for readers, a CSV line for each class, or a JSON
// object and line for each output.
func newRunPrinter(w io.Writer, format string) runPrinter {
	switch format {
	case "csv":
		c := csv.NewWriter(w)
		head := true
		return func(outputs []runOutput) error {
			if head {
				head = false
				_ = c.Write([]string{"input", "output", "row", "rank", "class", "label", "score"}) // Flush and Error have it
			}
			for _, o := range outputs {
				for i, t := range o.Top {
					_ = c.Write([]string{o.Input, o.Name, strconv.Itoa(o.Row), strconv.Itoa(i + 1), strconv.Itoa(t.Class), t.Label, strconv.FormatFloat(float64(t.Score), 'g', -1, 32)})
				}
			}
			c.Flush()
			return c.Error()
		}
	case "jsonl":
		e := json.NewEncoder(w)
		return func(outputs []runOutput) error {
			for _, o := range outputs {
				if err := e.Encode(o); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return func(outputs []runOutput) error {
		for i, o := range outputs {
			row := ""
			if o.Row > 0 || i+1 < len(outputs) && outputs[i+1].Row > 0 { // one of several
				row = fmt.Sprintf(", row %d", o.Row)
			}
			fmt.Fprintf(w, "%s%s: %s %v\n", o.Input, row, o.Name, o.Shape)
			for _, t := range o.Top {
				fmt.Fprintf(w, "  %8.4f  %4d %s\n", t.Score, t.Class, t.Label)
			}
		}
		return nil
	}
}
