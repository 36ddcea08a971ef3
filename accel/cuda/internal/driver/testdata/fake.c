/* A driver of one device whose memory is this process's, and whose only kernel,
 * scale(x, y, n, a), writes y[i] = a * x[i]. A stream does its work at once, or
 * records launches. FAKE_CUDA_INIT and FAKE_CUDA_COUNT are what cuInit and
 * cuDeviceGetCount answer; FAKE_CUDA_STALE: see TestStaleMemory. */
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ptr;
struct launch { ptr x, y; long long n; double a; };
static struct launch recorded[16];
static int recording, records, current;
static char context, module, kernel, stream, graph, exec;

static int env(const char *name, int otherwise) { const char *v = getenv(name); return v ? atoi(v) : otherwise; }

int cuInit(unsigned f) { return env("FAKE_CUDA_INIT", (int)f); }
int cuDeviceGetCount(int *n) { *n = env("FAKE_CUDA_COUNT", 1); return 0; }
int cuDeviceGet(int *d, int i) { *d = 7; return i == 0 ? 0 : 101; }
int cuDeviceGetName(char *s, int n, int d) { strncpy(s, "Fake", n); return d == 7 ? 0 : 101; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 7 : a == 76 ? 5 : 0; return d == 7 ? 0 : 101; }
int cuDevicePrimaryCtxRetain(void **c, int d) { *c = &context; current = 0; return d == 7 ? 0 : 101; }
int cuDevicePrimaryCtxRelease_v2(int d) { return d == 7 ? 0 : 101; }
int cuCtxSetCurrent(void *c) { current = c == &context; return current ? 0 : 201; }
int cuMemGetInfo_v2(size_t *f, size_t *t) { *f = 1 << 20; *t = 1 << 30; return current ? 0 : 201; }
int cuModuleLoadData(void **m, const void *s) { *m = &module; return strstr(s, "scale") ? 0 : 218; }
int cuModuleUnload(void *m) { return m == &module ? 0 : 400; }
int cuModuleGetFunction(void **f, void *m, const char *s) { *f = &kernel; return m == &module && !strcmp(s, "scale") ? 0 : 500; }
int cuMemAlloc_v2(ptr *p, size_t n) { if (n > 1 << 20) return 2; *p = (ptr)aligned_alloc(256, (n + 255) / 256 * 256); return 0; }
int cuMemFree_v2(ptr p) { free((void *)p); return 0; }
int cuMemAllocHost_v2(void **p, size_t n) { *p = malloc(n); return *p ? 0 : 2; }
int cuMemFreeHost(void *p) { free(p); return 0; }
int cuStreamCreate(void **s, unsigned f) { *s = &stream; return f == 1 ? 0 : 1; }
int cuStreamDestroy_v2(void *s) { return s == &stream ? 0 : 400; }
int cuStreamSynchronize(void *s) { return s == &stream ? 0 : 400; }
int cuMemcpyHtoDAsync_v2(ptr d, const void *s, size_t n, void *q) { memcpy((void *)d, s, n); return q == &stream ? 0 : 400; }
int cuMemcpyDtoHAsync_v2(void *d, ptr s, size_t n, void *q) {
	memcpy(d, (void *)s, n);
	if (getenv("FAKE_CUDA_STALE")) { /* the address of the host's memory stays in memory given back, as of a queue */
		void *volatile *was[4];
		for (int i = 0; i < 4; i++) {
			was[i] = malloc(4 * sizeof(void *));
			for (int j = 0; j < 4; j++) was[i][j] = d;
		}
		for (int i = 0; i < 4; i++) free((void *)was[i]);
	}
	return q == &stream ? 0 : 400;
}

static void run(struct launch *l) {
	for (long long i = 0; i < l->n; i++)
		((float *)l->y)[i] = (float)l->a * ((float *)l->x)[i];
}

int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *s, void **p, void **extra) {
	struct launch l = {*(ptr *)p[0], *(ptr *)p[1], *(long long *)p[2], *(double *)p[3]};
	if (f != &kernel || s != &stream || extra || !current) return 400;
	if (gx != 2 || gy != 3 || gz != 4 || bx != 32 || by != 5 || bz != 6 || shared != 48) return 1;
	if (recording) recorded[records++ % 16] = l;
	else run(&l);
	return 0;
}

int cuStreamBeginCapture_v2(void *s, int mode) { recording = 1; records = 0; return s == &stream && mode == 2 ? 0 : 400; }
int cuStreamEndCapture(void *s, void **g) { recording = 0; *g = &graph; return s == &stream ? 0 : 400; }
int cuGraphInstantiateWithFlags(void **x, void *g, unsigned long long f) { *x = &exec; return g == &graph && !f ? 0 : 400; }
int cuGraphDestroy(void *g) { return g == &graph ? 0 : 400; }
int cuGraphExecDestroy(void *x) { return x == &exec ? 0 : 400; }
int cuGraphLaunch(void *x, void *s) { for (int i = 0; i < records; i++) run(&recorded[i]); return x == &exec && s == &stream ? 0 : 400; }
int cuGetErrorName(int r, const char **s) { *s = r == 999 ? "CUDA_ERROR_UNKNOWN" : r == 1 ? "CUDA_ERROR_INVALID_VALUE" : 0; return *s ? 0 : 1; }
