//go:build js

package main

import (
	"syscall/js"

	"github.com/teff-ml/teff/ops/tensor"
)

// main gives JavaScript a function: teffOpen(bytes), of a Uint8Array with a .teff
// file, is a function from one Float32Array, the input, to another. Where either
// fails it returns an Error, as a function of Go's cannot throw.
func main() {
	js.Global().Set("teffOpen", js.FuncOf(func(_ js.Value, args []js.Value) any {
		file := make([]byte, args[0].Length())
		js.CopyBytesToGo(file, args[0])
		n, err := open(file)
		if err != nil {
			return js.Global().Get("Error").New(err.Error())
		}
		return js.FuncOf(func(_ js.Value, args []js.Value) any { return call(n, args[0]) })
	}))
	select {} // JavaScript calls from here on
}

// call runs n on the numbers of a Float32Array.
func call(n *network, x js.Value) any {
	in := tensor.BytesOf(n.input())
	if x.Get("byteLength").Int() != len(in) {
		return js.Global().Get("Error").New("the input has another size")
	}
	js.CopyBytesToGo(in, js.Global().Get("Uint8Array").New(x.Get("buffer"), x.Get("byteOffset"), x.Get("byteLength")))
	y, err := n.run()
	if err != nil {
		return js.Global().Get("Error").New(err.Error())
	}
	out := js.Global().Get("Float32Array").New(len(y))
	js.CopyBytesToJS(js.Global().Get("Uint8Array").New(out.Get("buffer")), tensor.BytesOf(y))
	return out
}
