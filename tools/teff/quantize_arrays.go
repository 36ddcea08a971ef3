package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/tools/npy"
)

// arraySource is .npy files as samples, for networks that do not see pictures.
type arraySource struct {
	samples [][]tensor.Tensor // for each input, of batch 1
}

func (s *arraySource) Len() int { return len(s.samples) }

func (s *arraySource) Fill(i int, in []tensor.Tensor) error {
	for j, x := range s.samples[i] {
		copy(in[j].Data, x.Data)
	}
	return nil
}

// arraysOf are the .npy and .npz files that paths name, themselves or as a folder of
// them; nil where there are none. Images beside them are an error.
func arraysOf(paths []string) ([]string, error) {
	var arrays []string
	others := ""
	for _, path := range paths {
		if npy.IsName(path) {
			arrays = append(arrays, path)
			continue
		}
		var inside []string
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			inside, _ = filepath.Glob(filepath.Join(path, "*.np[yz]")) // the pattern is good
		}
		if len(inside) == 0 {
			others = path
		}
		arrays = append(arrays, inside...)
	}
	if len(arrays) > 0 && others != "" {
		return nil, fmt.Errorf("--calib has .npy files and %s, which is none", others)
	}
	return arrays, nil
}

// openArrays reads up to n samples, spread evenly over what there is. A network
// of several inputs takes as many files in a row, in its order; a file holds one
// sample or has a row for each.
func openArrays(files []string, inputs []tensor.Spec, n int) (ptq.Source, error) {
	if len(files)%len(inputs) != 0 {
		return nil, fmt.Errorf("the model has %d inputs, %d .npy files were given", len(inputs), len(files))
	}
	s := &arraySource{}
	for group := range slices.Chunk(files, len(inputs)) {
		first := len(s.samples)
		for j, path := range group {
			x, err := npy.ReadFile(path)
			if err != nil {
				return nil, err
			}
			rows, err := sampleRows(path, x, inputs[j])
			if err != nil {
				return nil, err
			}
			if j == 0 {
				s.samples = append(s.samples, make([][]tensor.Tensor, len(rows))...)
			}
			if len(rows) != len(s.samples)-first {
				return nil, fmt.Errorf("%s: %d samples, %s has %d", path, len(rows), group[0], len(s.samples)-first)
			}
			for i, row := range rows {
				s.samples[first+i] = append(s.samples[first+i], row)
			}
		}
	}
	if all := len(s.samples); all > n {
		few := make([][]tensor.Tensor, n)
		for i := range few {
			few[i] = s.samples[i*all/n]
		}
		s.samples = few
	}
	return s, nil
}

// sampleRows are the samples that x holds for an input.
func sampleRows(path string, x tensor.Tensor, in tensor.Spec) ([]tensor.Tensor, error) {
	if x.DType == in.DType && sameButOnes(x.Shape, in.Shape) {
		return []tensor.Tensor{x}, nil
	}
	if x.DType != in.DType || x.Shape.Rank() != in.Shape.Rank() || in.Shape.Rank() == 0 || in.Shape.Dim(0) != 1 || x.Shape.With(0, 1) != in.Shape || x.Shape.Dim(0) == 0 {
		return nil, fmt.Errorf("%s: holds %v[%v], the input is %v[%v], or as many rows as there are samples", path, x.DType, x.Shape, in.DType, in.Shape)
	}
	rows := make([]tensor.Tensor, x.Shape.Dim(0))
	for i := range rows {
		rows[i] = tensor.Tensor{Spec: tensor.Spec{DType: in.DType, Shape: in.Shape}, Data: x.Data[i*in.Bytes():][:in.Bytes()]}
	}
	return rows, nil
}
