//go:build !purego

package kern

func lookupRun(t *lookupArgs) { lookupNEON(t) }

// See Lookup for what it computes.
//
//go:noescape
func lookupNEON(t *lookupArgs)
