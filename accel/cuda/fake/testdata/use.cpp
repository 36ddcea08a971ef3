// Uses the fake driver as a program uses a driver, rightly and wrongly.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDeviceGetCount(int *);
int cuDevicePrimaryCtxRetain(void **, int);
int cuDevicePrimaryCtxRelease_v2(int);
int cuCtxSetCurrent(void *);
int cuMemAlloc_v2(uint64_t *, size_t);
int cuMemFree_v2(uint64_t);
int cuMemGetInfo_v2(size_t *, size_t *);
int cuMemHostAlloc(void **, size_t, unsigned);
int cuMemFreeHost(void *);
int cuMemcpyHtoDAsync_v2(uint64_t, const void *, size_t, void *);
int cuMemcpyDtoHAsync_v2(void *, uint64_t, size_t, void *);
int cuMemcpyDtoH_v2(void *, uint64_t, size_t);
int cuModuleLoadData(void **, const void *);
int cuModuleGetFunction(void **, void *, const char *);
int cuModuleUnload(void *);
int cuStreamCreate(void **, unsigned);
int cuStreamDestroy_v2(void *);
int cuStreamSynchronize(void *);
int cuStreamBeginCapture_v2(void *, int);
int cuStreamEndCapture(void *, void **);
int cuGraphInstantiateWithFlags(void **, void *, unsigned long long);
int cuGraphLaunch(void *, void *);
int cuGraphDestroy(void *);
int cuGraphExecDestroy(void *);
int cuEventCreate(void **, unsigned);
int cuEventRecord(void *, void *);
int cuEventQuery(void *);
int cuEventElapsedTime(float *, void *, void *);
int cuGetErrorName(int, const char **);
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
}

#define WANT(code, call)                                                                                       \
	do {                                                                                                       \
		int got = call;                                                                                        \
		if (got != (code)) {                                                                                   \
			printf("%d: %s: %d, not %d\n", __LINE__, #call, got, (int)(code));                                 \
			exit(1);                                                                                           \
		}                                                                                                      \
	} while (0)
#define TRUE(x) WANT(true, !!(x))

static void *context, *stream, *module;

static void *function(const char *name) {
	void *f;
	WANT(0, cuModuleGetFunction(&f, module, name));
	return f;
}

static int launch(void *f, unsigned grid, std::vector<uint64_t> p, void *s = stream, unsigned block = 256) {
	std::vector<void *> at;
	for (auto &v : p) at.push_back(&v);
	int r = cuLaunchKernel(f, grid, 1, 1, block, 1, 1, 0, s, at.data(), nullptr);
	p.assign(p.size(), 0xdead); // they are copied by now
	return r;
}

static uint64_t bits(double v) {
	uint64_t b;
	memcpy(&b, &v, 8);
	return b;
}

static void start(const char *ptx) {
	WANT(3, cuDevicePrimaryCtxRetain(&context, 0));
	WANT(0, cuInit(0));
	WANT(0, cuDevicePrimaryCtxRetain(&context, 0));
	uint64_t p;
	WANT(201, cuMemAlloc_v2(&p, 4)); // no context in this thread
	WANT(0, cuCtxSetCurrent(context));
	WANT(0, cuStreamCreate(&stream, 1));
	WANT(218, cuModuleLoadData(&module, "no PTX"));
	WANT(0, cuModuleLoadData(&module, ptx));
}

static void use() {
	std::thread([] {
		uint64_t p;
		WANT(201, cuMemAlloc_v2(&p, 4));
		WANT(0, cuCtxSetCurrent(context));
		WANT(0, cuMemAlloc_v2(&p, 4));
		WANT(0, cuMemFree_v2(p));
	}).join();

	const char *name;
	WANT(0, cuGetErrorName(700, &name));
	TRUE(!strcmp(name, "CUDA_ERROR_ILLEGAL_ADDRESS"));
	WANT(1, cuGetErrorName(12345, &name));

	const int n = 1000;
	uint64_t x, y;
	float *in, *out;
	WANT(0, cuMemAlloc_v2(&x, n * 4));
	WANT(0, cuMemAlloc_v2(&y, n * 4));
	TRUE(x % 256 == 0 && y % 256 == 0);
	WANT(0, cuMemHostAlloc((void **)&in, n * 4, 0));
	WANT(0, cuMemHostAlloc((void **)&out, n * 4, 0));
	WANT(0, cuMemcpyDtoH_v2(out, x, n * 4));
	TRUE(out[7] != out[7]); // new memory is NaN
	for (int i = 0; i < n; i++) in[i] = (float)i;

	// Nothing is done before somebody waits.
	void *fill = function("fill_f32"), *unary = function("unary_f32"), *none;
	WANT(500, cuModuleGetFunction(&none, module, "conv_f64"));
	const std::vector<uint64_t> negate = {x, y, n, 13, bits(-2), bits(1)};
	WANT(0, cuMemcpyHtoDAsync_v2(x, in, n * 4, stream));
	WANT(0, launch(unary, 4, negate));
	WANT(0, cuMemcpyDtoHAsync_v2(out, y, n * 4, stream));
	TRUE(out[5] != out[5]);
	void *event, *first;
	WANT(0, cuEventCreate(&event, 0));
	WANT(0, cuEventCreate(&first, 0));
	WANT(0, cuEventRecord(event, stream));
	WANT(600, cuEventQuery(event));
	WANT(0, cuStreamSynchronize(stream));
	WANT(0, cuEventQuery(event));
	WANT(0, cuEventRecord(first, stream));
	float ms = -1;
	WANT(0, cuEventElapsedTime(&ms, event, first));
	TRUE(ms >= 0);
	for (int i = 0; i < n; i++) TRUE(out[i] == 1 - 2 * (float)i);

	// A capture records, and its graph does it again and again.
	void *graph, *exec;
	WANT(903, cuStreamEndCapture(stream, &graph));
	WANT(0, cuStreamBeginCapture_v2(stream, 0));
	uint64_t z;
	WANT(900, cuMemAlloc_v2(&z, 4));
	WANT(901, launch(unary, 4, negate));
	WANT(901, cuStreamEndCapture(stream, &graph));
	WANT(0, cuStreamBeginCapture_v2(stream, 1));
	WANT(0, cuMemcpyHtoDAsync_v2(x, in, n * 4, stream));
	WANT(0, launch(unary, 4, negate));
	WANT(0, cuMemcpyDtoHAsync_v2(out, y, n * 4, stream));
	WANT(0, cuStreamEndCapture(stream, &graph));
	WANT(0, cuGraphInstantiateWithFlags(&exec, graph, 0));
	WANT(0, cuGraphDestroy(graph));
	WANT(1, cuGraphDestroy(graph));
	WANT(1, cuGraphLaunch(graph, stream));
	for (int round = 0; round < 3; round++) {
		in[9] = (float)round;
		WANT(0, cuGraphLaunch(exec, stream));
		WANT(0, cuStreamSynchronize(stream));
		TRUE(out[9] == 1 - 2 * (float)round);
	}
	WANT(0, cuGraphExecDestroy(exec));

	// Wrong use.
	WANT(1, cuMemcpyHtoDAsync_v2(x + 4, in, n * 4, stream));
	WANT(1, cuMemcpyDtoHAsync_v2(out, (uint64_t)in, 4, stream));
	WANT(1, launch(fill, 0, {x, n, 0}));
	WANT(1, launch(fill, 0x80000000u, {x, n, 0}));
	WANT(1, launch(fill, 1, {x, n, 0}, stream, 257));
	WANT(400, launch(fill, 1, {x, n, 0}, &context));
	WANT(400, launch(&context, 1, {x, n, 0}));
	WANT(1, cuMemFree_v2(x + 256));
	WANT(1, cuMemFreeHost(in + 1));
	void *other;
	WANT(0, cuStreamCreate(&other, 0));
	WANT(0, cuStreamDestroy_v2(other));
	WANT(400, cuStreamDestroy_v2(other));
	WANT(400, launch(fill, 1, {x, n, 0}, other));

	size_t left, total;
	WANT(0, cuMemGetInfo_v2(&left, &total));
	TRUE(total == 65536 && left == 65536 - 2 * 4096);
	WANT(2, cuMemAlloc_v2(&z, left + 1));
	WANT(0, cuMemAlloc_v2(&z, left));
	WANT(0, cuMemFree_v2(z));
	WANT(0, cuMemFree_v2(x));
	WANT(1, cuMemFree_v2(x));
	WANT(0, cuMemFree_v2(y));
	WANT(0, cuMemFreeHost(in));
	WANT(0, cuMemFreeHost(out));
	WANT(0, cuStreamDestroy_v2(stream));
	WANT(0, cuModuleUnload(module));
	WANT(400, cuModuleGetFunction(&none, module, "fill_f32"));
	WANT(0, cuDevicePrimaryCtxRelease_v2(0));
	WANT(201, cuDevicePrimaryCtxRelease_v2(0));
}

// fault does one thing that loses the device; every call after it fails.
static void fault(const std::string &what) {
	void *fill = function("fill_f32");
	uint64_t x, z;
	WANT(0, cuMemAlloc_v2(&x, 100 * 4));
	WANT(0, launch(fill, 1, {x, 100, bits(1)}));
	WANT(0, cuStreamSynchronize(stream));
	int code = 700;
	if (what == "beyond") WANT(0, launch(fill, 1, {x, 101, bits(1)}));
	if (what == "freed") {
		WANT(0, cuMemAlloc_v2(&z, 4));
		WANT(0, cuMemFree_v2(z));
		WANT(0, launch(fill, 1, {z, 1, bits(1)}));
	}
	if (what == "lost") {
		code = 719;
		WANT(0, launch(fill, 1, {x, 100, bits(1)}));
	}
	WANT(code, cuStreamSynchronize(stream));
	WANT(code, cuStreamSynchronize(stream));
	WANT(code, cuMemAlloc_v2(&z, 4));
}

int main(int argc, char **argv) {
	if (argc < 3) return 2;
	if (!strcmp(argv[1], "none")) {
		int n;
		WANT(100, cuInit(0));
		WANT(3, cuDeviceGetCount(&n));
	} else {
		FILE *f = fopen(argv[2], "rb");
		TRUE(f);
		std::string ptx(1 << 20, 0);
		ptx.resize(fread(&ptx[0], 1, ptx.size(), f));
		fclose(f);
		start(ptx.c_str());
		if (!strcmp(argv[1], "use"))
			use();
		else
			fault(argv[1]);
	}
	printf("ok\n");
}
