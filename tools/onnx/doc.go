// Package onnx reads ONNX models into graphs and writes graphs as ONNX.
//
// The file is walked in place (no generated code, no message objects for
// tensors): weights are slices of the file until an operator needs them in
// another layout. Import turns NCHW into NHWC by putting transposes around each
// operator that is bound to a layout; those that meet cancel at once, the rest
// is left to the graph's passes. What the model declares of its inputs and
// outputs stays as declared.
//
// Everything that can be computed from constants is computed while importing,
// which is what happens to the shape arithmetic that exporters leave. A batch
// left open in the file is given a large prime number meanwhile, so that shapes
// that contain it can be told.
package onnx
