module github.com/teff-ml/teff/tests/peers

go 1.26.8

require (
	github.com/teff-ml/teff v0.0.0
	github.com/yalue/onnxruntime_go v1.27.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/teff-ml/teff => ../..
