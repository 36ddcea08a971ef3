# Everything a person or a CI run does here. `make` alone lists it.
GO      ?= go
BIN     := bin/teff
QEMU    ?= qemu-aarch64-static
# A number of inputs and not a time: when time runs out on a busy machine, go test
# may report "context deadline exceeded" as a failure.
FUZZ    ?= 30000x
PKGS    := ./...

.PHONY: help build test check demo bench table bench-peers bench-train gpu-bench gpu-check gpu-check-build fmt vet lint purego bits32 cores race arm64 cross cuda fuzz generate generate-check clean

help:
	@echo "make build        the command, as $(BIN)"
	@echo "make demo         train, convert, inspect, run and time a small network on images drawn here"
	@echo "make test         all tests"
	@echo "make check        fmt vet lint generate-check purego bits32 cores race arm64 cross cuda fuzz, each also alone"
	@echo "make generate     the assembly, by tools/asmgen"
	@echo "make table        file sizes of real networks at given drops of accuracy"
	@echo "make bench-peers  side by side with ONNX Runtime (downloads it); ARGS=--json for one JSON object"
	@echo "make bench        kernels and small networks, by go test"
	@echo "make bench-train  training steps side by side with PyTorch (needs it installed)"
	@echo "make gpu-bench    networks on a GPU, kernel by kernel, beside PyTorch; SKIPPED without one"
	@echo "make gpu-check    all that only a GPU can say, in 9 minutes: bin/gpu/check.md and check.json"

build: $(BIN)

$(BIN): FORCE
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags="-s -w" -o $(BIN) ./tools/teff
FORCE:

test:
	$(GO) test $(PKGS)

demo: build
	$(BIN) demo --model tests/golden/glyphs.onnx

check: fmt vet lint generate-check purego bits32 cores race arm64 cross cuda fuzz

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt'ed:"; echo "$$out"; exit 1; }

vet:
	$(GO) vet $(PKGS)

# staticcheck runs at a fixed version so that a new one cannot break an old commit.
lint:
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.7.0 $(PKGS)

purego:
	$(GO) test -tags purego ./ops/... ./runtime/... ./quant/... ./format/...

# A 32-bit int, where the processor runs such programs itself.
bits32:
	@case "$$(uname -s)-$$(uname -m)" in Linux-x86_64) \
	  GOARCH=386 CGO_ENABLED=0 $(GO) test -short ./runtime ./format ./quant ./accel/plan ./tools/onnx ./tools/tflite ./tools/imageio ./tools/arch && \
	  GOARCH=386 CGO_ENABLED=0 $(GO) test -run ImagesSum ./tools/teff;; \
	*) echo "bits32: skipped, not an x86-64 Linux";; esac

# What differs by the processor's cores, with the choices of each.
cores:
	@for m in intel zen4; do TEFF_CORES=$$m $(GO) test -count=1 ./runtime && \
	  TEFF_CORES=$$m $(GO) test -count=1 -short -run Models ./tests || exit 1; done
	GODEBUG=cpu.avx512f=off $(GO) test -count=1 -short -run Models ./tests # as without AVX-512

race:
	$(GO) test -race -short ./ops/internal/pool ./runtime ./runtime/train

# The kernels and the operators for 64-bit Arm, run by an emulator: on a processor
# with everything, and on one without dot products and half precision arithmetic.
arm64:
	@command -v $(QEMU) >/dev/null || { echo "needs $(QEMU) (Debian: qemu-user-static)"; exit 1; }
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -short -timeout 40m -exec "$(QEMU) -cpu max" ./ops/internal/... ./ops ./quant ./runtime
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -short -timeout 40m -exec "$(QEMU) -cpu cortex-a53" ./ops/internal/kern ./ops
	GOARCH=arm64 CGO_ENABLED=0 $(GO) test -short -exec "$(QEMU) -cpu cortex-a53" -run TFLite ./tests

CROSS := linux/amd64 linux/arm64 linux/arm linux/riscv64 linux/386 darwin/arm64 darwin/amd64 windows/amd64 js/wasm wasip1/wasm
cross:
	@for t in $(CROSS); do echo "build $$t"; \
	  GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./runtime/... ./format ./tools/teff || exit 1; done
	@for t in linux/arm64 linux/arm linux/riscv64 windows/amd64; do \
	  GOOS=$${t%/*} GOARCH=$${t#*/} CGO_ENABLED=0 $(GO) vet ./ops/... ./runtime/... ./format || exit 1; done

# The CUDA backend through the real binding, on a driver that runs the kernels' sources
# on the host; on the device where there is one. No toolkit is needed.
cuda:
	@command -v $${CXX:-g++} >/dev/null || { echo "cuda: SKIPPED, needs a C++ compiler ($${CXX:-g++})"; exit 0; }; \
	  . accel/cuda/build.env && $(GO) vet -tags cuda ./accel/... && $(GO) build -tags cuda -o /dev/null ./tools/teff && \
	  $(GO) test -tags cuda ./accel/... ./tests/gpubench && $(GO) test -tags cuda -run Device ./tools/teff

# Each fuzz target for a few seconds; FUZZ=60s for longer.
fuzz:
	@for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | sed 's/func //'); do \
	    echo "fuzz $$pkg $$f"; $(GO) test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) -fuzzminimizetime 20x || exit 1; done; done

generate:
	cd tools/asmgen && $(GO) generate ./...

# The committed assembly is what the generator writes.
generate-check:
	cd tools/asmgen && $(GO) test ./...

bench:
	$(GO) test -run '^$$' -bench . ./ops/internal/kern ./runtime

# File size, accuracy, opening and running time of real networks under each setting
# of convert: the README's table. Takes some minutes.
table: build
	$(GO) run ./tests/table -teff $(BIN) $(ARGS)

bench-peers:
	cd tests/peers && ./run.sh $(ARGS)

# Training steps of both in turns; a comparison for people, never part of CI.
# ARGS="-networks resnet8 -threads 1 -rounds 3" for less of it.
PYTHON  ?= /usr/bin/python3
bench-train:
	@$(PYTHON) -c 'import torch' 2>/dev/null || { echo "$(PYTHON) has no torch (Debian: python3-torch); PYTHON=... names another"; exit 1; }
	cd tests/peers && $(GO) run ./torchstep -python $(PYTHON) $(ARGS)

# ResNet-18 and -50 at batch 1 and 64 on the machine's first NVIDIA device.
gpu-bench:
	@command -v $${CC:-cc} >/dev/null || { echo "gpu-bench: SKIPPED, needs a C compiler ($${CC:-cc})"; exit 0; }; \
	  . accel/cuda/build.env && $(GO) run -tags cuda ./tests/gpubench -python $(PYTHON) $(ARGS)

# The programs are built where Go is; bin/gpu/gpucheck needs them and the repository's
# files, no Go. ARGS="-only golden,bench -bench '-batches 1'" for less of it.
GPUTESTS := accel/cuda accel/cuda/internal/driver accel/cuda/internal/ptxas tools/teff
gpu-check-build:
	@. accel/cuda/build.env && for p in $(GPUTESTS); do \
	  $(GO) test -c -tags cuda -ldflags='-s -w' -o bin/gpu/$$(basename $$p).test ./$$p || exit 1; done && \
	  $(GO) build -tags cuda -trimpath -ldflags='-s -w' -o bin/gpu/gpubench ./tests/gpubench
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/gpu/gpucheck ./tests/gpucheck

gpu-check: gpu-check-build
	bin/gpu/gpucheck -python $(PYTHON) $(ARGS)

clean:
	rm -rf bin build
