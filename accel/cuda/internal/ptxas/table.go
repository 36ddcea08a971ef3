package ptxas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel/cuda/kernels"
)

// Table is the kernels' document: what each takes on each device.
func Table(path string) (string, error) {
	v, err := Version(path)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# What the kernels take\n\n"+
		"Written by `go generate ./accel/cuda/kernels` from the reports of NVIDIA's assembler (ptxas %s). Nothing here was measured on a\n"+
		"device: registers and shared memory are the assembler's, the occupancy (warps that a multiprocessor holds, of the most it can, in\n"+
		"blocks of %d threads, and what stops more) follows from them. No kernel spills.\n", v, kernels.Block)
	for _, t := range kernels.Modules() {
		fmt.Fprintf(&b, "\n## %s\n\n| kernel | shared, bytes |", t.Name)
		ccs := Devices(t.Capability)
		for _, cc := range ccs {
			fmt.Fprintf(&b, " sm_%d: registers, warps |", cc)
		}
		b.WriteString("\n|---|---|" + strings.Repeat("---|", len(ccs)) + "\n")
		rows := map[string][]string{}
		shared := map[string]int{}
		for _, cc := range ccs {
			ks, err := Assemble(path, t.PTX, cc)
			if err != nil {
				return "", fmt.Errorf("%s: %w", t.Name, err)
			}
			for _, k := range ks {
				w, most, limit := k.Occupancy(cc, kernels.Block)
				rows[k.Name] = append(rows[k.Name], fmt.Sprintf("%d, %d of %d (%s)", k.Registers, w, most, limit))
				shared[k.Name] = max(shared[k.Name], k.Shared)
			}
		}
		var names []string
		for n := range rows {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			fmt.Fprintf(&b, "| %s | %d | %s |\n", n, shared[n], strings.Join(rows[n], " | "))
		}
	}
	return b.String(), nil
}
