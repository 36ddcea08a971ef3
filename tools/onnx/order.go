package onnx

// ordered are nodes in an order in which each comes after those that it reads,
// as near to the file's as can be: files ought to be in such an order, but some
// are not. What nobody computes is left for the reader to complain of; a cycle
// comes last.
func ordered(nodes []*node) []*node {
	by := map[string]int{} // the node that computes a value
	for i, n := range nodes {
		for _, o := range n.outputs {
			if o != "" {
				by[o] = i
			}
		}
	}
	waits := make([]int, len(nodes))
	readers := make([][]int, len(nodes))
	sorted := true
	for i, n := range nodes {
		for _, in := range n.inputs {
			if j, ok := by[in]; ok && j != i {
				waits[i]++
				readers[j] = append(readers[j], i)
				sorted = sorted && j < i
			}
		}
	}
	if sorted {
		return nodes
	}
	out := make([]*node, 0, len(nodes))
	var ready []int
	for i := len(nodes) - 1; i >= 0; i-- {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	done := make([]bool, len(nodes))
	for len(ready) > 0 {
		i := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		out, done[i] = append(out, nodes[i]), true
		for _, r := range readers[i] {
			if waits[r]--; waits[r] == 0 {
				ready = append(ready, r)
			}
		}
	}
	for i, n := range nodes {
		if !done[i] {
			out = append(out, n)
		}
	}
	return out
}
