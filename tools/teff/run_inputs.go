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
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/tensor"
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
	array bool     // it was no image
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

// readInput fills t from an array as it is, or from an image. It says which it
// was.
func readInput(path string, t tensor.Tensor, p format.Preprocess, fitErr error) (array bool, err error) {
	name := path
	var all []byte
	array = strings.HasSuffix(path, ".npy")
	if path == stdin {
		name = "standard input"
		if all, err = io.ReadAll(os.Stdin); err != nil {
			return false, err
		}
		array = bytes.HasPrefix(all, []byte("\x93NUMPY"))
	}
	if array {
		x, err := readArray(path, all)
		if err == nil {
			err = copyInput(name, t, x)
		}
		return true, err
	}
	if fitErr != nil {
		return false, fmt.Errorf("%s: %w", name, fitErr)
	}
	var m *imageio.RGB
	if path == stdin {
		if m, err = imageio.Decode(bytes.NewReader(all)); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	} else {
		m, err = imageio.Load(path)
	}
	if err != nil {
		return false, err
	}
	return false, imageio.Into(t, 0, m, p)
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
