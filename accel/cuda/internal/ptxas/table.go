package ptxas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/teff-ml/teff/accel/cuda/kernels"
)

// Report is what each kernel of a text takes on each device.
type Report struct {
	kernels.Module
	On map[int][]Kernel // by capability
}

// Reports assembles all texts for all devices that run them.
func Reports(path string) ([]Report, error) {
	var rs []Report
	for _, m := range kernels.Modules() {
		r := Report{m, map[int][]Kernel{}}
		for _, cc := range Devices(m.Capability) {
			ks, err := Assemble(path, m.PTX, cc)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Name, err)
			}
			r.On[cc] = ks
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// Table is the kernels' document: what each takes on each device, as the
// assembler of that version says.
func Table(v string, rs []Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What the kernels take\n\n"+
		"Written by `go generate ./accel/cuda/kernels` from the reports of NVIDIA's assembler (ptxas %s). Nothing here was measured on a\n"+
		"device: registers and shared memory are the assembler's, the occupancy (warps that a multiprocessor holds, of the most it can, in\n"+
		"blocks of %d threads, and what stops more) follows from them. No kernel spills.\n", v, kernels.Block)
	for _, t := range rs {
		fmt.Fprintf(&b, "\n## %s\n\n| kernel | shared, bytes |", t.Name)
		ccs := Devices(t.Capability)
		for _, cc := range ccs {
			fmt.Fprintf(&b, " sm_%d: registers, warps |", cc)
		}
		b.WriteString("\n|---|---|" + strings.Repeat("---|", len(ccs)) + "\n")
		rows := map[string][]string{}
		shared := map[string]int{}
		for _, cc := range ccs {
			for _, k := range t.On[cc] {
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
	return b.String()
}
