//go:build !purego

package kern

func groupLinesRun(dot bool, t *groupLines) {
	if dot {
		groupDotAVX512(t)
	} else {
		groupAxpyAVX512(t)
	}
}

// Loops over lines; see GroupLines.runGeneric for what they compute.

//go:noescape
func groupDotAVX512(t *groupLines)

//go:noescape
func groupAxpyAVX512(t *groupLines)
