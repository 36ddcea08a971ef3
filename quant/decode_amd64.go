//go:build !purego

package quant

import "github.com/teff-ml/teff/ops/switches"

// useDecode: the loops use what every amd64 processor has.
var useDecode = true

func init() { switches.Register("decode/amd64", &useDecode) }

func ransRunFours(t *ransRun)  { ransFoursAMD64(t) }
func halvesRun16(t *halvesRun) { halvesAMD64(t) }
func scaleRun16(t *scaleRun)   { scaleAMD64(t) }

// See ransFoursGeneric, halvesGeneric and scaleGeneric for what they compute.

//go:noescape
func ransFoursAMD64(t *ransRun)

//go:noescape
func halvesAMD64(t *halvesRun)

//go:noescape
func scaleAMD64(t *scaleRun)
