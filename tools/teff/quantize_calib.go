package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/teff-ml/teff/format"
	"github.com/teff-ml/teff/ops/graph"
	"github.com/teff-ml/teff/ops/tensor"
	"github.com/teff-ml/teff/quant/ptq"
	"github.com/teff-ml/teff/tools/dataset"
	"github.com/teff-ml/teff/tools/imageio"
)

// calibration is what ranges are measured on.
type calibration struct {
	src     ptq.Source
	images  bool     // made with the model's preprocessing, not arrays as they are
	skipped []string // what could not be read
}

// openSamples reads at most n samples for g from paths: arrays, or images made
// with p. notImages says why g takes no images, or is nil; pictures says that
// some are wanted beside the samples.
func openSamples(g *graph.Graph, paths []string, n int, p format.Preprocess, notImages error, pictures bool) (*calibration, error) {
	arrays, err := arraysOf(paths)
	switch {
	case err != nil:
		return nil, err
	case notImages != nil && (len(arrays) == 0 || pictures):
		return nil, notImages
	case len(arrays) == 0:
		s, err := openCalib(paths, n, p)
		if err != nil {
			return nil, err
		}
		return &calibration{s, true, s.skipped}, nil
	}
	var specs []tensor.Spec
	for _, id := range g.Inputs() {
		specs = append(specs, g.Node(id).Out)
	}
	src, err := openArrays(arrays, specs, n)
	if err != nil {
		return nil, err
	}
	return &calibration{src: src}, nil
}

// calibSource is images, decoded and scaled, as samples.
type calibSource struct {
	images  []*imageio.RGB
	skipped []string
	p       format.Preprocess // but for the size, which is right already
}

func (s *calibSource) Len() int { return len(s.images) }

// Fill writes image i into the first input; others stay 0.
func (s *calibSource) Fill(i int, in []tensor.Tensor) error {
	return imageio.Into(in[0], 0, s.images[i], s.p)
}

// openCalib reads n images, the same share of each path.
func openCalib(paths []string, n int, p format.Preprocess) (*calibSource, error) {
	s := &calibSource{p: p}
	s.p.Resize = 0
	for k, path := range paths {
		count, image, err := openImages(path)
		if err != nil {
			return nil, err
		}
		want := min(count, (k+1)*n/len(paths)-len(s.images))
		for j := range want {
			m, err := image(j * count / want)
			if err == nil {
				m, err = imageio.Scaled(m, p)
			}
			if err != nil {
				s.skipped = append(s.skipped, err.Error())
				continue
			}
			s.images = append(s.images, m)
		}
	}
	if len(s.images) == 0 {
		return nil, fmt.Errorf("no sample could be read from %s", strings.Join(paths, ", "))
	}
	return s, nil
}

// openImages is the images of labelled data, all in a folder, or one image.
func openImages(path string) (int, func(i int) (*imageio.RGB, error), error) {
	st, err := os.Stat(path)
	if err != nil {
		return 0, nil, err
	}
	files := []string{path}
	if st.IsDir() {
		if files, _, err = dataset.Images(path); err != nil {
			return 0, nil, err
		}
	}
	set, setErr := dataset.Open(path)
	if setErr == nil && set.Len() >= len(files) { // strips have many images a file
		return set.Len(), set.Image, nil
	}
	if len(files) == 0 {
		return 0, nil, fmt.Errorf("%s: no images, and %w", path, setErr)
	}
	return len(files), func(i int) (*imageio.RGB, error) { return imageio.Load(files[i]) }, nil
}
